from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from tasks.right.decide import Ruling, decide, is_loopback
from tasks.right.terms import Attestation, Purpose, StudentFacts, Teacher

PURPOSES: tuple[Purpose, ...] = ("ask", "publish", "train")
SIGNED = "reviewed: {by: Ada Lovelace, on: 2026-11-25}"
PLAIN = f"name: mine\nbase_url: http://10.0.0.5:8000/v1\nmodel: our/model\nlicense: MIT\n{SIGNED}"


def ruling(
    teacher: Teacher,
    now: datetime,
    license: str | None = "MIT",
    purpose: Purpose = "ask",
    student: StudentFacts | None = None,
    attestations: Sequence[Attestation] | None = None,
) -> Ruling:
    return decide(
        teacher,
        license,
        purpose,
        student,
        teacher.attestations if attestations is None else attestations,
        now,
    )


def codes(ruling: Ruling) -> set[str]:
    return {reason.code for reason in ruling.reasons}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_permissive_weights_on_ones_own_server_pass_once_signed(own, now, purpose: Purpose) -> None:
    teacher = own(PLAIN)["mine"]
    assert ruling(teacher, now, purpose=purpose) == Ruling(allow=True, reasons=(), findings=())
    unsigned = teacher.model_copy(update={"review": None})
    assert codes(ruling(unsigned, now, purpose=purpose)) == {"review_missing"}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_review_holds_from_its_day_to_the_day_before_it_expires(own, now, purpose: Purpose) -> None:
    teacher = own(PLAIN)["mine"]

    def on(day: date) -> set[str]:
        return codes(ruling(teacher, datetime(day.year, day.month, day.day, 9, tzinfo=UTC), purpose=purpose))

    signed, expires = date(2026, 11, 25), date(2027, 2, 23)
    assert on(signed) == on(expires - timedelta(days=1)) == set()
    assert on(expires) == on(expires + timedelta(days=400)) == {"review_lapsed"}
    assert on(signed - timedelta(days=1)) == {"review_in_future"}


def test_a_review_signed_where_the_day_has_begun_already_is_not_in_the_future(own) -> None:
    teacher = own(PLAIN)["mine"]
    assert ruling(teacher, datetime(2026, 11, 24, 10, 30, tzinfo=UTC)).allow  # 00:30 on the 25th at UTC+14
    assert not ruling(teacher, datetime(2026, 11, 24, 9, 30, tzinfo=UTC)).allow


def test_a_review_older_than_the_text_it_would_cover_denies(own, now) -> None:
    entry = f"name: ds\nmodel: deepseek-reasoner\nroute: deepseek-api\n{SIGNED}"
    assert ruling(own(entry)["ds"], now).allow
    early = own(entry.replace("2026-11-25", "2026-04-20, expires_after_days: 365"))["ds"]
    assert codes(ruling(early, now)) == {"review_older_than_terms"}


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("model: gpt-5\nroute: openai-api", "route_forbid"),
        ("model: claude-opus-4-1\nroute: anthropic-api", "route_forbid"),
        ("model: grok-4\nroute: xai-api", "route_forbid"),
        ("model: m\nweights: deepseek-r1\nroute: fireworks", "route_forbid"),
        ("model: m\nweights: deepseek-r1\nroute: openrouter", "route_unknown"),
        ("model: kimi-k2-thinking\nroute: kimi-platform", "route_unverified"),
        ("model: Qwen/Qwen-72B-Chat\nbase_url: http://10.0.0.5/v1", "weights_forbid"),
        ("model: m\nlicense: LicenseRef-ours\nbase_url: http://10.0.0.5/v1", "weights_unknown"),
        ("model: m\nlicense: GPL-3.0-only\nbase_url: http://10.0.0.5/v1", "weights_unknown"),
        ("model: m\nlicense: CC-BY-NC-4.0\nbase_url: http://10.0.0.5/v1", "weights_unknown"),
        (
            "model: m\nlicense: LicenseRef-ours\nbase_url: http://10.0.0.5/v1\noutputs_trainable: yes\n"
            "evidence: {source: hearsay, retrieved: 2026-11-01, mark: unverified}",
            "weights_unverified",
        ),
    ],
)
def test_a_contract_that_forbids_or_is_unknown_denies_though_signed(
    own, now, entry: str, code: str, purpose: Purpose
) -> None:
    teacher = own(f"name: t\n{entry}\n{SIGNED}")["t"]
    assert code in codes(ruling(teacher, now, purpose=purpose))


def test_the_line_about_an_unlisted_licence_says_how_to_go_on(own, now) -> None:
    teacher = own(f"name: t\nmodel: m\nlicense: GPL-3.0-only\nbase_url: http://10.0.0.5/v1\n{SIGNED}")["t"]
    (reason,) = ruling(teacher, now).reasons
    assert "GPL-3.0-only" in reason.term
    assert "state `outputs_trainable` with `evidence`" in reason.remedy and "`weights:`" in reason.remedy


