"""Answers of the simulated teacher with planted faults, and what the rules make of them: it knows the truth, and its
wordings are not the rules'."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from judge.sums import reply_to, sums

from infra.simulated_teacher.faults import Reply
from infra.simulated_teacher.switches import Switches
from tasks.judge.finding import Trace
from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import judge_trace

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
CAUSES = {"false_step": frozenset({"wrong_reasoning", "spoiled_reasoning", "wrong_answers"})}
"""Faults that a reason may come from, where they are several: of a wrong answer the last step does not hold either."""


@dataclass(frozen=True)
class Row:
    """What was planted in an answer, and every reason that a rule has found, the verdict's own among them."""

    planted: frozenset[str]
    found: frozenset[str]


@dataclass(frozen=True)
class Tally:
    """How one rule did on one fault."""

    planted: int
    caught: int
    said: int
    """How often the rule gave its reason."""
    rightly: int

    @property
    def recall(self) -> float:
        return self.caught / self.planted

    @property
    def precision(self) -> float:
        return self.rightly / self.said


def replies(count: int, seed: int, switches: Switches) -> list[tuple[Reply, Trace]]:
    """Sums of three numbers, answered."""
    made = []
    for number, (text, answer) in enumerate(sums(count, seed)):
        reply = reply_to(text, f"key-{number}", switches, model="simulated-teacher")
        finish, known = "stop" if reply.complete else "length", (answer, "numeric", None, text)
        made.append((reply, Trace(f"t{number}", "ok", finish, reply.reasoning, reply.content, *known)))
    return made


def judged(count: int, seed: int = 2026) -> list[Row]:
    """Each fault in `SHARE` of so many answers, judged by every rule that looks at one trace."""
    policy, rows = JudgePolicy(), []
    for reply, trace in replies(count, seed, Switches(styles=200).changed(dict.fromkeys(CAUGHT_BY, SHARE))):
        row = judge_trace(trace, policy)
        signals = json.loads(str(row["signals"]))
        found = {said["found"] for said in signals.values() if "found" in said}
        is_empty = {"empty_content"} if not reply.content else set()  # also where it was cut off before its answer
        rows.append(Row(frozenset(reply.planted) | is_empty, frozenset(found) | {str(row["reason"])}))
    return rows


def tally(rows: Sequence[Row], fault: str) -> Tally:
    """Wrong answers count where nothing else was planted: they are not checked where another rule has rejected."""
    reason = CAUGHT_BY[fault]
    causes = CAUSES.get(reason, frozenset({fault}))
    with_it = [row for row in rows if (row.planted == {fault} if fault == "wrong_answers" else fault in row.planted)]
    saying = [row for row in rows if reason in row.found]
    caught = sum(reason in row.found for row in with_it)
    return Tally(len(with_it), caught, len(saying), sum(bool(causes & row.planted) for row in saying))
