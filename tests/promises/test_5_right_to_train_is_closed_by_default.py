"""Promise 5: terms that forbid training, or are unknown or lapsed, deny: no call, no row, no training."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.right.decide import decide
from tasks.right.demands import StudentNamePrefix
from tasks.right.gate import admit
from tasks.right.registry import load_teachers, shipped_teachers
from tasks.right.terms import (
    Attestation,
    Evidence,
    Purpose,
    Review,
    RouteTerms,
    StudentFacts,
    Teacher,
    WeightsTerms,
    terms_sha256,
)
from warehouse.errors import Denied
from warehouse.layout import DataRoot

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
TODAY = NOW.date()
PURPOSES: tuple[Purpose, ...] = ("ask", "publish", "train")
PREFIX = StudentNamePrefix(id="student_name_prefix", prefix="Llama")

days = st.integers(-800, 800).map(lambda offset: TODAY + timedelta(days=offset))
trainable = st.sampled_from(["yes", "conditional", "no", "unknown"])
evidence = st.none() | st.builds(
    Evidence,
    source=st.just("a text"),
    retrieved=days,
    mark=st.sampled_from(["primary", "secondary", "unverified"]),
)
reviews = st.none() | st.builds(Review, by=st.just("Ada"), on=days, expires_after_days=st.integers(1, 365))
attestations = st.lists(
    st.builds(
        Attestation,
        of=st.sampled_from(["weights", "route"]),
        condition=st.sampled_from(["student_name_prefix", "attribution"]),
        by=st.just("Ada"),
        on=days,
        expires_after_days=st.integers(1, 365),
    ),
    max_size=2,
)
students = st.none() | st.builds(StudentFacts, name=st.sampled_from([None, "Llama-x", "x"]))
licenses = st.sampled_from([None, "", "unknown", "MIT", "CC-BY-4.0", "CC-BY-NC-4.0", "GPL-3.0-only", "not a licence"])


@st.composite
def teachers(draw: st.DrawFn) -> Teacher:
    """Any teacher that can be written down, most of them with something missing, unknown or out of date."""
    weights_say, route_says = draw(trainable), draw(trainable)
    weights = WeightsTerms(
        weights="w",
        license="LicenseRef-w",
        outputs_trainable=weights_say,
        conditions=(PREFIX,) if weights_say == "conditional" else (),
        evidence=draw(evidence),
        basis=draw(st.sampled_from([None, "a table"])),
    )
    route = RouteTerms(
        route=draw(st.sampled_from(["self-hosted", "provider", "simulated"])),
        provider="somebody",
        license=draw(st.sampled_from([None, "LicenseRef-r"])),
        outputs_trainable=route_says,
        conditions=(PREFIX,) if route_says == "conditional" else (),
        evidence=draw(evidence),
    )
    return Teacher(
        name="t",
        model=draw(st.sampled_from(["m", "simulated-teacher"])),
        route=draw(st.sampled_from([route.route, "self-hosted"])),
        base_url=draw(st.sampled_from(["http://127.0.0.1:8909/v1", "http://10.0.0.5/v1"])),
        account="a",
        pool="p",
        expected_models=("m",),
        simulated=draw(st.booleans()),
        weights=weights,
        route_terms=route,
        review=draw(reviews),
        terms_id="t.0",
        terms_sha256=draw(st.sampled_from([terms_sha256(weights, route), "0" * 64])),
    )


def in_order(teacher: Teacher, license: str | None, student: StudentFacts | None, words: list[Attestation]) -> bool:
    """The promise, said once more in other words than the gate's."""
    by_itself = (
        teacher.model == "simulated-teacher" and teacher.route == "simulated" and "127.0.0.1" in teacher.base_url
    )
    if teacher.simulated != by_itself and (teacher.simulated or "simulated" in teacher.model + teacher.route):
        return False
    for of, terms in (("weights", teacher.weights), ("route", teacher.route_terms)):
        if terms.outputs_trainable not in ("yes", "conditional"):
            return False
        if terms.evidence is not None and terms.evidence.mark == "unverified":
            return False
        if terms.outputs_trainable == "conditional":
            named = student.name if student else None
            held = any(
                w.of == of and w.condition == PREFIX.id and w.on <= TODAY + timedelta(1) and w.expires_on > TODAY
                for w in words
            )
            if not (named.startswith("Llama") if named is not None else held):
                return False
    review = teacher.review
    signed = review is not None and review.on <= TODAY + timedelta(1) and review.expires_on > TODAY
    return (signed or teacher.simulated) and license in ("MIT", "CC-BY-4.0")


