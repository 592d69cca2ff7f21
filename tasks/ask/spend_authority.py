"""The spend authority of a data root, as a named Ray actor: a thin shell round `Book`.

There is one for all runs, so that every reservation is checked against every ceiling that applies. Nothing it
knows is lost with it: intents are durable before they are sent, so a new one counts the ledger and the journals,
and first waits for workers of an earlier one to let go of theirs; with no authority, they stop within seconds.

One that is killed in mid-run restarts, counts in the same way, and reserves nothing before every worker that holds a
journal has said what was reserved for it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import ray

from tasks.ask.book import Book
from tasks.ask.shared_root import check_seen
from tasks.ask.spend import AccountCeiling, Amount, Ceiling, Rates, Reserve, RunBudget, SpendReport, Standing
from warehouse.errors import Busy
from warehouse.layout import DataRoot
from warehouse.locks import hold

if TYPE_CHECKING:
    from tasks.ask.billed import Counted
    from tasks.ask.segment import SegmentHeader

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
        is_restart: bool | None = None,
    ) -> None:
        check_seen(root)
        self._root, self._now = root, now
        self._lock_wait_s, self._wait_s = lock_wait_s, wait_s
        self._book = Book()
        self._lock = ExitStack()
        self._watching: asyncio.Task[None] | None = None
        self._counting = asyncio.Lock()
        self._seen = time.monotonic()
        self._recounting: asyncio.Task[None] | None = None
        self._must_recount = (was_restarted() if is_restart is None else is_restart) and self._notes.exists()
        self._lost: str | None = None
        """Why it could not go on after a restart."""
        if self._must_recount:
            for budget in orjson.loads(self._notes.read_bytes()):
                self._book.open_run(_budget(budget))

    @property
    def _notes(self) -> Path:
        return self._root.locks / f"{LOCK}.json"

    async def open_run(self, budget: RunBudget) -> str | None:
        """Let a run spend; returns why not, if somebody is in the way."""
        if recounting := self._recount_once():
            await recounting
        async with self._counting:
            self._seen = time.monotonic()
            return await self._lock_root() or await self._open(budget)

    async def exchange(self, report: SpendReport) -> Reserve:
        """Raises: Busy: after a restart it could not go on; the message says why."""
        self._seen = time.monotonic()
        if self._recount_once():
            self._book.exchange(replace(report, wants=()), self._now().date())
            return Reserve(0, None)
        if self._lost:
            raise Busy(self._lost)
        return self._book.exchange(report, self._now().date())

    async def close_worker(self, run_id: str, worker: str, spent: Amount) -> None:
        self._book.close(worker, spent, self._now().date())

    async def snapshot(self, run_id: str) -> tuple[Standing, ...]:
        """How far each ceiling of a run has been used; its dataset's is the first."""
        self._seen = time.monotonic()
        self._recount_once()
        return self._book.standings(run_id, self._now().date())

    async def close_run(self, run_id: str) -> bool:
        """End a run; True if it was the last, and then somebody else may spend."""
        is_last = self._book.close_run(run_id)
        if self._watching is not None and is_last:
            self._watching.cancel()
            self._unlock()
        elif self._watching is not None:
            self._note()
        return is_last

    def _note(self) -> None:
        fresh = self._notes.with_suffix(".new")
        fresh.write_bytes(orjson.dumps([asdict(budget) for budget in self._book.budgets]))
        fresh.replace(self._notes)

    def _recount_once(self) -> "asyncio.Task[None] | None":
        """After a restart, begin to count what is out; the task for as long as that lasts."""
        if self._must_recount and self._recounting is None:  # an actor has no event loop before its first call
            self._recounting = asyncio.create_task(self._recount())
        return self._recounting if self._must_recount else None

    async def _recount(self) -> None:
        """Count again what every open run has spent; a worker that has not been heard yet is waited for."""
        from tasks.ask.billed import in_the_way

        budgets = self._book.budgets
        rates = {teacher: rate for budget in budgets for teacher, rate in budget.rates.items()}

        def unheard(counted: "Counted") -> "list[SegmentHeader]":
            return [one for budget in budgets for one in in_the_way(counted, budget)]

        async with self._counting:
            self._lost = await self._lock_root() or await self._count(rates, lambda: self._book.heard, unheard)
            self._must_recount = False

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
        from tasks.ask.billed import in_the_way

        def in_way(counted: "Counted") -> "Sequence[SegmentHeader]":
            return in_the_way(counted, budget, self._book.runs)

        problem = await self._count(budget.rates, lambda: self._book.workers, in_way)
        if problem is None:
            self._book.open_run(budget)
            self._note()
        return problem

    async def _count(
        self,
        rates: Mapping[str, Rates],
        known: Callable[[], frozenset[str]],
        in_the_way: "Callable[[Counted], Sequence[SegmentHeader]]",
    ) -> str | None:
        """Begin again from what is written down, once nobody is in the way; returns who still is."""
        from tasks.ask.billed import count_billed  # and with it DuckDB, which workers import this module without

        deadline = time.monotonic() + self._wait_s
        while True:
            self._seen = time.monotonic()
            counted = await asyncio.to_thread(count_billed, self._root, rates, known)
            workers = in_the_way(counted)
            if not workers:
                self._book.rebase(counted.billed, counted.gone | counted.ended, self._now().date())
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
        self._notes.unlink(missing_ok=True)
        self._lock.close()
        self._book, self._watching = Book(), None


def was_restarted() -> bool:
    """Whether this process is an actor that Ray has started again."""
    return ray.is_initialized() and bool(ray.get_runtime_context().was_current_actor_reconstructed)


def _budget(noted: Mapping[str, Any]) -> RunBudget:
    """A run's budget, from its JSON."""
    accounts = {
        name: AccountCeiling(Ceiling(**each["ever"]), Ceiling(**each["daily"]))
        for name, each in noted["accounts"].items()
    }
    rates = {teacher: Rates(**rate) for teacher, rate in noted["rates"].items()}
    return RunBudget(noted["run_id"], noted["dataset"], Ceiling(**noted["ceiling"]), accounts, rates)
