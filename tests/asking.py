"""What the tests of asking share: a teacher's entry, batch files, calls, and authorities in this process."""

import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.ask.batch_files import BATCH, BatchFile
from tasks.ask.billed import count_billed
from tasks.ask.book import Book
from tasks.ask.call import TeacherCall
from tasks.ask.exchange import Grant, Limits, Report
from tasks.ask.quota import Pool
from tasks.ask.spend import AccountCeiling, Amount, Billed, Ceiling, Rates, Reserve, RunBudget, SpendReport
from tasks.right.terms import Price, Quota, RouteTerms, Teacher, WeightsTerms
from warehouse.layout import DataRoot
from warehouse.records import content_id

TODAY = date(2026, 11, 21)
NOTHING = Amount()


def teacher_at(base_url: str, price: Price | None = None, **quota: int) -> Teacher:
    return Teacher(
        name="simulated",
        model="simulated-teacher",
        route="simulated",
        base_url=base_url,
        account="simulated",
        pool="default",
        quota=Quota(**quota),
        price=price,
        expected_models=("simulated-teacher",),
        simulated=True,
        weights=WeightsTerms(weights="simulated", license="Apache-2.0", outputs_trainable="yes"),
        route_terms=RouteTerms(route="simulated", provider="this machine", license=None, outputs_trainable="yes"),
        terms_id="simulated@simulated",
        terms_sha256="0" * 64,
    )


def call_of(root: DataRoot, teacher: Teacher, run_id: str = "run-1", dataset: str = "sums", **more: Any) -> TeacherCall:
    return TeacherCall(teacher, "decision-1", run_id, dataset, root.path, **more)


def rows_of(count: int, start: int = 0, max_tokens: int = 256) -> list[dict[str, Any]]:
    """`count` questions that the simulated teacher can answer, no two the same."""
    return [_row(number, max_tokens) for number in range(start, start + count)]


def _row(number: int, max_tokens: int) -> dict[str, Any]:
    text = f"What is {number} + {number * 7 + 3}?"
    body = {
        "model": "simulated-teacher",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": max_tokens,
    }
    return {
        "request_key": content_id("key", number),
        "prompt_id": content_id("prompt", number),
        "sample_index": 0,
        "body": orjson.dumps(body),
        "prompt_tokens": 16,
        "prompt_tokens_bound": 160,
        "max_tokens": max_tokens,
        "attempt": 0,
    }


def batch_file(folder: Path, name: str, rows: Sequence[dict[str, Any]]) -> BatchFile:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    pq.write_table(pa.Table.from_pylist(list(rows), schema=BATCH), path)
    return BatchFile(name, str(path), len(rows), "simulated", "first")


def batches_of(folder: Path, count: int, rows_each: int, max_tokens: int = 256, start: int = 0) -> list[BatchFile]:
    return [
        batch_file(folder, f"sums-{at:04}", rows_of(rows_each, start + at * rows_each, max_tokens))
        for at in range(count)
    ]


def book_of(ceiling: Ceiling, before: Amount = NOTHING, run_id: str = "run-1", account: str = "") -> Book:
    """A book with one run in it, of the dataset `sums`."""
    book = Book()
    book.rebase(Billed({"sums": before}, {account: before}), (), TODAY)
    book.open_run(RunBudget(run_id, "sums", ceiling, {account: AccountCeiling()}))
    return book


@dataclass
class LocalAuthorities:
    """A pool and a book in this process, with the exchanges that a worker is given."""

    call: TeacherCall
    ceiling: Ceiling = Ceiling()
    spent_before: Amount = Amount()
    limits: Limits | None = None
    clock: Callable[[], float] = time.monotonic
    reports: list[Report] = field(default_factory=list)

    def __post_init__(self) -> None:
        limits = self.limits or self.call.limits
        self.pool = Pool(limits, self.clock(), random.Random(7), self.call.charging)
        self.pool.open_run(self.call.run_terms, limits, self.clock())
        self.book = book_of(self.ceiling, self.spent_before, self.call.run_id, self.call.teacher.account)

    async def quota(self, report: Report) -> Grant:
        self.reports.append(report)
        return self.pool.exchange(report, self.clock())

    async def spend(self, report: SpendReport) -> Reserve:
        return self.book.exchange(report, TODAY)

    @property
    def exchanges(self) -> tuple[Callable[[Any], Awaitable[Any]], Callable[[Any], Awaitable[Any]]]:
        return self.quota, self.spend


def spent_so_far(root: DataRoot, dataset: str, rates: Mapping[str, Rates] | None = None) -> Amount:
    """What a dataset has been billed, over all its runs, with what is out at a provider; the unknown at its worst."""
    return count_billed(root, rates or {}).billed.datasets.get(dataset, Amount())