@settings(max_examples=600, deadline=None)
@given(teachers(), licenses, students, attestations, st.sampled_from(PURPOSES))
def test_no_combination_of_missing_unknown_or_lapsed_input_allows(
    teacher: Teacher,
    license: str | None,
    student: StudentFacts | None,
    words: list[Attestation],
    purpose: Purpose,
) -> None:
    ruling = decide(teacher, license, purpose, student, words, NOW)
    assert ruling.allow == (not ruling.reasons)
    assert all(reason.code and reason.term and reason.remedy for reason in ruling.reasons)
    if ruling.allow:
        assert in_order(teacher, license, student, words)


def sound() -> Teacher:
    """A teacher against which nothing speaks: what the flaws below are put into."""
    read = Evidence(source="a text", retrieved=date(2026, 11, 1), mark="primary")
    weights = WeightsTerms(
        weights="w",
        license="LicenseRef-w",
        outputs_trainable="conditional",
        conditions=(PREFIX,),
        evidence=read,
    )
    route = RouteTerms(
        route="provider", provider="somebody", license="LicenseRef-r", outputs_trainable="yes", evidence=read
    )
    return Teacher(
        name="t", model="m", route="provider", base_url="https://llm.example.org/v1", account="a", pool="p",
        expected_models=("m",), weights=weights, route_terms=route,
        review=Review(by="Ada", on=date(2026, 11, 25)), terms_id="t.0",
        terms_sha256=terms_sha256(weights, route),
    )  # fmt: skip


def with_terms(**changes: dict[str, Any]) -> Callable[[Teacher], Teacher]:
    def change(teacher: Teacher) -> Teacher:
        parts = {
            part: type(getattr(teacher, part)).model_validate({**getattr(teacher, part).model_dump(), **fields})
            for part, fields in changes.items()
        }
        changed = teacher.model_copy(update=parts)
        hashed = terms_sha256(changed.weights, changed.route_terms)
        return changed.model_copy(update={"terms_sha256": hashed})

    return change


def with_field(**fields: object) -> Callable[[Teacher], Teacher]:
    return lambda teacher: teacher.model_copy(update=fields)


UNREAD = {"evidence": {"source": "hearsay", "retrieved": "2026-11-01", "mark": "unverified"}}
LATER = {"evidence": {"source": "a newer text", "retrieved": "2026-11-30", "mark": "primary"}}
FLAWS: dict[str, Callable[[Teacher], Teacher]] = {
    "weights forbid": with_terms(weights={"outputs_trainable": "no", "conditions": ()}),
    "weights unknown": with_terms(weights={"outputs_trainable": "unknown", "conditions": ()}),
    "route forbids": with_terms(route_terms={"outputs_trainable": "no"}),
    "route unknown": with_terms(route_terms={"outputs_trainable": "unknown"}),
    "weights unread": with_terms(weights=UNREAD),
    "route unread": with_terms(route_terms=UNREAD),
    "weights without evidence": with_terms(weights={"evidence": None}),
    "route without evidence": with_terms(route_terms={"evidence": None}),
    "terms newer than the review": with_terms(route_terms=LATER),
    "another condition": with_terms(
        route_terms={
            "outputs_trainable": "conditional",
            "conditions": [{"id": "agreement", "statement": "we agree"}],
        }
    ),
    "nobody signed": with_field(review=None),
    "review lapsed": with_field(review=Review(by="Ada", on=date(2026, 8, 1))),
    "review in the future": with_field(review=Review(by="Ada", on=date(2026, 12, 24))),
    "hash of other terms": with_field(terms_sha256="0" * 64),
    "another route than its terms": with_field(route="self-hosted"),
    "simulated somewhere else": with_field(simulated=True),
}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_teacher_against_which_nothing_speaks_passes(purpose: Purpose) -> None:
    assert decide(sound(), "MIT", purpose, StudentFacts(name="Llama-x"), (), NOW).allow


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("flaw", FLAWS)
def test_one_flaw_is_enough_to_deny(flaw: str, purpose: Purpose) -> None:
    assert not decide(FLAWS[flaw](sound()), "MIT", purpose, StudentFacts(name="Llama-x"), (), NOW).allow


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("student", [None, StudentFacts(), StudentFacts(name="x")], ids=["none", "undeclared", "other"])
def test_a_condition_that_nobody_answers_denies(student: StudentFacts | None, purpose: Purpose) -> None:
    assert not decide(sound(), "MIT", purpose, student, (), NOW).allow


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_shipped_teacher_nobody_signed_for_is_denied_with_one_line(
    data_root: DataRoot, tmp_path: Path, purpose: Purpose
) -> None:
    (tmp_path / "teachers").mkdir()
    shipped = load_teachers([shipped_teachers(), tmp_path / "teachers"])["deepseek-r1@self-hosted"]
    with pytest.raises(Denied, match="nobody has signed for its terms. To change that, read them") as denied:
        admit(data_root, [shipped], "MIT", purpose, None, "run-1", NOW)
    assert denied.value.exit_code == 2 and "\n" not in str(denied.value)
