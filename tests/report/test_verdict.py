"""`still show`: one verdict, explained from what is stored, and printed so that a trace cannot play tricks."""

import json
from typing import Any

import pytest
from report.judged_root import HOSTILE, VERSION
from rich.console import Console

from flows.command.trace_view import view, visible
from tasks.judge import verify
from tasks.report.verdict import Explained, explain, first_difference
from warehouse.layout import DataRoot
from warehouse.query import run_query, show_trace

RULES = [
    {"rule": "finish", "version": 1, "rejects": True, "complete": ["stop"]},
    {"rule": "identity", "version": 1, "rejects": False},
    {"rule": "length", "version": 2, "rejects": True, "min_tokens": 4},
    {"rule": "answer", "version": 2, "rejects": True, "answer": "require"},
    {"rule": "duplicate", "version": 1, "rejects": True},
    {"rule": "per_prompt", "version": 1, "rejects": True},
]
SIGNALS = {
    "finish": {"finish_reason": "stop"},
    "identity": {"identity": "I am X", "found": "identity_leak"},
    "length": {"tokens": 2, "found": "too_short"},
    "answer": {"skipped": "too_short"},
}


def story(**changes: Any) -> dict[str, Any]:
    verdict = {
        "dataset": "sums", "judge_run": "j", "is_current": True, "outcome": "rejected", "reason": "too_short",
        "rule": "length", "details": "about 2 tokens, min_tokens is 4", "signals": json.dumps(SIGNALS),
    }  # fmt: skip
    trace = {"trace_id": "a", "reasoning": "", "answer": "It is 4."}
    rules = [{"judge_run": "j", "dataset": "sums", "rules": json.dumps(RULES)}]
    return {"trace": trace, "verdicts": [verdict | changes], "rules": rules, "duplicates": [], "similar": []}


def said(explained: Explained, rule: str) -> Any:
    return next(each for each in explained.rules if each.rule == rule)


def test_every_rule_is_named_in_order_with_version_threshold_and_measure() -> None:
    (explained,) = explain(story())
    assert (explained.dataset, explained.judge_run, explained.is_current) == ("sums", "j", True)
    assert [each.rule for each in explained.rules] == [rule["rule"] for rule in RULES]
    length = said(explained, "length")
    assert (length.version, length.thresholds, length.measured) == (2, {"min_tokens": 4}, {"tokens": 2})
    assert length.decided and length.may_reject and length.found == "too_short"


def test_a_rule_that_found_something_and_may_not_reject_is_told_from_the_one_that_decided() -> None:
    (explained,) = explain(story())
    identity = said(explained, "identity")
    assert (identity.found, identity.may_reject, identity.decided) == ("identity_leak", False, False)


def test_skipped_rules_say_why() -> None:
    (explained,) = explain(story())
    assert said(explained, "answer").skipped == "not needed: too_short had decided"
    assert said(explained, "duplicate").skipped == "not compared with other traces: too_short had decided"
    assert said(explained, "finish").skipped is None


def test_a_kept_trace_skipped_nothing() -> None:
    signals = json.dumps({name: {} for name in SIGNALS})
    (explained,) = explain(story(outcome="kept", reason=None, rule=None, signals=signals))
    assert not [each for each in explained.rules if each.skipped or each.decided or each.found]


def test_likenesses_say_who_won_and_where_the_texts_part() -> None:
    signal = {"duplicate": {"kind": "near", "jaccard": 0.9, "similar_to": "b"}}
    given = story(reason="near_duplicate", rule="duplicate", signals=json.dumps(signal))
    common = {"dataset": "sums", "judge_run": "j", "kind": "near", "jaccard": 0.9}
    given["duplicates"] = [
        common | {"trace_id": "a", "duplicate_of": "b"},
        common | {"trace_id": "c", "duplicate_of": "a"},
        common | {"trace_id": "d", "duplicate_of": "a", "judge_run": "another"},
    ]
    given["similar"] = [{"trace_id": "b", "reasoning": None, "answer": "It is 5."}]
    (explained,) = explain(given)
    assert [(each.trace_id, each.relation) for each in explained.likenesses] == [("b", "lost to"), ("c", "won over")]
    difference = explained.likenesses[0].difference
    assert difference is not None and (difference.at, difference.mine) == (6, "It is 4.")
    assert explained.likenesses[1].difference is None
    assert said(explained, "per_prompt").skipped == "not counted: near_duplicate had decided"


