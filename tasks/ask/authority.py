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
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from tasks.ask.exchange import UNKNOWN, Charging, Counters, Grant, Limits, Report, RunTerms, Stop
from tasks.ask.keeping import Keeping, on_this_node
from tasks.ask.lease import AuthorityLost
from tasks.ask.metrics import read_queue
from tasks.ask.quota import Pool, Snapshot
from tasks.ask.shared_root import check_seen
from tasks.ask.spend import Amount, RunBudget, Standing
from tasks.ask.spend_authority import SpendAuthority, was_restarted
from warehouse.errors import Busy, RunFailed
from warehouse.layout import DataRoot
from warehouse.locks import hold
from warehouse.records import content_id

Account = tuple[str, str]
LOCK_WAIT_S = 10.0
"""For an authority of a run that has just ended to go away."""
IDLE_S = 120.0
"""An authority that nobody has spoken to for so long lets another Ray hand out its quota."""
NOTE_S = 1.0
"""Between two notes of what was learned, and between two looks at a server's own metrics."""
TRIES, TRY_AGAIN_S = 5, 1.0
"""To reach an authority that its last user may be closing at this moment, or that restarts."""


class QuotaAuthority:
    """One account's pool. Its lock in the data root keeps a second Ray cluster from handing out the same
    quota; what it has learned is noted there every second, so that one that was killed goes on."""

    def __init__(
        self,
        root: DataRoot,
        account: Account,
        limits: Limits,
        charging: Charging = UNKNOWN,
        lock_wait_s: float = LOCK_WAIT_S,
        is_restart: bool | None = None,
    ) -> None:
        check_seen(root)
        self._lock_wait_s = lock_wait_s
        self._pool = Pool(limits, time.monotonic(), random.Random(), charging)
        self._root, self._account = root, account
        self._name = f"quota-{content_id(*account)}"
        self._lock = ExitStack()
        self._is_locked = False
        self._watching: tuple[asyncio.Task[None], ...] = ()
        restarted = was_restarted() if is_restart is None else is_restart
        if restarted and self._notes.exists():
            self._pool.restore(orjson.loads(self._notes.read_bytes()), time.monotonic())
            self._take_lock()

    @property
    def _notes(self) -> Path:
        return self._root.locks / f"{self._name}.json"

    async def open_run(self, terms: RunTerms, limits: Limits, charging: Charging = UNKNOWN) -> str | None:
        """Let a run ask; returns who else hands out this quota, or counts it otherwise, if somebody does."""
        if not self._is_locked:
            try:
                self._take_lock()
            except Busy as error:
                return str(error)
        if clash := self._pool.clash(charging, time.monotonic()):
            return f"account '{self._account[0]}', pool '{self._account[1]}': {clash}"
        self._pool.open_run(terms, limits, time.monotonic())
        self._note()
        self._watch()
        return None

    async def exchange(self, report: Report) -> Grant:
        if not self._is_locked:
            return Grant(stop=Stop(f"the run was silent for {IDLE_S:g} s: run again", failed=True))
        self._watch()
        held_until = self._pool.hold_until
        grant = self._pool.exchange(report, time.monotonic())
        if report.leaving or grant.stop or self._pool.hold_until > held_until:
            self._note()  # a restart in the next second would forget it
        return grant

    async def stop_run(self, run_id: str, reason: str) -> None:
        self._pool.stop_run(run_id, reason)
        if self._is_locked:
            self._note()

    async def snapshot(self, run_id: str) -> Snapshot:
        return self._pool.snapshot(run_id, time.monotonic())

    async def close_run(self, run_id: str) -> bool:
        is_last = self._pool.close_run(run_id, time.monotonic())
        if self._is_locked and is_last:  # else the notes are another's
            self._notes.unlink(missing_ok=True)
        elif self._is_locked:
            self._note()
        return is_last

    def _take_lock(self) -> None:
        purpose = f"quota of account '{self._account[0]}', pool '{self._account[1]}'"
        self._lock.enter_context(hold(self._root, self._name, purpose, datetime.now(UTC), self._lock_wait_s))
        self._is_locked = True

    def _note(self) -> None:
        """A full disk keeps the last note: it ends the run by itself, because nothing can be journaled."""
        fresh = self._notes.with_suffix(".new")
        with suppress(OSError):
            fresh.write_bytes(orjson.dumps(self._pool.state(time.monotonic())))
            fresh.replace(self._notes)

    def _watch(self) -> None:
        """Begin what goes on beside the exchanges; a restarted actor has no event loop before its first call."""
        if not self._watching:
            works = [self._note_every_second(), self._release_when_idle()]
            if self._pool.charging.metrics_url:
                works.append(self._look_at_the_queue(self._pool.charging.metrics_url))
            self._watching = tuple(asyncio.create_task(work) for work in works)

    async def _note_every_second(self) -> None:
        while self._is_locked:
            await asyncio.sleep(NOTE_S)
            self._note()

    async def _look_at_the_queue(self, url: str) -> None:
        """Follow the server's own count of waiting requests; one without such a page is left alone."""
        async with httpx.AsyncClient(timeout=NOTE_S, trust_env=False) as client:
            while self._is_locked and (queue := await read_queue(client, url)):
                self._pool.note_queue(*queue, time.monotonic())
                await asyncio.sleep(NOTE_S)

    async def _release_when_idle(self) -> None:
        """Give the lock up when every run has died without a word: on a shared Ray this actor outlives
        them."""
        while time.monotonic() - self._pool.seen < IDLE_S:
            await asyncio.sleep(IDLE_S / 10)
        self._is_locked, self._watching = False, ()
        self._notes.unlink(missing_ok=True)
        self._lock.close()


