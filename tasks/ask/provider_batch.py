"""Ask teachers by their providers' batch APIs, in rounds: the shell round `by_batch.py`.

It runs in the flow's process: a poll a minute needs no worker, and whatever kills the process leaves on disk, and at
the provider, all that the next run needs.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence, Set
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.ask.batch_api import BatchApi
from tasks.ask.batch_files import BatchFile
from tasks.ask.by_batch import ByBatch, Now, Patience, Say
from tasks.ask.call import BatchDone, TeacherCall, check_calls, run_budget
from tasks.ask.client import http_client
from tasks.ask.spend import Ceiling, RunBudget
from tasks.ask.submissions import Submission, submissions
from warehouse.layout import DataRoot

__all__ = ["Patience", "ask_by_batch", "take_up_batches"]


@task(name="ask-by-batch", task_run_name="ask by batch", cache_policy=NO_CACHE)
async def ask_by_batch(
    root: DataRoot,
    batches: Sequence[BatchFile],
    calls: Mapping[str, TeacherCall],
    awaited: Set[Submission],
    ceiling: Ceiling,
    patience: Patience,
    root_id: str,
    now: Now,
    say: Say,
) -> tuple[BatchDone, ...]:
    """Ask for everything in some batch files by their teachers' batch APIs.

    Returns, one a teacher, when each row has an end and what is awaited has ended, or the patience is over.
    About 200 bytes a row are held.

    Cancelled, it leaves what is out where it is: it is paid for, and the next run takes it up.

    Args:
        calls: by teacher name; those of the batch files, which have a batch API (`teacher.batch`), and of `awaited`.
        awaited: submissions of earlier runs that are out and hold what this run wants (`wanted_out`).
        ceiling: over everything ever billed for the dataset; those of the accounts apply too. The worst cost of what
            is out counts.
        root_id: what tells this data root from others on the same account.
        say: told each step, in a few words.

    Raises:
        BadInput: a dollar ceiling, of the recipe or of an account, on a teacher without a price.
        RunFailed: a provider refuses the batches; everything received is committed.
    """
    check_calls(ceiling, calls.values())
    if not calls:
        return ()
    call = next(iter(calls.values()))
    budget = run_budget(call.run_id, call.dataset, ceiling, calls.values())
    async with AsyncExitStack() as clients:
        askings = []
        for name in sorted(calls):
            api = BatchApi(calls[name], await clients.enter_async_context(http_client(calls[name])), random.Random())
            mine = tuple(batch for batch in batches if batch.teacher == name)
            theirs = {out.key for out in awaited if out.header.teacher == name}
            askings.append(ByBatch(root, batch_priced(calls[name]), api, patience, root_id, now, say, mine, theirs))
        return await _in_rounds(askings, budget, patience)


async def _in_rounds(askings: Sequence[ByBatch], budget: RunBudget, patience: Patience) -> tuple[BatchDone, ...]:
    """Submit and collect; what expired, was turned away, or did not fit under the budget goes into the next round, for
    as long as a round brings answers."""
    deadline = time.monotonic() + patience.wait_s
    while True:
        before = sum(asking.tally.answered for asking in askings)
        for asking in askings:  # one after the other: what one reserves, the next must see
            await asking.submit_all(budget)
        out = await _wait(askings, deadline, patience.poll_s)
        if out or all(asking.is_done for asking in askings):
            break
        if sum(asking.tally.answered for asking in askings) == before:
            break
    for asking in askings:
        if not out:
            asking.check_accepted()
    done = tuple(asking.done() for asking in askings)
    for batch in chain.from_iterable(asking.batches for asking in askings):
        Path(batch.path).unlink()
    return done


async def _wait(askings: Sequence[ByBatch], deadline: float, poll_s: float) -> int:
    """Poll until everything is collected or the deadline has passed; returns how many batches are still out."""
    while True:
        out = sum([await asking.collect_ended() for asking in askings])
        left = deadline - time.monotonic()
        if not out or left <= 0:
            return out
        await asyncio.sleep(min(poll_s, left))


@task(name="take-up-batches", task_run_name="take up batches", cache_policy=NO_CACHE)
async def take_up_batches(root: DataRoot, calls: Sequence[TeacherCall], patience: Patience, now: Now, say: Say) -> int:
    """Look once at every batch that is out with these teachers, and commit those that have ended; returns how many
    are still out with anybody.

    A submission that never reached its provider is forgotten; one that did is found again by its key.
    """
    for call in calls:
        async with http_client(call) as client:
            api = BatchApi(call, client, random.Random())
            await ByBatch(root, batch_priced(call), api, patience, "", now, say).take_up()
    return len(submissions(root))


def batch_priced(call: TeacherCall) -> TeacherCall:
    """The same call at the batch's price."""
    return replace(call, teacher=call.teacher.at_batch_price())
