"""What a commit costs, and how that grows with the log: `python bench/warehouse/commits.py`.

Commits small transactions into a data root whose catalog holds --runs runs, without publication and with it, at
several lengths of the log beside the catalog's file; then folds the log. Prints a Markdown table of medians. The
limit in the same run is what DuckDB itself takes to commit one row to an open file (`fsync` and all).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb

import warehouse.generation
from warehouse.catalog import transaction
from warehouse.generation import current, fold
from warehouse.layout import DataRoot

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RUN = {"dataset": "sums", "flow": "distill", "started_at": NOW, "state": "running", "recipe": {"x": "y" * 1000}}


def median_ms(act: Callable[[int], object], times: int) -> float:
    taken = []
    for number in range(times):
        started = time.perf_counter()
        act(number)
        taken.append(time.perf_counter() - started)
    return 1000 * statistics.median(taken)


def add(root: DataRoot, names: list[str], published: bool) -> None:
    clock = time.time if published else lambda: root.warehouse.stat().st_mtime
    with transaction(root, NOW, publish="now" if published else "soon", clock=clock) as catalog:
        catalog.insert("run", [{**RUN, "run_id": name} for name in names])


def commit_ms(root: DataRoot, name: str, times: int, published: bool) -> float:
    return median_ms(lambda number: add(root, [f"{name} {number}"], published), times)


def log_bytes(root: DataRoot) -> int:
    log = Path(f"{current(root)}.wal")
    return log.stat().st_size if log.exists() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=21)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = DataRoot(Path(folder) / "data")
        add(root, [f"before {n}" for n in range(options.runs)], published=True)
        warehouse.generation.FOLD_BYTES = 1
        fold(root, NOW)
        warehouse.generation.FOLD_BYTES = 1 << 40
        with duckdb.connect(str(Path(folder) / "bare.duckdb")) as bare:
            bare.execute("create table run (name text)")
            limit = median_ms(lambda n: bare.execute("insert into run values (?)", [str(n)]), options.times)
        print(f"DuckDB {duckdb.__version__}, catalog of {current(root).stat().st_size / 2**20:.1f} MiB")
        print(f"bare commit to an open file: {limit:.1f} ms\n")
        print("| log, KiB | commit, ms | commit and publication, ms |\n|---|---|---|")
        for size in (0, 256, 1024, 4096, 16384):
            while log_bytes(root) < size * 1024:
                add(root, [f"filling {size} {log_bytes(root)} {n}" for n in range(200)], published=False)
            at = log_bytes(root) // 1024
            commit = commit_ms(root, f"unpublished {size}", options.times, published=False)
            both = commit_ms(root, f"published {size}", options.times, published=True)
            print(f"| {at} | {commit:.0f} | {both:.0f} |")
        warehouse.generation.FOLD_BYTES = 1
        print(f"\nfolding the last: {median_ms(lambda _: fold(root, NOW), 1):.0f} ms")


if __name__ == "__main__":
    main()
