"""The figures of a set of trainings, as Markdown (pure)."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from arms import ARMS, BASELINE, MEASURES, Trace, hits

from tasks.train.scores import wilson

Record = Mapping[str, Any]
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
)  # fmt: skip
"""The 97.5 % quantile of Student's t for 1 to 20 degrees of freedom; 1.96 and a little beyond."""
_T_BEYOND = 2.08


def share(marks: str) -> float:
    return marks.count("1") / len(marks)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean and its 95 % interval by Student's t over seeds. It says how much another seed would change, and nothing
    of other prompts or another draw of the teacher's faults; a bootstrap of five values would be too narrow."""
    if len(values) < 2:
        return values[0], -math.inf, math.inf
    degrees = len(values) - 1
    half = (_T[degrees - 1] if degrees <= len(_T) else _T_BEYOND) * stdev(values) / math.sqrt(len(values))
    return fmean(values), fmean(values) - half, fmean(values) + half


def lift(records: Sequence[Record], arm: str, baseline: str, column: str) -> list[float]:
    """The difference of an arm to its baseline, of each seed that both have."""
    by_seed = {record["seed"]: share(record[column]) for record in records if record["arm"] == baseline}
    own = {record["seed"]: share(record[column]) for record in records if record["arm"] == arm}
    return [own[seed] - by_seed[seed] for seed in sorted(own.keys() & by_seed.keys())]


def results(records: Sequence[Record]) -> str:
    """Of each arm its rows, its accuracy over seeds, and the difference to what it is compared with."""
    lines = [
        "| arm | rows | prompts | tokens/row | rows cut | seeds | right, greedy | against | difference | right, drawn |"
        " difference | no answer |",
        "|---|---:|---:|---:|---:|---:|---|---|---|---|---|---:|",
    ]
    for arm in ARMS:
        own = [record for record in records if record["arm"] == arm]
        if own:
            lines.append(_row(records, own, arm))
    return "\n".join(lines)


def _row(records: Sequence[Record], own: Sequence[Record], arm: str) -> str:
    first, against = own[0], BASELINE.get(arm)
    differences = [_points(lift(records, arm, against, column)) if against else "" for column in ("marks", "sampled")]
    asked = sum(len(record["marks"]) for record in own)
    no_answer = f"{100 * sum(record['unfinished'] for record in own) / asked:.1f} %"
    return (
        f"| {arm} | {first['rows']:,} | {first['prompts']:,} | {first['tokens_a_row']:.1f} | {first['cut_rows']:,} "
        f"| {len(own)} | {_percent([share(record['marks']) for record in own])} | {against or ''} | {differences[0]} "
        f"| {_percent([share(record['sampled']) for record in own])} | {differences[1]} | {no_answer} |"
    )


def _percent(values: Sequence[float]) -> str:
    mean, low, high = mean_interval(values)
    interval = f" ({100 * max(0.0, low):.1f} to {100 * min(1.0, high):.1f})" if len(values) > 1 else ""
    return f"{100 * mean:.1f} %{interval}"


def _points(values: Sequence[float]) -> str:
    if not values:
        return ""
    mean, low, high = mean_interval(values)
    interval = f" ({100 * low:+.1f} to {100 * high:+.1f})" if len(values) > 1 else ""
    return f"{100 * mean:+.1f}{interval}"


def runs(records: Sequence[Record]) -> str:
    """Every training by itself, with Wilson's interval over its prompts."""
    lines = ["| arm | seed | right, greedy | 95 % | right, drawn | 95 % | CPU s |", "|---|---:|---:|---|---:|---|---:|"]
    for record in sorted(records, key=lambda record: (list(ARMS).index(record["arm"]), record["seed"])):
        cells = []
        for column in ("marks", "sampled"):
            right, asked = record[column].count("1"), len(record[column])
            low, high = wilson(right, asked)
            cells += [f"{right} of {asked}", f"{100 * low:.1f} to {100 * high:.1f} %"]
        lines.append(f"| {record['arm']} | {record['seed']} | {' | '.join(cells)} | {record['cpu_s']:.0f} |")
    return "\n".join(lines)


def found(traces: Mapping[str, Sequence[Trace]]) -> str:
    """In what share of each teacher's traces each rule found something, and the means of what was measured.

    By the policy that lets everything but duplicates pass: what a rule finds there hides no other's finding.
    """
    counts = {teacher: hits(rows, "deduplicated") for teacher, rows in traces.items()}
    rules = sorted({rule for found in counts.values() for rule in found})
    lines = ["| | " + " | ".join(traces) + " |", "|---|" + "---:|" * len(traces)]
    for rule in rules:
        cells = (f"{100 * counts[teacher][rule] / len(rows):.1f} %" for teacher, rows in traces.items())
        lines.append(f"| rule `{rule}` | {' | '.join(cells)} |")
    for name, measure in MEASURES.items():
        cells = (f"{fmean(map(measure, rows)):.3f}" for rows in traces.values())
        lines.append(f"| mean of {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