LLAMA = f"name: t\nmodel: meta-llama/Llama-3.1-8B-Instruct\nbase_url: http://10.0.0.5/v1\n{SIGNED}"
AGREEMENT = "Llama 3.1 Community License Agreement"
KEPT = StudentFacts(name="Llama-Sums", attributions=("Built with Llama",), documents=(AGREEMENT,), monthly_users=0)


def test_conditions_are_met_by_the_students_facts(own, now) -> None:
    teacher = own(LLAMA)["t"]
    kept = ruling(teacher, now, student=KEPT)
    assert kept.allow and {finding.state for finding in kept.findings} == {"met"}
    assert len(ruling(teacher, now).reasons) == 4


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ({"name": "Sums-Llama"}, "condition_unmet:student_name_prefix"),
        ({"attributions": ()}, "condition_unmet:attribution"),
        ({"monthly_users": 700_000_001}, "condition_unmet:max_mau"),
        ({"name": None}, "condition_unmet:student_name_prefix"),
        ({"attributions": None}, "condition_unmet:attribution"),
        ({"documents": ()}, "condition_unmet:flow_down"),
        ({"documents": None}, "condition_unmet:flow_down"),
        ({"monthly_users": None}, "condition_unmet:max_mau"),
    ],
)
def test_one_condition_unmet_or_undeclared_denies(own, now, broken: dict[str, object], code: str) -> None:
    student = KEPT.model_copy(update=broken)
    assert codes(ruling(own(LLAMA)["t"], now, student=student)) == {code}


@pytest.mark.parametrize(
    ("condition", "met", "broken"),
    [
        ("{id: noncommercial}", {"commercial": False}, {"commercial": True}),
        ("{id: flow_down, document: policy}", {"documents": ("policy",)}, {"documents": ("other",)}),
        ("{id: attribution, text: A, or_text: B}", {"attributions": ("B",)}, {"attributions": ("C",)}),
        ("{id: max_revenue, usd: 20, per: year}", {"yearly_revenue_usd": 20}, {"yearly_revenue_usd": 20.5}),
        ("{id: max_revenue, usd: 20, per: year}", {"yearly_revenue_usd": 0}, {"monthly_revenue_usd": 0}),
        ("{id: max_revenue, usd: 20, per: month}", {"monthly_revenue_usd": 20}, {"yearly_revenue_usd": 0}),
        ("{id: geography, excluded: [EU]}", {"country": "CH"}, {"country": "FR"}),
        ("{id: geography, excluded: [EU]}", {"country": "GB"}, {"country": "EU"}),
        ("{id: geography, excluded: [KR, EU]}", {"country": "US"}, {"country": "KR"}),
    ],
)
def test_the_other_conditions_a_fact_can_answer(own, now, condition: str, met: dict, broken: dict) -> None:
    entry = (
        f"name: t\nmodel: m\nlicense: LicenseRef-x\nbase_url: http://10.0.0.5/v1\n{SIGNED}\n"
        f"outputs_trainable: conditional\nconditions: [{condition}]\n"
        "evidence: {source: contract, retrieved: 2026-11-01, mark: primary}"
    )
    teacher = own(entry)["t"]
    assert ruling(teacher, now, student=StudentFacts(**met)).allow
    assert not ruling(teacher, now, student=StudentFacts(**broken)).allow
    assert not ruling(teacher, now).allow


ABOVE = "{id: attribution_above, text: K, users: 100, usd: 20, per: month}"


@pytest.mark.parametrize(
    ("facts", "allowed"),
    [
        ({"monthly_users": 100, "monthly_revenue_usd": 20}, True),
        ({"monthly_users": 101, "monthly_revenue_usd": 20, "attributions": ()}, False),
        ({"monthly_users": 100, "monthly_revenue_usd": 21, "attributions": ()}, False),
        ({"monthly_users": 101, "monthly_revenue_usd": 21, "attributions": ("K",)}, True),
        ({"attributions": ("K",)}, True),
        ({"monthly_users": 100}, False),
        ({"monthly_revenue_usd": 20}, False),
        ({"monthly_users": 100, "yearly_revenue_usd": 20}, False),
        ({}, False),
    ],
)
def test_a_name_shown_only_above_a_size_needs_both_sizes_or_the_name(own, now, facts: dict, allowed: bool) -> None:
    entry = (
        f"name: t\nmodel: m\nlicense: LicenseRef-x\nbase_url: http://10.0.0.5/v1\n{SIGNED}\n"
        f"outputs_trainable: conditional\nconditions: [{ABOVE}]\n"
        "evidence: {source: contract, retrieved: 2026-11-01, mark: primary}"
    )
    assert ruling(own(entry)["t"], now, student=StudentFacts(**facts)).allow == allowed


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_review_is_for_its_scope_alone(own, now, purpose: Purpose) -> None:
    teacher = own(PLAIN.replace("2026-11-25}", "2026-11-25, scope: [ask, train]}"))["mine"]
    said = codes(ruling(teacher, now, purpose=purpose))
    assert said == ({"purpose_out_of_scope"} if purpose == "publish" else set())


