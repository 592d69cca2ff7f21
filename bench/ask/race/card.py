"""Score cards of the race from its results, as Markdown: `python bench/ask/race/card.py .race/race.jsonl`.

A cell is the median of the repeats and, where there are several, their least and most in brackets. What cannot be told
is a dash. Scenarios with one run a configuration are marked so.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from conditions import CONFIGURATIONS, SCENARIOS
from score import is_quiet, per_thousand, spread

Line = Mapping[str, Any]

LEGEND = """\
- used: of what the account's rate gave in steady state (from 8 s after the first request to 2 s before the rows would
  run out at the full rate, or to the client's last request), by the referee; a full bucket at its beginning can make it
  pass 1.
- useful tok/min: in the same span, output tokens of rows' first answers.
- rows/min: delivered, over the whole run, its beginning and its tail of up to 3 s included.
- 429s: by 1,000 delivered rows, after the warm-up of 8 s and in all.
- lost: rows that the client ended without. unfinished: of a client that was killed at its time limit (run s), which is
  counted with what had reached it. twice: answers bought beyond a row's first. What may have been paid, ours asks in a
  further run of the same command, which is in its figures; the peers retry by themselves.
- CPU: of the client's whole process tree from its first request until its last row is handed over; of ours, Ray's own
  daemons (raylet, gcs, agents) and Prefect's server are the figure after the plus sign.
- overhead: sending to answer as the client tells it, less the teacher's own time; of ours from the journal, of the
  OpenAI SDK and LiteLLM the last attempt of a row. The others do not tell.
- recovery s: after the limits changed, until five seconds on end used 95 % of what is now allowed; told: 429s more than
  0.25 s after the first response that followed the change.
- machine: its CPU in use by everything on it, mean of the run."""


@dataclass(frozen=True)
class Column:
    title: str
    value: Callable[[Line], float | None]
    places: int = 0
    only_changes: bool = False


def _at(name: str) -> Callable[[Line], float | None]:
    return lambda line: line.get(name)


COLUMNS = (
    Column("used", _at("used"), 3),
    Column("useful tok/min", _at("useful_tokens_per_min")),
    Column("rows/min", lambda line: 60 * line["delivered"] / line["run_s"] if line["run_s"] else None),
    Column("429s after warm-up", lambda line: per_thousand(line["refused_after"], line["delivered_after"])),
    Column("429s in all", lambda line: per_thousand(line["refused"], line["delivered"])),
    Column("lost", _at("lost")),
    Column("unfinished", _at("unfinished")),
    Column("twice", _at("paid_twice")),
    Column("CPU ms/row", _at("cpu_ms_per_row"), 1),
    Column("overhead p50 ms", _at("overhead_p50_ms"), 1),
    Column("overhead p99 ms", _at("overhead_p99_ms"), 1),
    Column("recovery s", _at("used_after"), 1, only_changes=True),
    Column("told", _at("refused_told"), only_changes=True),
    Column("run s", _at("run_s")),
    Column("machine", lambda line: 100 * line["machine_mean"]),
)


def cell(values: Iterable[float | None], places: int) -> str:
    """Median and, of several, least to most; how many of them there are where some cannot be told."""
    every = list(values)
    known = [value for value in every if value is not None]
    found = spread(known)
    if found is None:
        return "–"
    middle, least, most = (f"{value:,.{places}f}" for value in found)
    text = middle if least == most else f"{middle} ({least}–{most})"
    return text if len(known) == len(every) else f"{text}, {len(known)} of {len(every)}"


def _cpu(lines: Sequence[Line], places: int) -> str:
    text = cell((line["cpu_ms_per_row"] for line in lines), places)
    daemons = spread([line["daemons_ms_per_row"] for line in lines if line["daemons_ms_per_row"]])
    return f"{text} + {daemons[0]:.{places}f}" if daemons else text


def row(name: str, lines: Sequence[Line], columns: Sequence[Column]) -> str:
    cells = [
        _cpu(lines, column.places) if column.title == "CPU ms/row" else cell(map(column.value, lines), column.places)
        for column in columns
    ]
    ended = {how: sum(line["ended"] == how for line in lines) for how in ("killed", "crashed")}
    marks = "".join(f", {how} {count}" for how, count in ended.items() if count)
    version = lines[0]["version"]
    return "| " + " | ".join([f"{name} {version}".strip() + marks, str(len(lines)), *cells]) + " |"


def table(scenario: str, lines: Sequence[Line]) -> str:
    """One scenario's card."""
    has_change = any(line["has_change"] for line in lines)
    columns = [column for column in COLUMNS if has_change or not column.only_changes]
    names = [name for name in CONFIGURATIONS if any(line["configuration"] == name for line in lines)]
    by_name = {name: [line for line in lines if line["configuration"] == name] for name in names}
    once = ", once each" if all(len(found) == 1 for found in by_name.values()) else ""
    return "\n".join(
        [
            f"### {scenario}{once}",
            "",
            "| client | n | " + " | ".join(column.title for column in columns) + " |",
            "|---|---:|" + "---:|" * len(columns),
            *(row(name, found, columns) for name, found in by_name.items()),
        ]
    )


def card(lines: Sequence[Line]) -> str:
    """Every scenario's table, of the runs that had half the machine to spare, and what the columns mean."""
    busy, lines = sum(not is_quiet(line) for line in lines), [line for line in lines if is_quiet(line)]
    machines = sorted({line["machine"] for line in lines})
    most = max((line["machine_mean"] for line in lines), default=0.0)
    tables = [
        table(name, found) for name in SCENARIOS if (found := [line for line in lines if line["scenario"] == name])
    ]
    head = f"{'; '.join(machines)}; the machine's CPU in use: at most {most:.0%} in the mean of a run."
    head += f" {busy} runs on a busier machine are left out." if busy else ""
    return "\n\n".join([head, *tables, LEGEND])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="+")
    options = parser.parse_args()
    print(card([json.loads(line) for path in options.results for line in path.read_text().splitlines()]))


if __name__ == "__main__":
    main()
