"""No missing, malformed, unknown or contradictory input allows: by properties, with an oracle of its own."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.right.decide import decide
from tasks.right.demands import (
    Agreement,
    Attribution,
    AttributionAbove,
    Condition,
    FlowDown,
    Geography,
    MaxMonthlyUsers,
    MaxRevenue,
    Noncommercial,
    StudentNamePrefix,
)
from tasks.right.terms import (
    Attestation,
    Evidence,
    Review,
    RouteTerms,
    StudentFacts,
    Teacher,
    WeightsTerms,
    terms_sha256,
)

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
TODAY = NOW.date()
READ = Evidence(source="a text", retrieved=TODAY - timedelta(30), mark="primary")
FREE = ("MIT", "CC-BY-4.0", "CC0-1.0", "LicenseRef-own")
KNOWN_CONDITIONS: tuple[Condition, ...] = (
    StudentNamePrefix(id="student_name_prefix", prefix="Llama"),
    Attribution(id="attribution", text="Built with A", or_text="Improved using A"),
    AttributionAbove(id="attribution_above", text="Big A", users=1_000, usd=500, per="month"),
    Noncommercial(id="noncommercial"),
    FlowDown(id="flow_down", document="the policy"),
    MaxMonthlyUsers(id="max_mau", users=2_000),
    MaxRevenue(id="max_revenue", usd=900, per="year"),
    Geography(id="geography", excluded=("EU", "KR")),
    Agreement(id="agreement", statement="we agree"),
)
GOOD = StudentFacts(
    name="Llama-x",
    attributions=("Improved using A", "Big A"),
    commercial=False,
    documents=("the policy",),
    monthly_users=10,
    monthly_revenue_usd=10,
    yearly_revenue_usd=100,
    country="CH",
)


@dataclass(frozen=True)
class Case:
    """All that the gate is given."""

    teacher: Teacher
    license: Any
    purpose: Any
    student: StudentFacts | None
    words: tuple[Attestation, ...]

    def allowed(self) -> bool:
        return decide(self.teacher, self.license, self.purpose, self.student, self.words, NOW).allow


# The oracle: the promise in other words, by tables and plain comparisons, without the gate's own code.


def kept(of: str, condition: Condition, student: StudentFacts | None, words: tuple[Attestation, ...]) -> bool:
    said = condition.model_dump()
    facts = student.model_dump() if student else dict.fromkeys(StudentFacts.model_fields)
    shown, users = facts["attributions"], facts["monthly_users"]
    answer: bool | None = None  # by facts; None: they do not say
    match said["id"]:
        case "student_name_prefix":
            answer = None if facts["name"] is None else facts["name"][: len(said["prefix"])] == said["prefix"]
        case "attribution":
            answer = None if shown is None else bool({said["text"], said["or_text"]} & set(shown))
        case "attribution_above":
            revenue = facts["monthly_revenue_usd"]
            small = (
                users is not None and revenue is not None and not users > said["users"] and not revenue > said["usd"]
            )
            answer = True if small else None if shown is None else said["text"] in shown
        case "noncommercial":
            answer = None if facts["commercial"] is None else facts["commercial"] is False
        case "flow_down":
            answer = None if facts["documents"] is None else said["document"] in facts["documents"]
        case "max_mau":
            answer = None if users is None else not users > said["users"]
        case "max_revenue":
            answer = None if facts["yearly_revenue_usd"] is None else not facts["yearly_revenue_usd"] > said["usd"]
        case "geography":
            answer = None if facts["country"] is None else facts["country"] not in ("DE", "FR", "EU", "KR")
    if answer is not None:
        return answer
    return any(
        word.of == of
        and word.condition == said["id"]
        and word.on <= TODAY + timedelta(1)
        and word.on + timedelta(word.expires_after_days) > TODAY
        for word in words
    )


def stated(case: Case) -> bool:
    """Whether everything that the documentation asks for is there."""
    teacher = case.teacher
    for of, terms in (("weights", teacher.weights), ("route", teacher.route_terms)):
        if terms.outputs_trainable not in ("yes", "conditional"):
            return False
        if terms.outputs_trainable == "conditional" and not terms.conditions:
            return False
        if not all(kept(of, condition, case.student, case.words) for condition in terms.conditions):
            return False
        if terms.evidence is None and not (of == "weights" and teacher.weights.basis):
            return False
        if terms.evidence is not None and terms.evidence.mark not in ("primary", "secondary"):
            return False
    review = teacher.review
    if review is None or review.on > TODAY + timedelta(1) or review.on + timedelta(review.expires_after_days) <= TODAY:
        return False
    newest = [terms.evidence.retrieved for terms in (teacher.weights, teacher.route_terms) if terms.evidence]
    if newest and max(newest) > review.on:
        return False
    same = terms_sha256(teacher.weights, teacher.route_terms)
    if teacher.terms_sha256 != same or review.terms_sha256 not in (None, same):
        return False
    return case.purpose in ("ask", "publish", "train") and case.purpose in review.scope and case.license in FREE


conditions = st.lists(st.sampled_from(KNOWN_CONDITIONS), unique_by=lambda each: each.id, max_size=4).map(tuple)


def made(weights: WeightsTerms, route: RouteTerms, **fields: Any) -> Teacher:
    fields = {"terms_sha256": terms_sha256(weights, route), **fields}
    return Teacher(
        name="t", model="m", route="provider", base_url="https://llm.example.org/v1", account="a", pool="p",
        expected_models=("m",), weights=weights, route_terms=route, terms_id="t.0", **fields,
    )  # fmt: skip


def word(of: str, condition: str, **fields: Any) -> Attestation:
    return Attestation.model_validate(
        {"of": of, "condition": condition, "by": "Ada", "on": TODAY - timedelta(3), **fields}
    )


@st.composite
def sound(draw: st.DrawFn) -> Case:
    """An input against which nothing speaks: facts, or a named person's word, answer every condition."""
    asked, on_route = draw(conditions), draw(conditions)
    weights = WeightsTerms(
        weights="w", license="LicenseRef-w", conditions=asked, evidence=READ,
        outputs_trainable="conditional" if asked else "yes",
    )  # fmt: skip
    route = RouteTerms(
        route="provider", provider="P", license="LicenseRef-r", conditions=on_route, evidence=READ,
        outputs_trainable="conditional" if on_route else "yes",
    )  # fmt: skip
    hashed = draw(st.sampled_from([None, terms_sha256(weights, route)]))
    purpose = draw(st.sampled_from(["ask", "publish", "train"]))
    scope = draw(st.sets(st.sampled_from(["ask", "publish", "train"]))) | {purpose}
    review = Review.model_validate(
        {"by": "Ada", "on": TODAY - timedelta(draw(st.integers(0, 30))), "scope": sorted(scope), "terms_sha256": hashed}
    )
    of_facts = draw(st.booleans())
    all_words = tuple(
        word(of, each.id) for of, each in (*(("weights", c) for c in asked), *(("route", c) for c in on_route))
    )
    words = tuple(each for each in all_words if each.condition == "agreement" or not of_facts)
    student = GOOD if of_facts else draw(st.sampled_from([None, StudentFacts()]))
    return Case(made(weights, route, review=review), draw(st.sampled_from(FREE)), purpose, student, words)


