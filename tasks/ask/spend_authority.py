"""The spend authority of a data root, as a named Ray actor: a thin shell round `Book`.

There is one for all runs, so that every reservation is checked against every ceiling that applies. Nothing it
knows is lost with it: intents are durable before they are sent, so a new one counts the ledger and the journals,
and first waits for workers of an earlier one to let go of theirs; with no authority, they stop within seconds.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime

from tasks.ask.book import Book
from tasks.ask.spend import Amount, Reserve, RunBudget, SpendReport, Standing
from warehouse.errors import Busy
from warehouse.layout import DataRoot
from warehouse.locks import hold

LOCK = "spend"
LOCK_WAIT_S = 30.0
"""For the authority of a run that has just ended to go away, or a probe to be answered."""
IDLE_S = 120.0
"""An authority that nobody has spoken to for so long lets another Ray spend."""
WAIT_S = 60.0
"""For the orphaned workers of a lost authority to notice, to drain, and to let go of their journals."""
POLL_S = 0.2


def utc_now() -> datetime:
    return datetime.now(UTC)


class SpendAuthority:
    """Every budget of one data root. Its lock keeps a second Ray cluster from spending beside it."""

    def __init__(
        self,
        root: DataRoot,
        now: Callable[[], datetime] = utc_now,
        lock_wait_s: float = LOCK_WAIT_S,
        wait_s: float = WAIT_S,
    ) -> None:
        self._root, self._now = root, now
        self._lock_wait_s, self._wait_s = lock_wait_s, wait_s
        self._book = Book()
        self._lock = ExitStack()
        self._watching: asyncio.Task[None] | None = None
        self._counting = asyncio.Lock()
        self._seen = time.monotonic()

    async def open_run(self, budget: RunBudget) -> str | None:
        """Let a run spend; returns why not, if somebody is in the way."""
        async with self._counting:
            self._seen = time.monotonic()
            return await self._lock_root() or await self._open(budget)

    async def exchange(self, report: SpendReport) -> Reserve:
        self._seen = time.monotonic()
        return self._book.exchange(report, self._now().date())

    async def close_worker(self, run_id: str, worker: str, spent: Amount) -> None:
        self._book.close(worker, spent, self._now().date())

    async def snapshot(self, run_id: str) -> tuple[Standing, ...]:
        """How far each ceiling of a run has been used; its dataset's is the first."""
        self._seen = time.monotonic()
        return self._book.standings(run_id, self._now().date())

    async def close_run(self, run_id: str) -> bool:
        """End a run; True if it was the last, and then somebody else may spend."""
        is_last = self._book.close_run(run_id)
        if is_last and self._watching is not None:
            self._watching.cancel()
            self._unlock()
        return is_last

    async def _lock_root(self) -> str | None:
        if self._watching is not None:
            return None
        taken = hold(self._root, LOCK, "the budgets", self._now(), self._lock_wait_s)
        try:
            await asyncio.to_thread(self._lock.enter_context, taken)
        except Busy as error:
            return str(error)
        self._watching = asyncio.create_task(self._release_when_idle())
        return None

    async def _open(self, budget: RunBudget) -> str | None:
        from tasks.ask.billed import (
            count_billed,
            in_the_way,
        )  # and with it DuckDB, which workers import this module without

        deadline = time.monotonic() + self._wait_s
        while True:
            self._seen = time.monotonic()
            counted = await asyncio.to_thread(count_billed, self._root, budget.rates, lambda: self._book.workers)
            workers = in_the_way(counted, budget, self._book.runs)
            if not workers:
                self._book.rebase(counted.billed, counted.gone, self._now().date())
                self._book.open_run(budget)
                return None
            if time.monotonic() >= deadline:
                return (
                    f"a worker of run {workers[0].run_id} (dataset {workers[0].dataset}) still asks after "
                    f"{self._wait_s:g} s, and may spend what its ended run had reserved: stop it, and run again"
                )
            await asyncio.sleep(POLL_S)

    async def _release_when_idle(self) -> None:
        """Give the lock up when every run has died without a word: on a shared Ray this actor outlives
        them."""
        while time.monotonic() - self._seen < IDLE_S:
            await asyncio.sleep(IDLE_S / 10)
        self._unlock()

    def _unlock(self) -> None:
        """From here on others may spend, so what is known is out of date: the next run counts again."""
        self._lock.close()
        self._book, self._watching = Book(), None
