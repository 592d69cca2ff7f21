"""Reading what a report says: one temporary table of narrow columns, and one query over it for each part.

Nothing here holds rows of the dataset in memory: the database counts and bins, and only the chosen examples' texts,
cut, come out of it.
"""

import json
import math
from collections.abc import Mapping
from importlib import resources
from itertools import groupby
from typing import Any

from tasks.judge.screens.latest import read_screened
from tasks.publish.reading import Connection, all_rows, one_row
from tasks.report.facts import (
    Bin,
    Cluster,
    Duplicates,
    Example,
    Facts,
    Flow,
    Histogram,
    Hit,
    RuleCount,
    Share,
    Side,
    Subject,
    TeacherFacts,
    Verified,
    Window,
)  # fmt: skip

MEMORY_LIMIT = "1GB"
"""Of the database while a report is read; beyond it, it spills to the scratch folder."""
MOST_CHARACTERS = 2_000
"""Of a question, a reasoning or an answer in the page: forty-eight pairs stay below 5 MB even if every letter is an
ampersand, which takes five."""
EXCERPT = 200
BINS = 40
_MEASURED: dict[str, dict[str, str]] = {
    "reasoning": {"reasoning_tokens": "DOUBLE"},
    "length": {"tokens": "DOUBLE"},
    "repetition": {"repeated": "DOUBLE", "compression": "DOUBLE"},
    "answer": {"score": "DOUBLE", "verifier": "VARCHAR"},
    "contamination": {"item": "VARCHAR", "question_coverage": "DOUBLE", "trace_coverage": "DOUBLE"},
    "duplicate": {"kind": "VARCHAR", "jaccard": "DOUBLE"},
    "per_prompt": {"rank": "BIGINT"},
}
"""The signals that the report draws, beside what each rule found or skipped."""


def statement(name: str) -> str:
    """The text of one of this station's SQL files."""
    return resources.files("tasks.report").joinpath("sql", f"{name}.sql").read_text()


def read_facts(connection: Connection, subject: Subject) -> Facts:
    """Everything the page says of one judging or version; the same data root gives the same facts."""
    prepare(connection, subject)
    hits, in_all = read_hits(connection)
    return Facts(
        subject=subject,
        teachers=read_teachers(connection),
        flows=read_flows(connection, subject),
        histograms=read_histograms(connection),
        families=read_shares(connection),
        drift=read_drift(connection),
        verified=read_verified(connection),
        rules=read_rules(connection, subject),
        duplicates=read_duplicates(connection, subject),
        hits=hits,
        hits_in_all=in_all,
        screened=read_screened(connection, subject.dataset),
        examples=read_examples(connection),
    )


def prepare(connection: Connection, subject: Subject) -> None:
    """Make the temporary table `sample`, which every other query here reads."""
    connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
    keys = {name: getattr(subject, name) for name in ("dataset", "plan_id", "judge_run", "version")}
    connection.execute(statement("samples"), {**keys, "shape": json.dumps(signal_shape(subject))})


def signal_shape(subject: Subject) -> dict[str, dict[str, str]]:
    """Which signals to parse, as a structure for `from_json`."""
    names = dict.fromkeys([*_MEASURED, *(str(rule["rule"]) for rule in subject.rules)])
    return {name: {"found": "VARCHAR", "skipped": "VARCHAR"} | _MEASURED.get(name, {}) for name in names}


def read_flows(connection: Connection, subject: Subject) -> tuple[Flow, ...]:
    """The funnel of each teacher, the one with most samples first."""
    rows = all_rows(connection, statement("flows"))
    is_open = any(row["outcome"] is None for row in rows)
    keys = {"dataset": subject.dataset, "plan_id": subject.plan_id}
    statuses: dict[str, dict[str, int]] = {}
    for row in all_rows(connection, statement("open"), keys) if is_open else ():
        statuses.setdefault(row["teacher"], {})[row["status"]] = row["samples"]
    flows = [
        _flow(teacher, list(group), statuses.get(teacher, {}))
        for teacher, group in groupby(rows, key=lambda row: str(row["teacher"]))
    ]
    return tuple(sorted(flows, key=lambda flow: (-flow.wanted, flow.teacher)))


def _flow(teacher: str, rows: list[dict[str, Any]], statuses: dict[str, int]) -> Flow:
    outcomes: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for row in rows:
        if row["outcome"] is not None:
            outcomes[row["outcome"]] = outcomes.get(row["outcome"], 0) + row["samples"]
        if row["outcome"] not in (None, "kept"):
            reason = row["reason"] or row["outcome"]
            reasons[reason] = reasons.get(reason, 0) + row["samples"]
    wanted, published = sum(row["samples"] for row in rows), sum(row["published"] for row in rows)
    return Flow(teacher, wanted, statuses, outcomes, reasons, published)


def read_teachers(connection: Connection) -> tuple[TeacherFacts, ...]:
    return tuple(TeacherFacts(**row) for row in all_rows(connection, statement("teachers")))


def read_histograms(connection: Connection) -> tuple[Histogram, ...]:
    """Each measure that any answer has."""
    rows = all_rows(connection, statement("histograms"))
    return tuple(_histogram(list(group)) for _, group in groupby(rows, key=lambda row: str(row["measure"])))


