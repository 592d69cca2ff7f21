import json
import time
from typing import Any

import pyarrow as pa
import pytest
from judge.written import PLAIN, trace

from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import INPUTS, judge_rows, judge_trace
from tasks.judge.rules import RULES, Trace, described, rule_set


def judged(given: Trace, **policy: Any) -> dict[str, Any]:
    return judge_trace(given, JudgePolicy(**policy))


CASES = {
    "kept": (trace(), "kept", None),
    "cut off": (trace(finish_reason="length"), "rejected", "truncated"),
    "cut off by outcome": (trace(outcome="truncated", finish_reason="max_tokens"), "rejected", "truncated"),
    "filtered": (trace(finish_reason="content_filter"), "rejected", "not_finished"),
    "no finish reason": (trace(finish_reason=None), "undecided", "finish_unknown"),
    "no answer": (trace(" \n", reasoning="I think and think about it."), "rejected", "empty_answer"),
    "nothing at all": (trace(""), "rejected", "empty_answer"),
    "bytes": (trace("\x00\x01\x02" * 40 + PLAIN), "rejected", "bad_encoding"),
    "broken UTF-8": (trace("\ufffd" * 5 + PLAIN), "rejected", "bad_encoding"),
    "stray tag": (trace("I think so.</think> " + PLAIN), "rejected", "unclosed_reasoning"),
    "refusal by server": (trace(outcome="refused", finish_reason="stop"), "rejected", "refused"),
    "refusal": (trace("I'm sorry, but I cannot help with that request."), "rejected", "refused"),
    "refusal at the end": (
        trace("x y z " * 5 + PLAIN * 5 + " I can’t assist with this."),
        "rejected",
        "refused",
    ),
    "as an AI": (trace("As an AI language model, I do not have opinions on this."), "rejected", "refused"),
    "too short": (trace("OK"), "rejected", "too_short"),
    "loop": (trace("and then we add one more to the sum " * 40), "rejected", "repetition"),
    "loop without spaces": (trace("abcdefghij" * 400), "rejected", "repetition"),
    "wrong": (trace(reference="15", verifier="numeric"), "rejected", "wrong_answer"),
    "right": (trace(reference="14", verifier="numeric"), "kept", None),
    "no reference": (trace(verifier="numeric"), "undecided", "no_reference"),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_trace_gets_the_outcome_and_reason_of_its_first_failing_rule(case: str) -> None:
    given, outcome, reason = CASES[case]
    row = judged(given)
    assert (row["outcome"], row["reason"]) == (outcome, reason), row["details"]
    assert (row["rule"] is None) == (reason is None)
    assert reason is None or "\n" not in row["details"]


@pytest.mark.parametrize(
    "text",
    [
        "We can't divide by zero here, so x must be 3. The answer is 3.",
        "It cannot help to add more terms, as the sum converges to 2.",
        "I cannot find a smaller divisor, so 97 is prime.",
        "He was sorry that he was unable to come, so 4 people came.",
        "The model cannot have fewer than 3 parts, as an AI lab of 9 people built it.",
    ],
)
def test_words_like_those_of_a_refusal_are_no_refusal(text: str) -> None:
    assert judged(trace(text))["reason"] is None


def test_a_refusal_in_the_reasoning_is_thinking() -> None:
    assert judged(trace(reasoning="I can't answer this at once. I'm sorry, I cannot do that yet."))["reason"] is None


def test_every_rule_leaves_its_signal_also_after_a_rejection() -> None:
    row = judged(trace(finish_reason="length", reference="14", verifier="numeric"))
    signals = json.loads(row["signals"])
    assert set(signals) == {rule.name for rule in RULES}
    assert signals["length"] == {"tokens": 26, "tokenizer": "cl100k_base"}
    assert signals["answer"] == {"skipped": "truncated"}


def test_details_say_what_was_expected() -> None:
    assert judged(trace(reference="15", verifier="numeric"))["details"] == "expected 15, got 14"


def test_an_annotated_rule_records_and_does_not_reject() -> None:
    row = judged(trace(finish_reason="length", reference="14", verifier="numeric"), annotate=("finish",))
    assert row["outcome"] == "kept"
    assert json.loads(row["signals"])["finish"]["found"] == "truncated"
    assert (row["is_right"], row["is_complete"]) == (True, False)


def test_a_wrong_answer_is_kept_where_the_policy_only_annotates() -> None:
    row = judged(trace(reference="15", verifier="numeric"), answer="annotate")
    assert (row["outcome"], row["is_right"]) == ("kept", False)
    assert json.loads(row["signals"])["answer"]["score"] == 0


def test_a_changed_threshold_is_another_rule_set_and_the_same_policy_is_the_same() -> None:
    sets = {
        rule_set(policy)
        for policy in (
            JudgePolicy(),
            JudgePolicy(min_tokens=5),
            JudgePolicy(annotate=("finish",)),
            JudgePolicy(answer="annotate"),
            JudgePolicy(keep_per_prompt=2),
            JudgePolicy(near_duplicate_jaccard=0.9),
        )
    }
    assert len(sets) == 6
    assert rule_set(JudgePolicy()) == rule_set(JudgePolicy(min_tokens=4))


def test_every_threshold_of_the_policy_belongs_to_a_rule() -> None:
    named = {key for rule in described(JudgePolicy()) for key in rule}
    assert set(JudgePolicy.model_fields) - named == {"annotate", "preset", "screens"}


def rows(*given: Trace) -> pa.Table:
    carried = {"request_key": "k", "prompt_id": "p", "text_hash": "h", "teacher": "a", "terms_sha256": "t"}
    return pa.Table.from_pylist([vars(one) | carried for one in given], schema=INPUTS)


ODD = {
    "a megabyte": trace("".join(f"step {n} gives {n * 7} and so on\n" for n in range(40_000))),
    "a million repeated tokens": trace("foo bar " * 1_000_000, reference="5", verifier="numeric"),
    "binary": trace(bytes(range(256)).decode("latin-1") * 2000),
    "one long word": trace("a" * 1_000_000),
    "empty": trace("", reasoning=""),
    "spaces": trace(" " * 1_000_000 + "5", reference="5", verifier="numeric"),
    "boxes": trace("\\boxed{" * 100_000, reference="5", verifier="math"),
    "nulls": trace("\x00" * 100_000),
    "lone marks": trace("\u0301" * 100_000),
    "kanji": trace("これは数学の問題です。答えは四十二です。" * 2, reference="42", verifier="math"),
}


@pytest.mark.parametrize("case", ODD, ids=str)
def test_odd_text_gets_a_verdict_in_bounded_time(case: str) -> None:
    started = time.process_time()
    (row,) = judge_rows(rows(ODD[case]), JudgePolicy()).to_pylist()
    assert row["outcome"] in {"kept", "rejected", "undecided"}
    assert (row["reason"] is None) == (row["outcome"] == "kept")
    assert time.process_time() - started < 10


def test_a_verdict_does_not_depend_on_what_else_is_judged() -> None:
    given = [case[0] for case in CASES.values()]
    together = judge_rows(rows(*given), JudgePolicy()).to_pylist()
    alone = [judge_rows(rows(one), JudgePolicy()).to_pylist()[0] for one in reversed(given)]
    assert together == alone[::-1]


def test_nulls_in_optional_columns_are_read_as_nothing() -> None:
    table = rows(trace())
    table = table.set_column(table.schema.get_field_index("reasoning"), "reasoning", pa.nulls(1, pa.large_string()))
    assert judge_rows(table, JudgePolicy())["outcome"].to_pylist() == ["kept"]
