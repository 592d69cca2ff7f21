"""Ask in batches: each is one Prefect task run that waits for one Ray worker and commits what it brings back.

Prefect stays in the flow's process; Ray workers know nothing of it. Ray's own retries are off, because they
would buy a killed worker's batch again: what it had received is in its journal, and only the rest is asked.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import ray
from prefect import task
from prefect.cache_policies import NO_CACHE
from ray.exceptions import RayError, RayTaskError

from tasks.ask.adopt import WAIT_S, adopt_segment, commit
from tasks.ask.authority import Account, Authorities, Progress, open_authorities
from tasks.ask.batch_files import BatchFile
from tasks.ask.call import BatchDone, TeacherCall, WorkerDone, check_calls, run_budget
from tasks.ask.convert import what_came
from tasks.ask.exchange import Charging, Limits, RunTerms, lowest
from tasks.ask.journal import SUFFIX
from tasks.ask.lengths import Lengths
from tasks.ask.measured import CapBook
from tasks.ask.segment import BEST_FIRST
from tasks.ask.spend import Amount, Ceiling
from tasks.ask.submissions import root_id
from tasks.ask.turns import Turn, Turns
from tasks.ask.worker import AUTHORITY_GONE_S, ask_rows
from warehouse.errors import RunFailed, StillhouseError
from warehouse.layout import DataRoot
from warehouse.records import AttemptState, DataFile

WORKER_CPUS = 0.1
"""A worker mostly waits; a core holds ten."""
LIVES = 3
"""Workers that may die over one batch (killed, out of memory, a lost node) before the run ends."""
POLL_S = 0.5
"""Between two looks at the run's counters."""
COMMIT_S = 60.0
"""For a stopped batch to be converted and committed, after its drain."""

Now = Callable[[], datetime]
OnBatch = Callable[[BatchDone], Awaitable[frozenset[str]]]


async def ask_all(
    root: DataRoot,
    batches: Sequence[BatchFile],
    calls: Mapping[str, TeacherCall],
    ceiling: Ceiling,
    workers: int,
    now: Now,
    on_progress: Callable[[Progress], Awaitable[None]] | None = None,
    caps: CapBook | None = None,
    on_batch: OnBatch | None = None,
) -> tuple[BatchDone, ...]:
    """Ask for every batch, in order, at most `workers` at a time; returns those that were asked.

    Args:
        calls: by teacher name; all of one run.
        ceiling: over everything ever billed for the dataset.
        on_progress: called every 0.5 s, and once at the end.
        on_batch: called with each batch that has ended; the teachers that it names get no further ones.
        caps: what is known of the answers' lengths, which grows with each batch; None: every row's cap is the plan's.

    Raises:
        BadInput: a dollar ceiling, of the recipe or of an account, on a teacher without a price; two charge rules in
            one pool.
        Busy: another Ray cluster asks through one of these accounts, or spends, on this data root.
        RunFailed: a teacher cannot go on; everything received is committed.
        asyncio.CancelledError: as given, after the workers have drained and what came back is committed.
    """
    check_calls(ceiling, calls.values())
    if not batches:
        return ()
    call = next(iter(calls.values()))
    root_id(root, uuid4().hex)  # by which workers know the journal as the run's
    budget = run_budget(call.run_id, call.dataset, ceiling, calls.values())
    authorities = await open_authorities(root, call.run_id, pools_of(calls.values()), budget)
    lanes = {account: Turns(workers) for account in authorities.quota}
    watching = asyncio.create_task(_watch(authorities, lanes.values(), on_progress))
    try:
        done = await _ask_in_turn(batches, calls, authorities, lanes, now, caps, on_batch)
        if watching.done():
            watching.result()
        return done
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await authorities.keeping.close()
        await _close(authorities, on_progress)


def pools_of(calls: Iterable[TeacherCall]) -> dict[Account, tuple[RunTerms, Limits, Charging]]:
    """What each account's pool must know; where teachers of one account differ, the lowest limits hold."""
    pools: dict[Account, tuple[RunTerms, Limits, Charging]] = {}
    for call in calls:
        limits = pools[call.account][1] if call.account in pools else call.limits
        pools[call.account] = (call.run_terms, lowest(limits, call.limits), call.charging)
    return pools


async def stop_asking(authorities: Authorities, reason: str) -> None:
    """Have every worker of the run stop sending within 0.4 s, drain for its stated time, and return."""
    await authorities.stop(reason)


