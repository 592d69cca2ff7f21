"""The rules against the simulated teacher's planted faults: it knows the truth, and its wordings are not the rules'."""

import json
import random
from collections import Counter

import pytest

from infra.simulated_teacher.faults import Reply, compose
from infra.simulated_teacher.question import parse_question
from infra.simulated_teacher.solver import solve
from infra.simulated_teacher.switches import Switches
from tasks.judge.finding import Trace
from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import judge_trace

ROWS = 1_500
SHARE = 0.05
CAUGHT_BY = {
    "truncated": "truncated",
    "refusals": "refused",
    "empty_content": "empty_answer",
    "repeats": "repetition",
    "wrong_answers": "wrong_answer",
    "identity_leaks": "identity_leak",
    "control_tokens": "control_tokens",
    "injections": "injection",
    "secrets": "secret",
    "personal": "personal_data",
    "foreign_scripts": "script_mix",
    "wrong_reasoning": "false_step",
    "spoiled_reasoning": "false_step",
}
CAUSES = {"false_step": {"wrong_reasoning", "spoiled_reasoning", "wrong_answers"}}
"""Faults that a reason may come from, where they are several: of a wrong answer the last step does not hold either."""
ENOUGH = 0.98


def rows() -> list[tuple[Reply, Trace]]:
    draws, switches = random.Random(2026), Switches(styles=200).changed(dict.fromkeys(CAUGHT_BY, SHARE))
    found = []
    for number in range(ROWS):
        left, right, last = (draws.randrange(100, 1000) for _ in range(3))
        text = f"What is {left} + {right} - {last}?"
        body = {"model": "simulated-teacher", "messages": [{"role": "user", "content": text}], "max_tokens": 512}
        question = parse_question(json.dumps(body).encode(), f"key-{number}")
        reply = compose(switches, 7, question, solve(text), 1)
        finish = "stop" if reply.complete else "length"
        known = (str(left + right - last), "numeric", None, text)
        found.append((reply, Trace(f"t{number}", "ok", finish, reply.reasoning, reply.content, *known)))
    return found


@pytest.fixture(scope="module")
def judged() -> list[tuple[frozenset[str], frozenset[str]]]:
    """Of each row what was planted, and every reason that a rule has found."""
    policy = JudgePolicy()
    each = []
    for reply, trace in rows():
        row = judge_trace(trace, policy)
        signals = json.loads(str(row["signals"]))
        found = {said["found"] for said in signals.values() if "found" in said}
        is_empty = {"empty_content"} if not reply.content else set()  # also where it was cut off before its answer
        each.append((frozenset(reply.planted) | is_empty, frozenset(found) | {str(row["reason"])}))
    return each


@pytest.mark.parametrize("fault", CAUGHT_BY)
def test_the_rule_of_a_planted_fault_finds_it_and_nothing_else(
    fault: str, judged: list[tuple[frozenset[str], frozenset[str]]]
) -> None:
    reason = CAUGHT_BY[fault]
    causes = CAUSES.get(reason, {fault})
    counts = Counter((fault in planted, reason in found) for planted, found in judged)
    founded = Counter(bool(causes & planted) for planted, found in judged if reason in found)
    planted = counts[True, True] + counts[True, False]
    assert planted >= 30
    if fault == "wrong_answers":  # not checked where another rule has rejected the trace
        planted = sum(known == {fault} for known, _ in judged)
        counts[True, True] = sum(known == {fault} and reason in found for known, found in judged)
    assert counts[True, True] / planted >= ENOUGH, "recall"
    assert founded[True] / founded.total() >= ENOUGH, "precision"


def test_a_row_in_which_nothing_was_planted_is_kept(judged: list[tuple[frozenset[str], frozenset[str]]]) -> None:
    clean = [found for planted, found in judged if not planted]
    assert len(clean) > ROWS / 2
    assert sum(found != {"None"} for found in clean) == 0
