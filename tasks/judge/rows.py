"""Judge rows one by one (pure): a table of traces in, a table of what the row-wise rules say and of
sketches out."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.judge.contamination import Evaluation
from tasks.judge.finding import Finding, Rule, Trace, whole_texts
from tasks.judge.policy import JudgePolicy
from tasks.judge.rules import NOTHING, RULES, rules
from tasks.judge.sketch import Sketches, row_of, sketches, stored
from tasks.judge.template import template_grams
from tasks.judge.vote import ballot
from tasks.judge.words import number_key
from warehouse.records import SCHEMAS

CARRIED = ("trace_id", "request_key", "prompt_id", "text_hash", "teacher", "terms_sha256", "given")
_CARRIED_FIELDS: list[tuple[str, pa.DataType]] = [(name, pa.string()) for name in CARRIED]
INPUTS = pa.schema(
    [
        *_CARRIED_FIELDS,
        ("outcome", pa.string()),
        ("finish_reason", pa.string()),
        ("reasoning", pa.large_string()),
        ("answer", pa.large_string()),
        ("reference", pa.string()),
        ("verifier", pa.string()),
        ("metadata", pa.string()),
        ("question", pa.large_string()),
        ("opinion", pa.large_string()),
        ("opinion_id", pa.string()),
        ("opinion_by", pa.string()),
    ]
)
JUDGED = pa.schema([field for field in SCHEMAS["findings"] if field.name != "row_rules"])
_TEXTS = ("reasoning", "answer", "question")
_OUTCOMES = {"reject": "rejected", "undecided": "undecided", "quarantine": "quarantined"}


def judge_rows(table: pa.Table, policy: JudgePolicy, evaluation: Evaluation = NOTHING) -> pa.Table:
    """One row of JUDGED for each row of INPUTS, in the same order; depends on nothing but the row and the
    policy."""
    checks = rules(evaluation)
    batches = table.to_batches(max_chunksize=256)  # Python strings of 256 traces at a time
    return pa.concat_tables([JUDGED.empty_table(), *(_judge_batch(batch, policy, checks) for batch in batches)])


def _judge_batch(batch: pa.RecordBatch, policy: JudgePolicy, checks: Sequence[Rule]) -> pa.Table:
    found = sketches(whole_texts(batch["reasoning"], batch["answer"]))
    rows = [_judge_row(row, found, number, policy, checks) for number, row in enumerate(batch.to_pylist())]
    judged = pa.Table.from_pylist(rows, schema=JUDGED)
    wanted = np.array([is_in_the_running(row) and row["words"] != 0 for row in rows], dtype=np.bool_)
    grams = [template_grams(found.words[number]) if wanted[number] else None for number in range(len(rows))]
    columns = stored(found, wanted) | {"grams": pa.array(grams, pa.list_(pa.uint64()))}
    for name, column in columns.items():
        judged = judged.set_column(judged.schema.get_field_index(name), judged.schema.field(name), column)
    return judged


def _judge_row(
    row: dict[str, Any], found: Sketches, number: int, policy: JudgePolicy, checks: Sequence[Rule]
) -> dict[str, object]:
    given = row | {name: row[name] or "" for name in _TEXTS} | {"known": row_of(found, number)}
    trace = Trace(**{name: given[name] for name in Trace.__dataclass_fields__})
    return {name: row[name] for name in CARRIED} | judge_trace(trace, policy, checks)


def judge_trace(trace: Trace, policy: JudgePolicy, checks: Sequence[Rule] = RULES) -> dict[str, object]:
    """Run every rule: all their signals, and the first that fails and may reject.

    The answer check is the one rule that is skipped once another has rejected: it may take seconds.
    """
    signals: dict[str, object] = {}
    first: tuple[Rule, Finding] | None = None
    for rule in checks:
        if rule.name == "answer" and first is not None:
            signals[rule.name] = {"skipped": first[1].reason}
            continue
        finding = rule.check(trace, policy)
        signals[rule.name] = finding.signal | ({"found": finding.reason} if finding.reason else {})
        if first is None and finding.outcome != "pass" and policy.rejects(rule.name):
            first = (rule, finding)
    return _verdict(first, signals) | _facts(trace, signals, first and first[0].name)


def is_in_the_running(row: Mapping[str, object]) -> bool:
    """Whether a row may still be kept: no rule rejected it, or all it lacks is a reference, and it may be elected."""
    return row["outcome"] == "kept" or (row["reason"] == "no_reference" and row["ballot"] is not None)


def _verdict(first: tuple[Rule, Finding] | None, signals: dict[str, object]) -> dict[str, object]:
    text = json.dumps(signals, sort_keys=True)
    if first is None:
        return {
            "outcome": "kept",
            "reason": None,
            "rule": None,
            "rule_version": None,
            "details": None,
            "signals": text,
        }
    rule, finding = first
    return {
        "outcome": _OUTCOMES[finding.outcome], "reason": finding.reason, "rule": rule.name,
        "rule_version": rule.version, "details": finding.details, "signals": text,
    }  # fmt: skip


_NO_ANSWER = ("finish", "empty", "refusal")
"""Rules that find that there is nothing to check: such a sample has not solved its prompt."""


def _facts(trace: Trace, signals: dict[str, Any], rejected_by: str | None) -> dict[str, object]:
    """What the rules that look at several traces need to know."""
    score = signals["answer"].get("score")
    return {
        "is_right": score is not None and score >= 1,
        "is_tried": score is not None or (trace.verifier != "none" and rejected_by in _NO_ANSWER),
        "verifier": trace.verifier,
        "ballot": ballot(trace),
        "is_complete": "found" not in signals["finish"],
        "words": len(trace.words),
        "numbers": number_key(trace.text),
    }
