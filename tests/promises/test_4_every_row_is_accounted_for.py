"""Promise 4: every row is accounted for.

Per recipe and rule set, wanted = reused + answered + failed + maybe_paid + not_asked, and reused + answered =
kept + rejected + undecided + quarantined. Every verdict has its reason; rejected rows stay, one query away.
"""

import random
from contextlib import closing
from typing import Any

import pytest
from judge.answered import DATASET, NOW, PLAN, Answered, fill

from tasks.judge.judge import judge_answers
from tasks.judge.policy import JudgePolicy
from warehouse.catalog import connect
from warehouse.layout import DataRoot

pytestmark = [pytest.mark.line, pytest.mark.usefixtures("cluster")]
STATES = ("paid",) * 14 + ("failed", "maybe_paid", None)
TELLINGS = (
    "Add {a} and 7 to get {c}. The answer is {c}.",
    "I count seven steps up from {a} and end at {c}, so that is where I stop now. The answer is {c}.",
    "Add {a} and 7 to get {d}. The answer is {d}.",
    "The answer is {c} or {d}, and I cannot say which. Answer: {c} or {d}",
    "I'm sorry, but I cannot help with that.",
    "and {a} and {c} " * 60,
    "",
)
POLICIES = {
    "default": JudgePolicy(),
    "annotate": JudgePolicy(answer="annotate", annotate=("finish", "duplicate", "refusal")),
    "one a prompt": JudgePolicy(keep_per_prompt=1),
    "all too long": JudgePolicy(max_tokens=1),
}


def sample(n: int, rng: random.Random) -> Answered:
    """One sample of a plan in which everything happens that can happen to one."""
    a = n // 3
    state = rng.choice(STATES)
    cut = rng.random() < 0.1
    return Answered(
        question=f"What is {a} plus 7?",
        sample=n % 3,
        answer=rng.choice(TELLINGS).format(a=a, c=a + 7, d=a + 8),
        reference=None if a % 20 == 0 else str(a + 7),
        verifier="none" if a % 7 == 0 else "numeric",
        teacher=rng.choice(("mine", "other")),
        finish_reason="length" if cut else "stop",
        outcome="truncated" if cut else "ok",
        state=state,
        asked_by=rng.choice((DATASET, "another")),
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    rng = random.Random(4)
    made = DataRoot(tmp_path_factory.mktemp("accounts") / "data").create()
    fill(made, [sample(n, rng) for n in range(600)])
    return made


def query(root: DataRoot, sql: str) -> list[dict[str, Any]]:
    with closing(connect(root)) as connection:
        return list(connection.sql(sql).to_arrow_table().to_pylist())


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_the_sums_hold_under_every_policy(root: DataRoot, policy: str) -> None:
    judged = judge_answers(root, "run-1", DATASET, PLAN, POLICIES[policy], NOW)
    (funnel,) = query(root, "select * from funnel")
    assert (
        funnel["wanted"]
        == 600
        == sum(funnel[name] for name in ("reused", "answered", "failed", "maybe_paid", "not_asked"))
    )
    outcomes = ("kept", "rejected", "undecided", "quarantined")
    assert funnel["reused"] + funnel["answered"] == sum(funnel[name] for name in outcomes) == judged.traces
    assert funnel["unjudged"] == 0
    assert {name: funnel[name] for name in outcomes} == {name: getattr(judged, name) for name in outcomes}
    assert min(funnel[name] for name in ("reused", "answered", "failed", "maybe_paid", "not_asked")) > 0


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_every_verdict_that_does_not_keep_names_its_rule_version_and_reason(root: DataRoot, policy: str) -> None:
    judged = judge_answers(root, "run-1", DATASET, PLAN, POLICIES[policy], NOW)
    unexplained = """
        select count(*) as rows from verdicts
        where is_current and
            (outcome = 'kept') <> (reason is null and rule is null and rule_version is null and details is null)
    """
    assert query(root, unexplained) == [{"rows": 0}]
    said = query(
        root,
        "select reason, count(*) as rows from verdicts where is_current group by all having reason is not null",
    )
    assert {row["reason"]: row["rows"] for row in said} == judged.reasons
    assert sum(judged.reasons.values()) == judged.rejected + judged.undecided


def test_a_rejected_row_stays_one_query_away(root: DataRoot) -> None:
    judged = judge_answers(root, "run-1", DATASET, PLAN, JudgePolicy(), NOW)
    rows = query(root, "select question, answer, reason, details from rejected where dataset = 'sums'")
    assert len(rows) == judged.rejected > 0
    assert {row["reason"] for row in rows} == set(judged.reasons) - {
        "no_reference",
        "too_few_votes",
        "answer_ambiguous",
    }
    assert query(root, "select count(*) as rows from traces") == [{"rows": judged.traces}]


def test_who_lost_to_whom_is_kept_and_the_winner_is_kept(root: DataRoot) -> None:
    judged = judge_answers(root, "run-1", DATASET, PLAN, JudgePolicy(), NOW)
    lost = query(root, "select duplicate_of from duplicates where is_current")
    assert len(lost) == sum(judged.reasons.get(kind, 0) for kind in ("exact_duplicate", "near_duplicate")) > 0
    kept = {row["trace_id"] for row in query(root, "select trace_id from kept")}
    assert {row["duplicate_of"] for row in lost} <= kept