def _histogram(rows: list[dict[str, Any]]) -> Histogram:
    first = rows[0]
    low, step = first["low"], (first["high"] - first["low"]) / BINS
    back = math.exp if first["is_log"] else float
    step = step or (0.1 if first["is_log"] else max(abs(low), 1.0) / BINS)  # all values are equal
    bins = tuple(
        Bin(back(low + row["bin"] * step), back(low + (row["bin"] + 1) * step), row["kept"], row["lost"])
        for row in rows
    )
    return Histogram(first["measure"], first["is_log"], bins, (first["kept_median"], first["lost_median"]))


def read_shares(connection: Connection) -> tuple[Share, ...]:
    return tuple(Share(**row) for row in all_rows(connection, statement("families")))


def read_drift(connection: Connection) -> dict[str, tuple[Window, ...]]:
    """By teacher, its windows in the order of time."""
    found: dict[str, tuple[Window, ...]] = {}
    for row in all_rows(connection, statement("drift")):
        window = Window(row["began"], row["ended"], row["count"], row["passed"])
        found[row["teacher"]] = (*found.get(row["teacher"], ()), window)
    return found


def read_verified(connection: Connection) -> tuple[Verified, ...]:
    return tuple(Verified(**row) for row in all_rows(connection, statement("verified")))


def read_rules(connection: Connection, subject: Subject) -> tuple[RuleCount, ...]:
    """What each rule found, whether or not that rejected anything, in the order of the rules."""
    names = [str(rule["rule"]) for rule in subject.rules]
    if not names:
        return ()
    each = ", ".join(
        f"{{'rule': {_text(name)}, 'found': {_found(name)}, 'skipped': {_said(name)}.skipped}}" for name in names
    )
    said = f"from (select unnest([{each}], recursive := true) from sample where trace_id is not null)"
    codes = all_rows(
        connection, f"select rule, found, count(*) as n {said} where found is not null group by all order by all"
    )
    skipped = all_rows(connection, f"select rule, count(*) as n {said} where skipped is not null group by rule")
    first = all_rows(connection, "select rule, count(*) as n from sample where rule is not null group by rule")
    found: dict[str, dict[str, int]] = {name: {} for name in names}
    for row in codes:
        found[row["rule"]][row["found"]] = row["n"]
    return tuple(RuleCount(name, found[name], _count(first, name), _count(skipped, name)) for name in names)


def _count(rows: list[dict[str, Any]], rule: str) -> int:
    return next((int(row["n"]) for row in rows if row["rule"] == rule), 0)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _said(rule: str) -> str:
    return 'said."' + rule.replace('"', '""') + '"'


def _found(rule: str) -> str:
    if rule == "duplicate":
        return f"{_said(rule)}.kind || '_duplicate'"
    if rule == "per_prompt":
        return f"case when {_said(rule)}.rank is not null then 'over_k' end"
    return f"{_said(rule)}.found"


def read_duplicates(connection: Connection, subject: Subject) -> Duplicates:
    keys = {"dataset": subject.dataset, "judge_run": subject.judge_run}
    counts = tuple((row["kind"], row["lost"], row["noted"]) for row in all_rows(connection, statement("duplicates")))
    similar = tuple(
        Bin(row["step"] / 100, (row["step"] + 1) / 100, row["noted"], row["lost"])
        for row in all_rows(connection, statement("similar"))
    )
    rows = all_rows(connection, statement("clusters"), keys)
    asked = _questions(connection, [row["prompt_id"] for row in rows])
    clusters = tuple(
        Cluster(row["trace_id"], row["losers"], row["exact"], asked.get(row["prompt_id"], "")) for row in rows
    )
    return Duplicates(counts, similar, clusters, one_row(connection, statement("across"), keys)["traces"])


def read_hits(connection: Connection) -> tuple[tuple[Hit, ...], int]:
    """The evaluation items that matched most, and how many there are in all."""
    rows = all_rows(connection, statement("hits"))
    asked = _questions(connection, [row["prompt_id"] for row in rows])
    names = ("item", "reason", "outcome", "traces", "question_coverage", "trace_coverage", "trace_id")
    hits = (Hit(**{name: row[name] for name in names}, question=asked.get(row["prompt_id"], "")) for row in rows)
    return tuple(hits), rows[0]["in_all"] if rows else 0


def _questions(connection: Connection, prompt_ids: list[str | None]) -> Mapping[str, str]:
    sql = (
        f"select prompt_id, left(question, {EXCERPT}) as question from prompts where prompt_id in (select unnest($ids))"
    )
    ids = sorted({each for each in prompt_ids if each})
    return {row["prompt_id"]: row["question"] for row in all_rows(connection, sql, {"ids": ids})} if ids else {}


def read_examples(connection: Connection) -> tuple[Example, ...]:
    """Traces that were not kept, two of each reason, with a kept one beside each."""
    pairs = [(row["lost"], row["kept"]) for row in all_rows(connection, statement("choices"))]
    ids = sorted({each for pair in pairs for each in pair if each})
    if not ids:
        return ()
    wanted = "select distinct prompt_id from sample where trace_id in (select unnest($ids))"
    prompts = sorted(row["prompt_id"] for row in all_rows(connection, wanted, {"ids": ids}))
    keys = {"ids": ids, "prompts": prompts, "most": MOST_CHARACTERS}
    sides = {row["trace_id"]: Side(**row) for row in all_rows(connection, statement("texts"), keys)}
    return tuple(Example(sides[lost], sides.get(kept) if kept else None) for lost, kept in pairs)
