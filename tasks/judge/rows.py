"""Judge rows one by one (pure): a table of traces in, a table of what the row-wise rules say and of
sketches out."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from tasks.judge.contamination import Evaluation
from tasks.judge.finding import Finding, Rule, Trace
from tasks.judge.policy import JudgePolicy
from tasks.judge.rules import NOTHING, RULES, rules
from tasks.judge.sketch import bands, digests, shingles
from tasks.judge.template import template_grams
from tasks.judge.words import Hashes, number_key

CARRIED = ("trace_id", "request_key", "prompt_id", "text_hash", "teacher", "terms_sha256")
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
    ]
)
JUDGED = pa.schema(
    [
        *_CARRIED_FIELDS,
        ("outcome", pa.string()),  # kept (so far), rejected or undecided
        ("reason", pa.string()),
        ("rule", pa.string()),
        ("rule_version", pa.int32()),
        ("details", pa.string()),
        ("signals", pa.string()),
        ("is_right", pa.bool_()),  # the verifier accepted it
        ("is_complete", pa.bool_()),  # the rule `finish` passed
        ("words", pa.int32()),
        ("numbers", pa.string()),  # hash of the multiset of its numbers
        ("digest", pa.binary()),  # 125 MinHash values of 4 bytes; null unless kept
        ("bands", pa.list_(pa.uint64())),  # 25 keys; null unless kept
        ("grams", pa.list_(pa.uint64())),  # sampled 20-grams of words; null unless kept
    ]
)
_OUTCOMES = {"reject": "rejected", "undecided": "undecided", "quarantine": "quarantined"}


def judge_rows(table: pa.Table, policy: JudgePolicy, evaluation: Evaluation = NOTHING) -> pa.Table:
    """One row of JUDGED for each row of INPUTS, in the same order; depends on nothing but the row and the
    policy."""
    rows: list[dict[str, object]] = []
    sets: dict[int, Hashes] = {}
    grams: list[Hashes | None] = [None] * len(table)
    checks = rules(evaluation)
    for number, given in enumerate(_rows(table)):
        trace = Trace(**{name: given[name] for name in Trace.__dataclass_fields__})
        rows.append({name: given[name] for name in CARRIED} | judge_trace(trace, policy, checks))
        if rows[-1]["outcome"] == "kept" and len(trace.words):
            sets[number] = shingles(trace.words)
            grams[number] = template_grams(trace.words)
    return _with_sketches(pa.Table.from_pylist(rows, schema=JUDGED), sets, grams)


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=256):  # Python strings of 256 traces at a time
        for row in batch.to_pylist():
            yield row | {name: row[name] or "" for name in ("reasoning", "answer", "question")}


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
    return _verdict(first, signals) | _facts(trace, signals)


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


def _facts(trace: Trace, signals: dict[str, Any]) -> dict[str, object]:
    """What the rules that look at several traces need to know."""
    score = signals["answer"].get("score")
    return {
        "is_right": score is not None and score >= 1,
        "is_complete": "found" not in signals["finish"],
        "words": len(trace.words),
        "numbers": number_key(trace.text),
    }


def _with_sketches(judged: pa.Table, sets: dict[int, Hashes], grams: list[Hashes | None]) -> pa.Table:
    """Fill `digest` and `bands` of the rows whose sets of shingles are given, and `grams`."""
    matrix = digests(list(sets.values()))
    blobs: list[bytes | None] = [None] * len(judged)
    keys: list[Hashes | None] = [None] * len(judged)
    for number, digest, band in zip(sets, matrix, bands(matrix), strict=True):
        blobs[number], keys[number] = digest.astype("<u4").tobytes(), band
    columns = {
        "digest": pa.array(blobs, pa.binary()),
        "bands": pa.array(keys, pa.list_(pa.uint64())),
        "grams": pa.array(grams, pa.list_(pa.uint64())),
    }
    for name, column in columns.items():
        judged = judged.set_column(judged.schema.get_field_index(name), name, column)
    return judged