@task(name="ask", task_run_name="ask {batch.name}", cache_policy=NO_CACHE)
async def ask_batch(batch: BatchFile, call: TeacherCall, authorities: Authorities, turn: Turn, now: Now) -> BatchDone:
    """Ask for one batch and commit what comes back; then its journal segment and its file are deleted.

    Cancelled, it stops the run's workers, waits for them to drain, commits, and lets the cancellation
    through.

    Raises:
        RunFailed: the teacher cannot go on, or three workers died over this batch.
    """
    return await _ask_and_commit(batch, call, authorities, turn, now)


async def _ask_in_turn(
    batches: Sequence[BatchFile],
    calls: Mapping[str, TeacherCall],
    authorities: Authorities,
    lanes: Mapping[Account, Turns],
    now: Now,
    caps: CapBook | None = None,
    on_batch: OnBatch | None = None,
) -> tuple[BatchDone, ...]:
    """Every account's batches in their order, beside one another: a slow teacher holds no other one up."""
    done: list[BatchDone] = []
    is_over = False
    paused: frozenset[str] = frozenset()

    async def take_turns(mine: Iterator[BatchFile], turns: Turns) -> None:
        nonlocal is_over, paused
        while not is_over:
            async with turns.take() as turn:
                batch = next((each for each in mine if each.teacher not in paused), None)
                if batch is None or is_over:
                    return
                try:
                    call = calls[batch.teacher]
                    call = call if caps is None else replace(call, caps=caps.of(call.teacher.name))
                    finished = await ask_batch(batch, call, authorities, turn, now)
                except BaseException:
                    is_over = True
                    with suppress(RayError):
                        await stop_asking(authorities, "another batch has failed")
                    raise
            done.append(finished)
            if on_batch is not None:
                paused = await on_batch(finished)
            if caps is not None:
                caps.learn(batch.teacher, finished.lengths)
            is_over = is_over or finished.stopped is not None

    takers = []
    for account, turns in lanes.items():
        mine = iter([batch for batch in batches if calls[batch.teacher].account == account])
        takers += [take_turns(mine, turns) for _ in range(turns.takers)]
    results = await asyncio.gather(*takers, return_exceptions=True)
    for problem in results:
        if problem is not None:
            raise problem
    return tuple(done)


@dataclass
class _Tally:
    """One batch over the lives of its workers."""

    states: dict[str, AttemptState] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    files: list[DataFile] = field(default_factory=list)
    spent: Amount = Amount()
    lengths: dict[str, Lengths] = field(default_factory=dict)

    def add(self, done: WorkerDone) -> None:
        for key, state in done.states.items():
            self.states[key] = min(self.states.get(key, state), state, key=BEST_FIRST.index)
        self.settled |= done.settled
        self.files += done.files
        self.spent += done.spent
        for name, found in done.lengths.items():
            self.lengths.setdefault(name, Lengths()).join(found)

    def done(self, batch: BatchFile, last: WorkerDone) -> BatchDone:
        states = list(self.states.values())
        return BatchDone(
            name=batch.name,
            answered=states.count("paid"),
            failed=states.count("failed"),
            maybe_paid=states.count("maybe_paid"),
            not_asked=batch.rows - len(states),
            over_budget=last.over_budget,
            tokens=self.spent.tokens,
            usd=self.spent.usd,
            files=tuple(self.files),
            stopped=last.stopped,
            lengths=self.lengths,
        )


async def _ask_and_commit(
    batch: BatchFile, call: TeacherCall, authorities: Authorities, turn: Turn, now: Now
) -> BatchDone:
    tally = _Tally()
    for _ in range(LIVES):
        done, is_dead = await _one_life(batch, call, authorities, frozenset(tally.settled), turn, now)
        tally.add(done)
        if not is_dead:
            break
    else:
        raise RunFailed(f"batch {batch.name}: {LIVES} workers died over it ({done.failure}); see the logs of Ray")
    Path(batch.path).unlink(missing_ok=True)
    if done.failure:
        raise RunFailed(done.failure)
    return tally.done(batch, done)


