"""One verdict explained: what every rule measured and found, what it could do, and whom the trace is like (pure)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.judge.finding import whole_text
from tasks.report.subject import described_rules

AROUND = 40
"""Characters that are shown before and after the first difference of two texts."""
_LATE = ("duplicate", "per_prompt")
"""Rules that look at all traces together, and only at those that the others let through."""
_LATE_CODES = {"per_prompt": "over_k"}
_NO_MEASURE = {"found", "skipped"}


@dataclass(frozen=True)
class RuleSaid:
    """One rule on one trace."""

    rule: str
    version: int | None
    may_reject: bool | None
    """Whether the policy lets it decide; None where the judging did not say."""
    thresholds: dict[str, Any]
    measured: dict[str, Any]
    found: str | None
    """The code of what it found, whether or not that decided."""
    skipped: str | None
    """Why it did not look."""
    decided: bool
    """It gave the reason of the verdict."""


@dataclass(frozen=True)
class Difference:
    """Where two texts part: the character, from 0, and what stands around it in each."""

    at: int
    mine: str
    theirs: str


@dataclass(frozen=True)
class Likeness:
    """Another trace of the same, or nearly the same, text."""

    trace_id: str
    relation: str
    """`lost to`, `won over` or `noted`."""
    kind: str
    jaccard: float
    difference: Difference | None
    """None where the texts are equal, or the other's is not at hand."""


@dataclass(frozen=True)
class Explained:
    """One judging's verdict on a trace."""

    dataset: str
    judge_run: str
    is_current: bool
    outcome: str
    reason: str | None
    rule: str | None
    details: str | None
    rules: tuple[RuleSaid, ...]
    likenesses: tuple[Likeness, ...]


def explain(story: Mapping[str, Any]) -> tuple[Explained, ...]:
    """Every verdict of what `warehouse.query.show_trace` found, in its order: the current ones first."""
    return tuple(_explained(verdict, story) for verdict in story["verdicts"])


def _explained(verdict: Mapping[str, Any], story: Mapping[str, Any]) -> Explained:
    key = (verdict["judge_run"], verdict["dataset"])
    rules = next((row["rules"] for row in story["rules"] if (row["judge_run"], row["dataset"]) == key), None)
    signals = _signals(verdict["signals"])
    given = described_rules(rules) or tuple({"rule": name} for name in signals)
    return Explained(
        verdict["dataset"], verdict["judge_run"], verdict["is_current"],
        verdict["outcome"], verdict["reason"], verdict["rule"], verdict["details"],
        tuple(_said(rule, signals, verdict) for rule in given),
        _likenesses(key, story, signals.get("duplicate", {})),
    )  # fmt: skip


def _signals(text: str | None) -> dict[str, dict[str, Any]]:
    """By rule; what is no rule's, from before they had names, is left out."""
    return {name: said for name, said in (json.loads(text or "{}") or {}).items() if isinstance(said, dict)}


def _said(rule: Mapping[str, Any], signals: Mapping[str, dict[str, Any]], verdict: Mapping[str, Any]) -> RuleSaid:
    name = str(rule["rule"])
    signal = signals.get(name, {})
    decided = verdict["rule"] == name
    return RuleSaid(
        rule=name,
        version=rule.get("version"),
        may_reject=rule.get("rejects"),
        thresholds={key: value for key, value in rule.items() if key not in ("rule", "name", "version", "rejects")},
        measured={key: value for key, value in signal.items() if key not in _NO_MEASURE},
        found=_found(name, signal) or (verdict["reason"] if decided else None),
        skipped=_skipped(name, signal, verdict),
        decided=decided,
    )


def _found(rule: str, signal: Mapping[str, Any]) -> str | None:
    if rule == "duplicate" and "kind" in signal:
        return f"{signal['kind']}_duplicate"
    return signal.get("found") or (_LATE_CODES.get(rule) if signal else None)


def _skipped(rule: str, signal: Mapping[str, Any], verdict: Mapping[str, Any]) -> str | None:
    if signal.get("skipped"):
        return f"not needed: {signal['skipped']} had decided"
    if rule in _LATE and verdict["outcome"] != "kept" and verdict["rule"] not in _LATE:
        return f"not compared with other traces: {verdict['reason']} had decided"
    if rule == "per_prompt" and verdict["rule"] == "duplicate":
        return f"not counted: {verdict['reason']} had decided"
    return None


def _likenesses(key: tuple[str, str], story: Mapping[str, Any], signal: Mapping[str, Any]) -> tuple[Likeness, ...]:
    mine = story["trace"]
    texts = {row["trace_id"]: whole_text(row["reasoning"] or "", row["answer"] or "") for row in story["similar"]}
    own = whole_text(mine["reasoning"] or "", mine["answer"] or "")
    found = []
    for row in story["duplicates"]:
        if (row["judge_run"], row["dataset"]) == key:
            lost = row["trace_id"] == mine["trace_id"]
            other = row["duplicate_of"] if lost else row["trace_id"]
            found.append((other, "lost to" if lost else "won over", row["kind"], row["jaccard"]))
    if signal.get("similar_to") and signal["similar_to"] not in [other for other, *_ in found]:
        found.append((signal["similar_to"], "noted", signal["kind"], signal["jaccard"]))
    return tuple(Likeness(*each, first_difference(own, texts.get(each[0]))) for each in found)


def first_difference(mine: str, theirs: str | None) -> Difference | None:
    """Where two texts part; None where they are equal, or there is only one."""
    if theirs is None or mine == theirs:
        return None
    shorter = min(len(mine), len(theirs))
    at = next((place for place in range(shorter) if mine[place] != theirs[place]), shorter)
    return Difference(at, _around(mine, at), _around(theirs, at))


def _around(text: str, at: int) -> str:
    start = max(0, at - AROUND)
    before, after = "…" if start else "", "…" if at + AROUND < len(text) else ""
    return f"{before}{text[start : at + AROUND]}{after}"


def published_in(lineage: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Versions that hold the trace, each with the student runs that learned from it."""
    found: dict[str, list[str]] = {}
    for row in lineage:
        if row["version"]:
            found.setdefault(row["version"], []).extend([row["student_run_id"]] if row["student_run_id"] else [])
    return found