def exchange_with(authority: Any) -> Callable[[Any], Awaitable[Any]]:
    """The exchange of a Ray actor, as a plain function; a dead actor is an `AuthorityLost`."""

    async def exchange(report: Any) -> Any:
        try:
            return await authority.exchange.remote(report)
        except RayError as error:
            said = error.cause if isinstance(error, RayTaskError) else error
            raise AuthorityLost(str(said).splitlines()[0]) from error

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
    dry: frozenset[str] = frozenset()
    """Segments of the workers whose batch is as good as sent."""


@dataclass(frozen=True)
class Authorities:
    """Handles to what one run asks through."""

    run_id: str
    quota: Mapping[Account, Any]
    spend: Any
    keeping: Keeping
    """Of the journals of workers on nodes that do not see the data root."""

    async def stop(self, reason: str) -> None:
        """Have every worker of the run send nothing more, within one exchange (at most 0.4 s)."""
        await asyncio.gather(*(pool.stop_run.remote(self.run_id, reason) for pool in self.quota.values()))

    async def progress(self) -> Progress:
        """The run's counters over all its pools."""
        pools = await asyncio.gather(*(pool.snapshot.remote(self.run_id) for pool in self.quota.values()))
        standings = await self.spend.snapshot.remote(self.run_id)
        stops = [pool.stop for pool in pools if pool.stop]
        return Progress(
            counters=sum((pool.counters for pool in pools), Counters()),
            held_s=max((pool.held_s for pool in pools), default=0.0),
            spent=standings[0].spent,
            stop=stops[0] if stops else None,
            standings=standings,
            pools={account: pool.counters for account, pool in zip(self.quota, pools, strict=True)},
            dry=frozenset().union(*(pool.dry for pool in pools)),
        )

    async def close(self) -> None:
        """End the run; authorities that nobody uses any more are ended too.

        Raises: RayError: one of them cannot be reached; the others are closed.
        """
        problem: RayError | None = None
        for authority in (*self.quota.values(), self.spend):
            try:
                await _close(authority, self.run_id)
            except RayError as error:
                problem = error
        if problem:
            raise problem


async def open_authorities(
    root: DataRoot,
    run_id: str,
    pools: Mapping[Account, tuple[RunTerms, Limits, Charging]],
    budget: RunBudget,
) -> Authorities:
    """Find or start the authorities that a run needs, and open it with each.

    Raises: Busy: another Ray cluster hands out one of these quotas, or spends, on this data root, or another run counts
    a quota by another rule; the message names it. RunFailed: an authority does not start.
    """
    root = replace(root, path=root.path.resolve())
    quota = {account: _open_pool(root, account, *pools[account]) for account in pools}
    spend = _open(root, "spend", SpendAuthority, (root,), lambda actor: actor.open_run.remote(budget), run_id)
    opened = await asyncio.gather(*quota.values(), spend, return_exceptions=True)
    problems = [one for one in opened if isinstance(one, BaseException)]
    if problems:
        for actor in (one for one in opened if not isinstance(one, BaseException)):
            await _close(actor, run_id)  # else it would wait for a run that never was
        raise problems[0]
    return Authorities(run_id, dict(zip(quota, opened[:-1], strict=True)), opened[-1], Keeping(root))


async def _close(actor: Any, run_id: str) -> None:
    """End a run with an authority, and the authority with its last run."""
    if await actor.close_run.remote(run_id):
        ray.kill(actor)


async def _open_pool(root: DataRoot, account: Account, terms: RunTerms, limits: Limits, charging: Charging) -> Any:
    name, arguments = f"quota-{content_id(*account)}", (root, account, limits, charging)

    def opening(actor: Any) -> Awaitable[str | None]:
        opened: Awaitable[str | None] = actor.open_run.remote(terms, limits, charging)
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
                scheduling_strategy=on_this_node(soft=True),  # where it sees the data root
                max_restarts=-1,  # each goes on from its notes, and grants nothing before it knows what is out
            )
            .remote(*arguments)
        )
        try:
            busy = await opening(actor)
        except RayActorError as error:
            problem = error
            await asyncio.sleep(TRY_AGAIN_S)
            continue
        if busy:
            await _close(actor, run_id)
            raise Busy(busy)
        return actor
    raise RunFailed(f"the authority '{name}' does not start: {str(problem).splitlines()[0]}; see the logs of Ray")