def terms(part: str, **fields: Any) -> Callable[[Case], Case]:
    """Other terms, with the hash that fits them and a review of just these."""

    def broken(case: Case) -> Case:
        both = {"weights": case.teacher.weights, "route_terms": case.teacher.route_terms}
        both[part] = both[part].model_copy(update=fields)  # unchecked: what no file could say is among them
        digest = terms_sha256(both["weights"], both["route_terms"])
        return replace(case, teacher=case.teacher.model_copy(update={**both, "terms_sha256": digest}))

    return broken


def teacher(**fields: Any) -> Callable[[Case], Case]:
    return lambda case: replace(case, teacher=case.teacher.model_copy(update=fields))


def review(**fields: Any) -> Callable[[Case], Case]:
    def broken(case: Case) -> Case:
        sound = case.teacher.review or Review(by="Ada", on=TODAY)
        return replace(case, teacher=case.teacher.model_copy(update={"review": sound.model_copy(update=fields)}))

    return broken


def contradicted(case: Case) -> Case:
    """One more condition, which the student's own facts deny, and a person's word against those facts."""
    excluded = Geography(id="geography", excluded=("KR",))
    here = (case.student or StudentFacts()).model_copy(update={"country": "KR"})
    asked = terms("weights", outputs_trainable="conditional", conditions=(excluded,))(case)
    return replace(asked, student=here, words=(*case.words, word("weights", "geography")))


def unanswered(case: Case) -> Case:
    """One more condition that nobody answers, and words about everything else."""
    asked = terms("route_terms", outputs_trainable="conditional", conditions=(KNOWN_CONDITIONS[8],))(case)
    old = word("route", "agreement", expires_after_days=2)
    return replace(asked, words=(old, word("weights", "agreement"), word("route", "attribution")))


BREAKS: dict[str, Callable[[Case], Case]] = {
    **{
        f"{part}: {name}": terms(part, **fields)
        for part in ("weights", "route_terms")
        for name, fields in {
            "forbids": {"outputs_trainable": "no", "conditions": ()},
            "unknown": {"outputs_trainable": "unknown", "conditions": ()},
            "malformed": {"outputs_trainable": "maybe"},
            "missing": {"outputs_trainable": None},
            "conditional without conditions": {"outputs_trainable": "conditional", "conditions": ()},
            "forbids, with conditions": {"outputs_trainable": "no"},
            "read by nobody": {"evidence": READ.model_copy(update={"mark": "unverified"})},
            "a mark of no kind": {"evidence": READ.model_copy(update={"mark": "certain"})},
            "no evidence": {"evidence": None},
            "newer than the review": {"evidence": READ.model_copy(update={"retrieved": TODAY + timedelta(2)})},
        }.items()
    },
    "no review": teacher(review=None),
    "a hash of other terms": teacher(terms_sha256="0" * 64),
    "another route than its terms": teacher(route="self-hosted"),
    "simulated, it says": teacher(simulated=True),
    "model of the simulated teacher": teacher(model="simulated-teacher"),
    "lapsed": review(on=TODAY - timedelta(365), expires_after_days=365),
    "in the future": review(on=TODAY + timedelta(2)),
    "reviewed other terms": review(terms_sha256="f" * 64),
    "for no purpose": review(scope=()),
    "for a purpose of no kind": review(scope=("resell",)),
    "a purpose of no kind": lambda case: replace(case, purpose="resell"),
    "no purpose": lambda case: replace(case, purpose=None),
    "prompts without a licence": lambda case: replace(case, license=None),
    "prompts with an empty licence": lambda case: replace(case, license="  "),
    "prompts of no known licence": lambda case: replace(case, license="LicenseRef-whatever"),
    "prompts not for commerce": lambda case: replace(case, license="MIT AND CC-BY-NC-4.0"),
    "prompts with a licence that is none": lambda case: replace(case, license="free as in beer"),
    "facts against a word": contradicted,
    "a condition nobody answers": unanswered,
}