def test_a_review_of_other_terms_is_void(own, now) -> None:
    right = own(PLAIN)["mine"].terms_sha256
    signed = PLAIN.replace("2026-11-25}", f'2026-11-25, terms_sha256: "{right}"}}')
    assert ruling(own(signed)["mine"], now).allow
    (reason,) = ruling(own(signed.replace("MIT", "Apache-2.0"))["mine"], now).reasons
    assert reason.code == "review_of_other_terms"
    assert "is of other terms" in reason.term and "still teachers review mine" in reason.remedy


MISTRAL = f"name: t\nmodel: mistral-large-latest\nroute: mistral-api\n{SIGNED}"
ATTESTED = MISTRAL + "\nattestations: [{of: route, condition: agreement, by: Ada Lovelace, on: 2026-11-25}]"


def test_what_no_program_can_check_needs_a_named_persons_word(own, now) -> None:
    assert codes(ruling(own(MISTRAL)["t"], now)) == {"condition_unmet:agreement"}
    attested = ruling(own(ATTESTED)["t"], now)
    assert attested.allow and attested.findings[0].state == "attested"
    assert "Ada Lovelace" in attested.findings[0].evidence


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("of: route", "of: weights"),
        ("condition: agreement", "condition: noncommercial"),
        ("Lovelace, on: 2026-11-25}]", "Lovelace, on: 2026-12-25}]"),
        ("Lovelace, on: 2026-11-25}]", "Lovelace, on: 2026-11-25, expires_after_days: 3}]"),
    ],
    ids=["other contract", "other condition", "dated in the future", "lapsed"],
)
def test_an_attestation_of_something_else_or_some_other_time_is_none(own, now, old: str, new: str) -> None:
    assert old in ATTESTED
    assert codes(ruling(own(ATTESTED.replace(old, new))["t"], now)) == {"condition_unmet:agreement"}


def test_an_attestation_cannot_contradict_a_declared_fact(own, now) -> None:
    words = ", ".join(
        f"{{of: weights, condition: {condition}, by: Ada, on: 2026-11-25}}"
        for condition in ("student_name_prefix", "attribution", "flow_down", "max_mau")
    )
    teacher = own(f"{LLAMA}\nattestations: [{words}]")["t"]
    assert ruling(teacher, now).allow
    named_otherwise = ruling(teacher, now, student=StudentFacts(name="Sums"))
    assert codes(named_otherwise) == {"condition_unmet:student_name_prefix"}


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize(
    ("license", "code"),
    [
        (None, "prompts_license_missing"),
        ("", "prompts_license_missing"),
        (" ", "prompts_license_missing"),
        ("unknown", "prompts_license_not_free"),
        ("other", "prompts_license_not_free"),
        ("CC-BY-NC-4.0", "prompts_license_not_free"),
        ("CC-BY-ND-4.0", "prompts_license_not_free"),
        ("CC-BY-SA-4.0", "prompts_license_not_free"),
    ],
)
def test_prompts_without_a_free_licence_deny_at_every_purpose(own, now, license, code: str, purpose: Purpose) -> None:
    denied = ruling(own(PLAIN)["mine"], now, license=license, purpose=purpose)
    assert codes(denied) == {code}
    assert "prompts.license" in denied.reasons[0].remedy or "LicenseRef-own" in denied.reasons[0].remedy


def test_the_simulated_teacher_passes_as_itself_and_only_there(own, now) -> None:
    teacher = own()["simulated"]
    assert ruling(teacher, now).allow
    for change in (
        {"base_url": "http://10.0.0.5/v1"},
        {"base_url": "http://127.0.0.1.example.org/v1"},
        {"model": "gpt-5"},
        {"simulated": False},
    ):
        assert not ruling(teacher.model_copy(update=change), now).allow


def test_the_simulated_teacher_can_play_a_licence(own, now) -> None:
    entry = "name: t\nbase_url: http://127.0.0.1:9001/v1\nsimulated: true\nlicense: "
    assert ruling(own(entry + "MIT")["t"], now).allow
    assert codes(ruling(own(entry + "GPL-3.0-only")["t"], now)) == {"weights_unknown"}


def test_a_teacher_whose_terms_were_exchanged_is_refused(own, now) -> None:
    mine, other = own(PLAIN)["mine"], own(PLAIN.replace("MIT", "Apache-2.0"))["mine"]
    assert codes(ruling(mine.model_copy(update={"weights": other.weights}), now)) == {"terms_mismatch"}


def test_an_unknown_purpose_is_refused(own, now) -> None:
    assert "purpose_unknown" in codes(ruling(own(PLAIN)["mine"], now, purpose="resell"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8909/v1", True),
        ("http://localhost:1/v1", True),
        ("http://[::1]:1/v1", True),
        ("http://127.9.9.9/v1", True),
        ("http://0.0.0.0/v1", False),
        ("http://10.0.0.1/v1", False),
        ("http://localhost.example.org/v1", False),
        ("nonsense", False),
    ],
)
def test_loopback_is_this_machine(url: str, loopback: bool) -> None:
    assert is_loopback(url) == loopback