async def _one_life(
    batch: BatchFile, call: TeacherCall, authorities: Authorities, skip: frozenset[str], turn: Turn, now: Now
) -> tuple[WorkerDone, bool]:
    """Run one worker over what is left of a batch and commit its segment; True if the worker died."""
    segment_id = turn.segment_id = uuid4().hex
    root = call.data_root
    worker = ray.remote(num_cpus=WORKER_CPUS, max_retries=0)(ask_rows)
    keeping = authorities.keeping
    given = (batch.path, call, segment_id, authorities.quota[call.account], authorities.spend, skip)
    work = worker.remote(*given, keeping.actors)
    try:
        done: WorkerDone | None = await work
        if done is None:  # its node does not see the data root
            work = worker.remote(*given, keeping.start())
            done = await work
        assert done is not None, "a worker that has a keeper asks"
        await asyncio.to_thread(_keep, root, done, now())
    except asyncio.CancelledError:
        await _drain(work, call, authorities, now)
        raise
    except RayTaskError as error:
        if isinstance(error.cause, StillhouseError):
            raise type(error.cause)(*error.cause.args) from None
        raise
    except RayError as error:
        await keeping.give_up(segment_id)
        done = await asyncio.to_thread(_rescue, root, call.dataset, segment_id, str(error).splitlines()[0], now)
        with suppress(RayError):  # one that restarts at this moment counts what has just been committed
            await authorities.spend.close_worker.remote(call.run_id, segment_id, done.spent)
        return done, True
    return done, False


async def _drain(
    work: "ray.ObjectRef[WorkerDone | None]", call: TeacherCall, authorities: Authorities, now: Now
) -> None:
    """Stop a cancelled run's workers, wait for this one to drain, and commit what came back.

    Nothing here is a task of its own: an event loop that ends cancels every task once, and then waits for
    each.
    """
    try:
        await stop_asking(authorities, "the run was cancelled")
        done = await asyncio.wait_for(asyncio.wrap_future(work.future()), call.drain_s + COMMIT_S)
    except (RayError, TimeoutError):
        return  # its journal has everything, and the next run takes it up
    if done is not None:
        _keep(call.data_root, done, now())  # it may be half done on a thread; a second time changes nothing


def _keep(root: DataRoot, done: WorkerDone, now: datetime) -> None:
    """Commit what a worker brought back; only then its segment may go."""
    commit(root, done.segment_id, done.files, now)
    done.segment.unlink(missing_ok=True)


def _rescue(root: DataRoot, dataset: str, segment_id: str, why: str, now: Now) -> WorkerDone:
    """Take up the segment of a worker that has died.

    Raises: RunFailed: the worker lives on somewhere (a node that was cut off) and holds it: asking again
    could buy twice.
    """
    path = root.journal / dataset / f"{segment_id}{SUFFIX}"
    deadline = time.monotonic() + WAIT_S
    while path.exists():
        taken = adopt_segment(root, path, now())
        if taken is not None:
            return replace(what_came(path, *taken), failure=why)
        if time.monotonic() >= deadline:
            raise RunFailed(f"a worker was lost ({why}) and still holds {path}: stop its node, and run again")
        time.sleep(0.1)
    return WorkerDone(path, segment_id, (), {}, Amount(), failure=why)


async def _watch(
    authorities: Authorities,
    lanes: Collection[Turns],
    on_progress: Callable[[Progress], Awaitable[None]] | None,
) -> None:
    """Let the next batch begin where one runs dry, and say how far the run is. An authority may be away for as long
    as a restart takes."""
    heard_at = time.monotonic()
    while True:
        try:
            progress = await authorities.progress()
        except RayError:
            if time.monotonic() - heard_at > AUTHORITY_GONE_S:
                raise
        else:
            heard_at = time.monotonic()
            for turns in lanes:
                turns.make_room(progress.dry)
            if on_progress is not None:
                await on_progress(progress)
        await asyncio.sleep(POLL_S)


async def _close(authorities: Authorities, on_progress: Callable[[Progress], Awaitable[None]] | None) -> None:
    """Say the last counters, and end the run with its authorities; one that restarts is waited for."""
    deadline = time.monotonic() + AUTHORITY_GONE_S
    while True:
        try:
            if on_progress is not None:
                await on_progress(await authorities.progress())
            return await authorities.close()
        except RayError as error:
            if time.monotonic() >= deadline or isinstance(error, RayTaskError):
                raise RunFailed(f"an authority has gone: {str(error).splitlines()[0]}; run again") from error
        await asyncio.sleep(POLL_S)
