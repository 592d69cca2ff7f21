"""What measured caps gain on a provider that reserves max_tokens, and what they do to the lengths of the data.

By the simulated teacher, which charges max(max_tokens, characters / 4) when a request arrives. The same questions are
asked with the recipe's max_tokens, and then with the caps that follow from those lengths, once drawing again and once
going on with what they cut off. Every answer's length is drawn per attempt, by a seed.

    python bench/ask/caps.py --rows 300 --seed 2026
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from ground import local_ray, machine  # sets the switches that others read when they are imported

# isort: split
import pyarrow.parquet as pq
from asking import batch_file, call_of, rows_of, teacher_at
from simulated import SimulatedTeacher

from tasks.ask.authority import Progress
from tasks.ask.batch import ask_all
from tasks.ask.call import BatchDone
from tasks.ask.lengths import Lengths
from tasks.ask.measured import CapBook
from tasks.ask.spend import Ceiling
from warehouse.layout import DataRoot

LENGTHS = {
    "even, 0 to 400": {"filler_tokens": 200, "filler_distribution": "uniform"},
    "exponential, 200": {"filler_tokens": 200, "filler_distribution": "exp"},
}
NAME = "simulated"


@dataclass(frozen=True)
class Measured:
    rows_per_minute: float
    cap: int
    asked_again: int
    mean_tokens: float
    lengths: Mapping[str, Lengths]


async def measure(
    root: DataRoot, server: SimulatedTeacher, options: argparse.Namespace, known: Mapping[str, Lengths], goes_on: bool
) -> Measured:
    server.reset()
    server.switch(continues="continue_final_message" if goes_on else "none")
    book = CapBook(options.max_tokens, {NAME: dict(known)})
    teacher = teacher_at(server.base_url, tokens_per_minute=options.tpm, charge="max_of")
    if goes_on:
        teacher = teacher.model_copy(update={"continues": "continue_final_message"})
    call = call_of(root, teacher, root.path.name)
    began: list[float] = []

    async def see(progress: Progress) -> None:
        if progress.counters.sent and not began:
            began.append(time.monotonic())

    batches = [
        batch_file(root.scratch(root.path.name), f"sums-{start:04}", _rows(start, options))
        for start in range(0, options.rows, options.batch_rows)
    ]
    caps = book if known else None
    cap = book.of(NAME).get("c", options.max_tokens)
    done = await ask_all(root, batches, {NAME: call}, Ceiling(), options.workers, lambda: datetime.now(UTC), see, caps)
    seconds = time.monotonic() - began[0]
    answered = sum(batch.answered for batch in done)
    assert answered == options.rows, f"{answered} of {options.rows} rows"
    again = server.referee()["answered"] - answered
    return Measured(60 * answered / seconds, cap, again, _mean(root, done), _joined(done))


def _rows(start: int, options: argparse.Namespace) -> list[dict[str, object]]:
    rows = rows_of(min(options.batch_rows, options.rows - start), start, options.max_tokens)
    return [{**row, "most_tokens": options.max_tokens, "prompt_class": "c"} for row in rows]


def _mean(root: DataRoot, done: Sequence[BatchDone]) -> float:
    """Of the data: the last trace of each sample."""
    last: dict[str, tuple[object, int]] = {}
    for file in (file for batch in done for file in batch.files if file.kind == "traces"):
        for row in pq.read_table(root.path / file.path).to_pylist():
            key, at = row["request_key"], row["received_at"]
            last[key] = max(last.get(key, (at, 0)), (at, row["completion_tokens"]))
    return fmean(tokens for _, tokens in last.values())


def _joined(done: Sequence[BatchDone]) -> dict[str, Lengths]:
    found: dict[str, Lengths] = {}
    for name, lengths in (pair for batch in done for pair in batch.lengths.items()):
        found.setdefault(name, Lengths()).join(lengths)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--batch-rows", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--max-tokens", type=int, default=4096)
    parser.add_argument("--tpm", type=int, default=4 * 60 * 4096, help="4 rows a second with the default max_tokens")
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    print(f"{machine()}; max_tokens {options.max_tokens}, {options.tpm:,} tokens/min\n")
    print("| lengths | caps | first cap | rows/min | against flat | asked again | mean tokens | shift |")
    print("|---|---|---:|---:|---:|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as folder, local_ray():
        for number, (lengths, switches) in enumerate(LENGTHS.items()):
            server = SimulatedTeacher(
                seed=options.seed, tpm=options.tpm, latency=0.5, filler_drawn_per="attempt", **switches
            )
            with server:
                flat: Measured | None = None
                for name, goes_on in (("off", False), ("measured, drawn again", False), ("measured, continued", True)):
                    root = DataRoot(Path(folder) / f"l{number}-{name.replace(', ', '-').replace(' ', '-')}").create()
                    known = flat.lengths if flat else {}
                    found = asyncio.run(measure(root, server, options, known, goes_on))
                    flat = flat or found
                    print(
                        f"| {lengths} | {name} | {found.cap} | {found.rows_per_minute:.0f} |"
                        f" {found.rows_per_minute / flat.rows_per_minute:.1f} | {found.asked_again} |"
                        f" {found.mean_tokens:.0f} | {found.mean_tokens / flat.mean_tokens - 1:+.1%} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