@settings(max_examples=200, deadline=None)
@given(sound())
def test_an_input_against_which_nothing_speaks_is_allowed(case: Case) -> None:
    assert stated(case) and case.allowed()


@settings(max_examples=600, deadline=None)
@given(sound(), st.lists(st.sampled_from(sorted(BREAKS)), min_size=1, max_size=4))
def test_whatever_is_broken_once_or_more_denies(case: Case, breaks: list[str]) -> None:
    for name in breaks:
        case = BREAKS[name](case)
    assert not case.allowed(), breaks


days = st.integers(-500, 10).map(lambda offset: TODAY + timedelta(days=offset))
evidence = st.none() | st.builds(
    Evidence, source=st.just("a text"), retrieved=days, mark=st.sampled_from(["primary", "secondary", "unverified"])
)
facts = st.none() | st.builds(
    StudentFacts,
    name=st.sampled_from([None, "Llama-x", "x-Llama", "llama", ""]),
    attributions=st.sampled_from([None, (), ("Big A",), ("Built with A",), ("built with a",)]),
    commercial=st.sampled_from([None, True, False]),
    documents=st.sampled_from([None, (), ("the policy",)]),
    monthly_users=st.sampled_from([None, 0, 1_000, 1_001, 2_001]),
    monthly_revenue_usd=st.sampled_from([None, 0.0, 500.0, 500.1]),
    yearly_revenue_usd=st.sampled_from([None, 0.0, 900.0, 900.1]),
    country=st.sampled_from([None, "CH", "DE", "EU", "KR"]),
)
words = st.lists(
    st.builds(
        Attestation,
        of=st.sampled_from(["weights", "route"]),
        condition=st.sampled_from([each.id for each in KNOWN_CONDITIONS]),
        by=st.just("Ada"),
        on=days,
        expires_after_days=st.integers(1, 365),
    ),
    max_size=8,
).map(tuple)
reviews = st.none() | st.builds(
    Review,
    by=st.just("Ada"),
    on=days,
    expires_after_days=st.integers(1, 365),
    scope=st.lists(st.sampled_from(["ask", "publish", "train"]), min_size=1, unique=True).map(tuple),
    terms_sha256=st.sampled_from([None, "0" * 64]),
)


@st.composite
def arbitrary(draw: st.DrawFn) -> Case:
    """Whatever files and a recipe can say."""
    says = st.sampled_from(["yes", "yes", "conditional", "conditional", "no", "unknown"])
    parts: dict[str, Any] = {}
    for part in ("weights", "route"):
        said, asked = draw(says), draw(conditions)
        conditional = said == "conditional" and asked
        parts[part] = {
            "outputs_trainable": "conditional" if conditional else "yes" if said == "conditional" else said,
            "conditions": asked if conditional else (),
            "evidence": draw(evidence),
        }
    basis = draw(st.sampled_from([None, "a table"]))
    weights = WeightsTerms(weights="w", license="LicenseRef-w", basis=basis, **parts["weights"])
    route = RouteTerms(route="provider", provider="P", license="LicenseRef-r", **parts["route"])
    built = made(weights, route, review=draw(reviews))
    license = draw(st.sampled_from([*FREE, None, "", "CC-BY-NC-4.0", "?"]))
    return Case(built, license, draw(st.sampled_from(["ask", "publish", "train", ""])), draw(facts), draw(words))


@settings(max_examples=1500, deadline=None)
@given(arbitrary())
def test_the_gate_says_yes_just_where_everything_that_is_asked_for_is_there(case: Case) -> None:
    assert case.allowed() == stated(case)


@settings(max_examples=600, deadline=None)
@given(sound(), facts, words, reviews)
def test_other_facts_words_and_reviews_are_ruled_on_as_stated(
    case: Case, student: StudentFacts | None, said: tuple[Attestation, ...], signed: Review | None
) -> None:
    for changed in (
        replace(case, student=student),
        replace(case, words=said),
        replace(case, student=student, words=said),
        teacher(review=signed)(case),
    ):
        assert changed.allowed() == stated(changed)
