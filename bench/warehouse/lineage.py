"""How fast lineage answers: `python bench/warehouse/lineage.py`.

Fills a data root by the warehouse's own functions with --traces traces of --teachers teachers and --versions versions
that hold four times as many rows in all, one file for each (version, teacher), with students trained on the versions.
Then asks, each time from a new process that has yet to open the published file:

- the roll-up: teacher -> versions -> students, by the view `lineage_by_teacher`;
- the recall query: the rows, tokens and shares of every version and student that hold a trace which one teacher gave in
  one week, which no file or catalog entry tells: 2 million traces are matched with 8 million memberships;
- `still recall plan` of the same week and of the whole teacher, as `tasks.recall.reach` does it: besides, it looks for
  continued and shared answers, judges' words, duplicates, and counts the rows of every file that it would touch.

Prints a Markdown table of medians, and the least time until the answer. The limit in the same run is what the same
process takes for `select 1`, on the file and on none: what DuckDB takes to start.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from warehouse.catalog import transaction
from warehouse.layout import DataRoot
from warehouse.parts import write_part
from warehouse.records import SCHEMAS, DataFile

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ASK = """
import sys, time
import duckdb
began = time.perf_counter()
with duckdb.connect(sys.argv[1], read_only=sys.argv[1] != ":memory:") as warehouse:
    rows = warehouse.execute(sys.argv[2]).fetchall()
    print(1000 * (time.perf_counter() - began), len(rows))
"""
PLAN = """
import sys, time
from pathlib import Path
from tasks.recall.reach import reach
from tasks.recall.selection import select
from warehouse.layout import DataRoot
began = time.perf_counter()
found = reach(DataRoot(Path(sys.argv[1])), select(*sys.argv[2:3], since=sys.argv[3] or None, until=sys.argv[4] or None))
print(1000 * (time.perf_counter() - began), found.traces)
"""
ROLL_UP = "select teacher, terms_id, version, rows, share, student_run_id from lineage_by_teacher where teacher = '{}'"
RECALL = """
    with hit as (
        select trace_id, completion_tokens from store.traces_parquet
        where teacher = '{}' and received_at >= '{}' and received_at < '{}'
    ), reached as (
        select r.version, r.shard, count(*) as rows, sum(completion_tokens) as tokens
        from store.version_rows_parquet as r join hit using (trace_id) group by all
    )
    select version, sum(reached.rows) as rows, sum(reached.tokens) as tokens, list(shard) as shards,
        sum(reached.rows) / any_value(v.rows) as share, sum(reached.tokens) / any_value(v.tokens) as share_of_tokens,
        list(distinct s.student_run_id) as students
    from reached join store.version as v using (version) left join store.student_run as s using (version)
    group by version order by version
"""


def table_of(kind: str, rows: int, columns: dict[str, object]) -> pa.Table:
    """A part's rows; what is not given is null."""
    given = {name: pa.array(values) if not np.isscalar(values) else None for name, values in columns.items()}
    arrays = []
    for column in SCHEMAS[kind]:
        if column.name not in columns:
            arrays.append(pa.nulls(rows, column.type))
        elif given[column.name] is None:
            arrays.append(pa.repeat(pa.scalar(columns[column.name], column.type), rows))
        else:
            arrays.append(given[column.name].cast(column.type))
    return pa.table(arrays, schema=SCHEMAS[kind])


def ids(numbers: np.ndarray) -> list[str]:
    """32 hex digits each, spread as hashes are."""
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return [f"{value:016x}{number:016x}" for value, number in zip(mixed.tolist(), numbers.tolist(), strict=True)]


def answers_of(kind: str, number: int, keys: list[str]) -> pa.Table:
    """One a minute, back from now: `traces`, or the attempts in the ledger that brought them."""
    minutes = np.arange(len(keys))
    received = np.datetime64(NOW.replace(tzinfo=None), "us") - minutes * np.timedelta64(60, "s")
    columns = {
        **teacher(number),
        **dict.fromkeys(("attempt_id", "request_key", "prompt_id"), keys),
        "outcome": "ok",
        "completion_tokens": tokens_of(minutes),
        "received_at": received,
    }
    return table_of(kind, len(keys), columns | ({"trace_id": keys} if kind == "traces" else {"state": "paid"}))


def tokens_of(minutes: np.ndarray) -> np.ndarray:
    """Completion tokens of the answers that came so many minutes ago."""
    return minutes % 900 + 100


def members(number: int, keys: list[list[str]]) -> pa.Table:
    """The rows of a version: so many of each teacher's, one shard each."""
    parts = []
    for n, some in enumerate(keys):
        place = {"version": f"sums@{number}", "shard": f"train-{n:05d}.parquet", "split": "train"}
        columns = {**place, **teacher(n), "trace_id": some, "request_key": some, "row_index": np.arange(len(some))}
        parts.append(table_of("version_rows", len(some), columns))
    return pa.concat_tables(parts)


