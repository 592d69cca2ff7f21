"""The authorities of one data root, as named Ray actors: one per account and pool for its quota, one for
spending.

Thin shells round `Pool` and `Book`. They need no CPU share and never wait, so an exchange takes about a
millisecond. They outlive the run that made them if another one on the same Ray uses them too; the last one
to close ends them.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from tasks.ask.exchange import Counters, Grant, Limits, Report, RunTerms, Stop
from tasks.ask.lease import AuthorityLost
from tasks.ask.quota import Pool
from tasks.ask.spend import Amount, RunBudget, Standing
from tasks.ask.spend_authority import SpendAuthority
from warehouse.errors import Busy, RunFailed
from warehouse.layout import DataRoot
from warehouse.locks import hold
from warehouse.records import content_id

Account = tuple[str, str]
LOCK_WAIT_S = 10.0
"""For an authority of a run that has just ended to go away."""
IDLE_S = 120.0
"""An authority that nobody has spoken to for so long lets another Ray hand out its quota."""
TRIES = 3
"""To reach an authority that its last user may be closing at this moment."""


class QuotaAuthority:
    """One account's pool. Its lock in the data root keeps a second Ray cluster from handing out the same
    quota."""

    def __init__(self, root: DataRoot, account: Account, limits: Limits, lock_wait_s: float = LOCK_WAIT_S) -> None:
        self._lock_wait_s = lock_wait_s
        self._pool = Pool(limits, time.monotonic(), random.Random())
        self._root, self._account = root, account
        self._lock = ExitStack()
        self._is_locked = False
        self._watching: asyncio.Task[None] | None = None

    async def open_run(self, terms: RunTerms, limits: Limits) -> str | None:
        """Let a run ask; returns who else hands out this quota, if somebody does."""
        if not self._is_locked:
            name = f"quota-{content_id(*self._account)}"
            purpose = f"quota of account '{self._account[0]}', pool '{self._account[1]}'"
            try:
                self._lock.enter_context(hold(self._root, name, purpose, datetime.now(UTC), self._lock_wait_s))
            except Busy as error:
                return str(error)
        self._pool.open_run(terms, limits, time.monotonic())
        if not self._is_locked:
            self._is_locked = True
            self._watching = asyncio.create_task(self._release_when_idle())
        return None

    async def exchange(self, report: Report) -> Grant:
        if not self._is_locked:
            return Grant(0, 0, None, stop=Stop(f"the run was silent for {IDLE_S:g} s: run again", failed=True))
        return self._pool.exchange(report, time.monotonic())

    async def _release_when_idle(self) -> None:
        """Give the lock up when every run has died without a word: on a shared Ray this actor outlives
        them."""
        while time.monotonic() - self._pool.seen < IDLE_S:
            await asyncio.sleep(IDLE_S / 10)
        self._lock.close()
        self._is_locked = False

    async def stop_run(self, run_id: str, reason: str) -> None:
        self._pool.stop_run(run_id, reason)

    async def snapshot(self, run_id: str) -> tuple[Counters, float, Stop | None]:
        return self._pool.snapshot(run_id, time.monotonic())

    async def close_run(self, run_id: str) -> bool:
        return self._pool.close_run(run_id, time.monotonic())


def exchange_with(authority: Any) -> Callable[[Any], Awaitable[Any]]:
    """The exchange of a Ray actor, as a plain function; a dead actor is an `AuthorityLost`."""

    async def exchange(report: Any) -> Any:
        try:
            return await authority.exchange.remote(report)
        except RayError as error:
            raise AuthorityLost(str(error).splitlines()[0]) from error

    return exchange


@dataclass(frozen=True)
class Progress:
    """How far a run's asking is."""

    counters: Counters
    held_s: float
    """The longest that a pool pauses from now."""
    spent: Amount
    """Billed over all resumes, with what is unknown at its worst."""
    stop: Stop | None
    standings: tuple[Standing, ...] = ()
    """How far each ceiling that applies has been used; the dataset's is the first."""
    pools: Mapping[Account, Counters] = field(default_factory=dict)


@dataclass(frozen=True)
class Authorities:
    """Handles to what one run asks through."""

    run_id: str
    quota: Mapping[Account, Any]
    spend: Any

    async def stop(self, reason: str) -> None:
        """Have every worker of the run send nothing more, within one exchange (at most 0.2 s)."""
        await asyncio.gather(*(pool.stop_run.remote(self.run_id, reason) for pool in self.quota.values()))

    async def progress(self) -> Progress:
        """The run's counters over all its pools."""
        pools = await asyncio.gather(*(pool.snapshot.remote(self.run_id) for pool in self.quota.values()))
        standings = await self.spend.snapshot.remote(self.run_id)
        stops = [stop for _, _, stop in pools if stop]
        return Progress(
            counters=sum((counters for counters, _, _ in pools), Counters()),
            held_s=max((held for _, held, _ in pools), default=0.0),
            spent=standings[0].spent,
            stop=stops[0] if stops else None,
            standings=standings,
            pools={account: counters for account, (counters, _, _) in zip(self.quota, pools, strict=True)},
        )

    async def close(self) -> None:
        """End the run; authorities that nobody uses any more are ended too."""
        for authority in (*self.quota.values(), self.spend):
            if await authority.close_run.remote(self.run_id):
                ray.kill(authority)


async def open_authorities(
    root: DataRoot,
    run_id: str,
    pools: Mapping[Account, tuple[RunTerms, Limits]],
    budget: RunBudget,
) -> Authorities:
    """Find or start the authorities that a run needs, and open it with each.

    Raises: Busy: another Ray cluster hands out one of these quotas, or spends, on this data root; the message names
    the process. RunFailed: an authority does not start.
    """
    root = replace(root, path=root.path.resolve())
    quota = {account: _open_pool(root, account, *pools[account]) for account in pools}
    spend = _open(root, "spend", SpendAuthority, (root,), lambda actor: actor.open_run.remote(budget), run_id)
    opened = await asyncio.gather(*quota.values(), spend)
    return Authorities(run_id, dict(zip(quota, opened[:-1], strict=True)), opened[-1])


async def _open_pool(root: DataRoot, account: Account, terms: RunTerms, limits: Limits) -> Any:
    name, arguments = f"quota-{content_id(*account)}", (root, account, limits)

    def opening(actor: Any) -> Awaitable[str | None]:
        opened: Awaitable[str | None] = actor.open_run.remote(terms, limits)
        return opened

    return await _open(root, name, QuotaAuthority, arguments, opening, terms.run_id)


async def _open(
    root: DataRoot,
    name: str,
    kind: type,
    arguments: tuple[Any, ...],
    opening: Callable[[Any], Awaitable[str | None]],
    run_id: str,
) -> Any:
    for _ in range(TRIES):
        actor = (
            ray.remote(kind)
            .options(
                name=name,
                namespace=f"stillhouse-{content_id(str(root.path))}",
                get_if_exists=True,
                lifetime="detached",  # a second run on this Ray may go on using it after the first has ended
                num_cpus=0,
                max_restarts=0,  # a new one would not know what is reserved: the run ends, the next adopts
            )
            .remote(*arguments)
        )
        try:
            busy = await opening(actor)
        except RayActorError as error:
            problem = error
            continue
        if busy:
            if await actor.close_run.remote(run_id):
                ray.kill(actor)
            raise Busy(busy)
        return actor
    raise RunFailed(f"the authority '{name}' does not start: {str(problem).splitlines()[0]}; see the logs of Ray")
