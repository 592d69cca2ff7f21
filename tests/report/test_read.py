"""What the report's queries find is what lies in the warehouse."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from report.judged_root import DATASET, EVAL_QUESTION, VERSION

from tasks.report import read
from tasks.report.facts import Facts
from tasks.report.subject import find_subject
from warehouse.catalog import connect
from warehouse.errors import BadInput
from warehouse.layout import DataRoot

pytestmark = pytest.mark.line


@pytest.fixture(scope="module")
def connection(judged_root: DataRoot) -> Iterator[Any]:
    with closing(connect(judged_root)) as connection:
        yield connection


@pytest.fixture(scope="module")
def facts(judged_root: DataRoot, connection: Any) -> Facts:
    return read.read_facts(connection, find_subject(connection, judged_root, DATASET))


def rows(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    return list(connection.execute(sql).fetchall())


def test_a_dataset_means_its_newest_version(judged_root: DataRoot, connection: Any) -> None:
    subject = find_subject(connection, judged_root, DATASET)
    assert (subject.version, subject.name) == (VERSION, VERSION)
    assert subject == find_subject(connection, judged_root, VERSION)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sum", "no dataset 'sum' .*near it: sums"),
        ("other", "no dataset 'other' .*known are sums"),
        ("sums@2026.11.21.2", r"no version 'sums@2026.11.21.2' .*near it: sums@2026.11.21.1"),
    ],
)
def test_an_unknown_name_is_bad_input_that_names_near_ones(
    judged_root: DataRoot, connection: Any, name: str, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        find_subject(connection, judged_root, name)


def test_every_sample_of_every_teacher_is_accounted_for(facts: Facts, connection: Any) -> None:
    assert len(facts.flows) == 2
    for flow in facts.flows:
        assert flow.wanted == sum(flow.statuses.values()) + flow.judged
        assert flow.judged == sum(flow.outcomes.values())
        assert sum(flow.reasons.values()) == flow.judged - flow.outcomes["kept"]
        assert 0 < flow.published <= flow.outcomes["kept"]
    ((wanted, kept, rejected),) = rows(connection, "select wanted, kept, rejected from funnel")
    assert sum(flow.wanted for flow in facts.flows) == wanted
    assert sum(flow.outcomes["kept"] for flow in facts.flows) == kept
    assert sum(flow.outcomes["rejected"] for flow in facts.flows) == rejected
    assert sum(flow.held_back for flow in facts.flows) == 3


def test_samples_without_an_answer_say_how_they_stand(facts: Facts) -> None:
    statuses = {name: count for flow in facts.flows for name, count in flow.statuses.items()}
    assert statuses == {"failed": 1, "maybe_paid": 1, "not_asked": 2}


def test_of_a_plan_that_is_no_longer_current_nobody_knows_why_samples_are_open(
    judged_root: DataRoot, connection: Any
) -> None:
    subject = find_subject(connection, judged_root, DATASET)
    read.prepare(connection, subject)
    statement = read.statement("open")
    found = connection.execute(statement, {"dataset": "another", "plan_id": subject.plan_id}).fetchall()
    assert found == [("south", "unanswered", 4)]


def test_reasons_are_those_of_the_verdicts(facts: Facts, connection: Any) -> None:
    expected = rows(connection, "select teacher, reason, count(*) from verdicts where reason is not null group by all")
    found = {(flow.teacher, reason, count) for flow in facts.flows for reason, count in flow.reasons.items()}
    assert found == set(expected)
    assert {"wrong_answer", "truncated", "exact_duplicate", "near_duplicate"} <= {reason for _, reason, _ in found}


def test_a_teacher_whose_answers_are_unpriced_has_no_cost(facts: Facts) -> None:
    north, south = sorted(facts.teachers, key=lambda each: each.teacher)
    assert north.simulated and not south.simulated
    assert (north.unpriced, south.usd) == (0, None)
    assert north.usd is not None and north.usd_per_kept == pytest.approx(north.usd / north.kept)
    assert north.weights_license == "Apache-2.0" and north.reviewed_by == "A. Reviewer"


def test_a_histogram_counts_every_answer_that_was_measured(facts: Facts, connection: Any) -> None:
    measured = {each.measure: each for each in facts.histograms}
    assert set(measured) == {"reasoning_tokens", "answer_tokens", "latency_s", "repeated", "compression"}
    for each in facts.histograms:
        kept, lost = sum(one.kept for one in each.bins), sum(one.lost for one in each.bins)
        assert (kept, kept + lost) == rows(connection, "select sum(kept), sum(traces) from store.judge_run")[0]
        assert all(one.low < one.high for one in each.bins)


def test_values_lie_within_the_bins_that_count_them(facts: Facts, connection: Any) -> None:
    ((least, most),) = rows(connection, "select min(latency_s), max(latency_s) from traces")
    (of,) = [each for each in facts.histograms if each.measure == "latency_s"]
    assert of.bins[0].low == pytest.approx(least, rel=1e-6)
    assert of.bins[-1].high == pytest.approx(most, rel=1e-6)


def test_windows_are_in_the_order_of_arrival_and_hold_every_answer(facts: Facts) -> None:
    for flow in facts.flows:
        windows = facts.drift[flow.teacher]
        assert sum(each.count for each in windows) == flow.judged
        assert all(early.ended <= late.began for early, late in zip(windows, windows[1:], strict=False))
        assert min(each.count for each in windows) >= 50
    north = facts.drift["north"]
    assert north[-1].passed / north[-1].count < north[0].passed / north[0].count - 0.15


def test_families_count_what_passed_each_trace_by_itself(facts: Facts, connection: Any) -> None:
    assert {each.name for each in facts.families} == {"three terms", "two terms", "products", "no family named"}
    by_itself = "outcome = 'kept' or rule in ('duplicate', 'per_prompt')"
    expected = rows(connection, f"select count(*), count(*) filter (where {by_itself}) from verdicts")
    assert [(sum(each.count for each in facts.families), sum(each.passed for each in facts.families))] == expected


def test_a_rule_that_only_annotates_is_counted_too(facts: Facts) -> None:
    rules = {each.rule: each for each in facts.rules}
    identity = rules["identity"]
    assert identity.found["identity_leak"] > 0 and identity.first == 0
    assert identity.noted == identity.found["identity_leak"]
    assert rules["answer"].skipped > 0
    assert sum(each.first for each in facts.rules) == sum(sum(flow.reasons.values()) for flow in facts.flows)
    assert list(rules) == [rule["rule"] for rule in facts.subject.rules]


def test_verified_answers_add_up(facts: Facts) -> None:
    assert sum(each.count for each in facts.verified) == sum(flow.judged for flow in facts.flows)
    for each in facts.verified:
        assert each.right + each.wrong + each.unchecked == each.count


def test_duplicates_are_counted_by_kind_and_by_what_they_did(facts: Facts, connection: Any) -> None:
    counts = {kind: (lost, noted) for kind, lost, noted in facts.duplicates.counts}
    lost = dict(rows(connection, "select kind, count(*) from duplicates group by kind"))
    assert {kind: count for kind, (count, _) in counts.items()} == lost
    assert counts["exact"][0] >= 3 and counts["near"][1] > 0
    assert sum(each.kept + each.lost for each in facts.duplicates.similar) == sum(counts["near"])
    assert facts.duplicates.clusters[0].losers == max(each.losers for each in facts.duplicates.clusters)


def test_an_evaluation_item_is_named_with_what_matched_it(facts: Facts) -> None:
    (hit,) = facts.hits
    assert hit.item.endswith("exam.jsonl:1") and hit.question == EVAL_QUESTION
    assert (hit.reason, hit.traces, hit.question_coverage) == ("contaminated_question", 2, 1.0)


def test_every_reason_has_its_examples_with_a_kept_trace_of_its_family_beside(facts: Facts, connection: Any) -> None:
    reasons = [each.lost.reason for each in facts.examples]
    assert set(reasons) == {reason for flow in facts.flows for reason in flow.reasons}
    assert all(1 <= reasons.count(reason) <= 2 for reason in reasons)
    families = dict(rows(connection, "select trace_id, family from sample where trace_id is not null"))
    for example in facts.examples:
        assert example.kept is not None and example.kept.outcome == "kept"
        if families[example.lost.trace_id] is not None:
            assert families[example.kept.trace_id] == families[example.lost.trace_id]


def test_texts_are_cut_in_the_database(connection: Any, monkeypatch: pytest.MonkeyPatch, facts: Facts) -> None:
    monkeypatch.setattr(read, "MOST_CHARACTERS", 5)
    for example in read.read_examples(connection):
        assert len(example.lost.reasoning) <= 5 and len(example.lost.question) == 5
        assert example.lost.question_length > 5


def test_reading_twice_gives_the_same(judged_root: DataRoot, facts: Facts) -> None:
    with closing(connect(judged_root)) as connection:
        connection.execute("set threads = 1")
        again = read.read_facts(connection, find_subject(connection, judged_root, DATASET))
    assert again == facts


def test_a_judging_without_stored_rules_or_signals_is_read(connection: Any, judged_root: DataRoot) -> None:
    subject = replace(find_subject(connection, judged_root, DATASET), rules=(), judge_run="none", version=None)
    facts = read.read_facts(connection, subject)
    assert facts.rules == () and facts.histograms == () and facts.examples == ()
    assert sum(flow.wanted for flow in facts.flows) > 0