def teacher(number: int) -> dict[str, object]:
    return {"teacher": f"teacher-{number}", "terms_id": f"terms-{number}", "terms_sha256": f"terms-{number}"}


def fill(root: DataRoot, traces: int, teachers: int, versions: int) -> None:
    each, in_version = traces // teachers, 4 * traces // versions // teachers
    known = [ids(np.arange(n * each, (n + 1) * each)) for n in range(teachers)]
    files: list[DataFile] = []
    for n, keys in enumerate(known):
        whose = {"teacher": f"teacher-{n}", "terms_sha256": f"terms-{n}"}
        parts = {kind: answers_of(kind, n, keys) for kind in ("ledger", "traces")}
        files += [write_part(root, kind, f"part-{n}", rows, **whose) for kind, rows in parts.items()]
    listed = []
    for number in range(versions):
        start = number * (each - in_version) // max(1, versions - 1)
        tokens = teachers * int(tokens_of(np.arange(start, start + in_version)).sum())
        listed.append(version(number, in_version * teachers, tokens))
        rows = members(number, [keys[start : start + in_version] for keys in known])
        files.append(write_part(root, "version_rows", f"version-{number}", rows, dataset="sums"))
    with transaction(root, NOW, publish="now") as catalog:
        catalog.add_files(files)
        catalog.insert("version", listed)
        catalog.insert("shard", [shard(v, n, in_version) for v in range(versions) for n in range(teachers)])
        catalog.insert("student_run", [student(number, versions) for number in range(2 * versions)])


def version(number: int, rows: int, tokens: int) -> dict[str, object]:
    return {
        "version": f"sums@{number}",
        "dataset": "sums",
        "folder": f"shards/sums/{number}",
        "content_digest": "0",
        "rows": rows,
        "train_rows": rows,
        "validation_rows": 0,
        "tokens": tokens,
        "simulated": False,
        "published_at": NOW + timedelta(hours=number),
    }


def shard(number: int, n: int, rows: int) -> dict[str, object]:
    place = {"version": f"sums@{number}", "shard": f"train-{n:05d}.parquet", "split": "train"}
    return {**place, **teacher(n), "rows": rows, "bytes": 1, "sha256": "0"}


def student(number: int, versions: int) -> dict[str, object]:
    return {
        "student_run_id": f"student-{number}",
        "version": f"sums@{number % versions}",
        "model": "tiny",
        "state": "completed",
        "started_at": NOW,
        "simulated": False,
    }


@dataclass
class Timed:
    """What a program took in each of its processes, ms: as it timed itself, and the whole process."""

    program: str
    arguments: Sequence[object]
    inside: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    counted: int = 0

    def run(self) -> None:
        began = time.perf_counter()
        command = [sys.executable, "-c", self.program, *map(str, self.arguments)]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
        self.whole.append(1000 * (time.perf_counter() - began))
        took, counted = said.stdout.split()
        self.inside.append(float(took))
        self.counted = int(counted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=int, default=2_000_000)
    parser.add_argument("--teachers", type=int, default=20)
    parser.add_argument("--versions", type=int, default=40)
    parser.add_argument("--times", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = DataRoot(Path(folder) / "data").create()
        fill(root, options.traces, options.teachers, options.versions)
        size = sum(path.stat().st_size for path in root.path.rglob("*.parquet")) / 2**20
        counts = f"{options.traces:,} traces, {4 * options.traces:,} memberships"
        print(f"DuckDB {duckdb.__version__}; {counts}, {size:.0f} MiB\n")
        print("| | until the answer, ms | least | whole process, ms | found |\n|---|---:|---:|---:|---:|")
        week = (NOW - timedelta(days=14), NOW - timedelta(days=7))
        rows = {
            "`select 1`, no file": Timed(ASK, (":memory:", "select 1")),
            "`select 1`": Timed(ASK, (root.warehouse, "select 1")),
            "roll-up": Timed(ASK, (root.warehouse, ROLL_UP.format("teacher-7"))),
            "recall query, a week": Timed(ASK, (root.warehouse, RECALL.format("teacher-7", *week))),
            "recall plan, a week": Timed(PLAN, (root.path, "teacher-7", *week)),
            "recall plan, a teacher": Timed(PLAN, (root.path, "teacher-7", "", "")),
        }
        for _ in range(options.times):  # in turns, as a machine's speed drifts
            for row in rows.values():
                row.run()
        for name, row in rows.items():
            inside, whole = statistics.median(row.inside), statistics.median(row.whole)
            print(f"| {name} | {inside:.0f} | {min(row.inside):.0f} | {whole:.0f} | {row.counted:,} |")


if __name__ == "__main__":
    main()