def test_a_likeness_that_was_only_noted_is_said() -> None:
    signal = {"duplicate": {"kind": "near", "jaccard": 0.9, "similar_to": "b"}}
    (explained,) = explain(story(outcome="kept", reason=None, rule=None, signals=json.dumps(signal)))
    assert [each.relation for each in explained.likenesses] == ["noted"]
    assert said(explained, "duplicate").found == "near_duplicate"


@pytest.mark.parametrize(
    ("mine", "theirs", "at"),
    [("abc", "abd", 2), ("abc", "abcd", 3), ("", "x", 0), ("x" * 500 + "y", "x" * 500 + "z", 500)],
    ids=["middle", "end", "empty", "far"],
)
def test_the_first_difference_is_found(mine: str, theirs: str, at: int) -> None:
    difference = first_difference(mine, theirs)
    assert difference is not None and difference.at == at
    assert len(difference.mine) <= 82


def test_equal_texts_have_no_difference() -> None:
    assert first_difference("a", "a") is None


def test_old_verdicts_without_rules_are_explained_by_their_signals() -> None:
    given = story(signals='{"reasoning_words": 5, "finish": {"finish_reason": "stop"}}')
    given["rules"] = []
    (explained,) = explain(given)
    assert [(each.rule, each.version, each.may_reject) for each in explained.rules] == [("finish", None, None)]


def test_control_characters_and_turned_writing_are_shown_as_escapes() -> None:
    assert visible("\x1b[31mred\x07 \u202eabc") == "\\x1b[31mred\\x07 \\u202eabc"
    assert visible("a\n\tb é 数 👩\u200d💻") == "a\n\tb é 数 👩\u200d💻"


def printed(root: DataRoot, sql: str) -> str:
    trace_id = run_query(root, sql).to_pylist()[0]["trace_id"]
    story = show_trace(root, trace_id)
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        for part in view(story, explain(story)):
            console.print(part, highlight=False)
        return console.export_text()


@pytest.mark.line
def test_a_rejected_trace_is_printed_with_its_rule_its_terms_and_its_cost(judged_root: DataRoot) -> None:
    text = printed(judged_root, "select min(trace_id) as trace_id from rejected where reason = 'wrong_answer'"
                   " and teacher = 'north'")  # fmt: skip
    for words in ("rejected  wrong_answer", "wrong_answer: this decided", f"answer {verify.VERSION}", "$0.0001",
                  "Apache-2.0", "reviewed by A. Reviewer", "in no version",
                  "not compared with other traces"):  # fmt: skip
        assert words in text


@pytest.mark.line
def test_a_published_trace_names_its_version(judged_root: DataRoot) -> None:
    assert VERSION in printed(judged_root, "select min(trace_id) as trace_id from version_rows")


@pytest.mark.line
def test_a_near_duplicate_shows_both_texts(judged_root: DataRoot) -> None:
    text = printed(judged_root, "select min(trace_id) as trace_id from duplicates where kind = 'near'")
    assert "lost to" in text and "first difference at character" in text


@pytest.mark.line
def test_a_contaminated_trace_names_the_evaluation_item(judged_root: DataRoot) -> None:
    sql = "select min(trace_id) as trace_id from rejected where reason = 'contaminated_question'"
    assert "exam.jsonl:1" in printed(judged_root, sql)


@pytest.mark.line
def test_markup_in_a_trace_is_printed_as_it_is(judged_root: DataRoot) -> None:
    found = f"select min(trace_id) as trace_id from traces where contains(answer, '{HOSTILE[:8]}')"
    assert "<script>alert" in printed(judged_root, found)
