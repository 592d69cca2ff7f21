"""One batch on one Ray worker: ask for every row over one asyncio loop, journal everything, convert the
journal.

An intent is durable before its request is sent, and a raw response before anybody looks at it. Needs neither
Prefect nor the catalog, so a Ray worker starts quickly and a cluster's nodes need only the installed
project.
"""

import asyncio
import heapq
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from tasks.ask.authority import exchange_with
from tasks.ask.call import TeacherCall, WorkerDone
from tasks.ask.client import TROUBLE, Lost, transport_to, what_was_lost
from tasks.ask.exchange import Failure, Stop
from tasks.ask.journal import SUFFIX, Journal, blotted, microseconds, redacted
from tasks.ask.keeping import Actors
from tasks.ask.lease import CALM_S, EXCHANGE_S, AuthorityLost, Lease, Permit
from tasks.ask.longer import ask_longer, is_last
from tasks.ask.loop import run_loop
from tasks.ask.outcomes import RULES, backoff, tried_again
from tasks.ask.place import Here, Place, find_place
from tasks.ask.post import Received, post
from tasks.ask.reply import Reply, read_reply
from tasks.ask.rows import Row, read_rows
from tasks.ask.segment import SegmentHeader, time_of
from tasks.ask.spend import Amount
from warehouse.records import content_id

AUTHORITY_TIMEOUT_S = 5.0
"""An exchange that takes longer has failed, and is made again."""
AUTHORITY_GONE_S = 30.0
"""A worker that reaches no authority for so long stops, as if it had been told to; a restart takes about two."""
Exchange = Callable[[Any], Awaitable[Any]]


def ask_rows(
    path: str,
    call: TeacherCall,
    segment_id: str,
    quota: Any,
    spend: Any,
    skip: frozenset[str],
    keeper: Actors | None,
) -> WorkerDone | None:
    """Ask for every row of a batch file but `skip`; returns when each has an end.

    What Ray runs, with the handles of two authorities, and of a keeper if there is one; it runs its own event loop.
    None: nothing was asked, because this node does not see the data root and there is no keeper yet.

    Raises: RunFailed: the disk takes nothing, or the keeper has gone.
    """
    place = find_place(call.data_root, path, keeper)
    if place is None:
        return None
    return run_loop(_ask_file(path, call, segment_id, exchange_with(quota), exchange_with(spend), skip, place))


async def _ask_file(
    path: str,
    call: TeacherCall,
    segment_id: str,
    quota: Exchange,
    spend: Exchange,
    skip: frozenset[str],
    place: Place,
) -> WorkerDone:
    rows = read_rows(await place.batch(path), call, skip)
    return await ask_batch_rows(rows, Path(path).stem, call, segment_id, quota, spend, transport_to(call), place)


async def ask_batch_rows(
    rows: Iterable[Row],
    batch: str,
    call: TeacherCall,
    segment_id: str,
    quota: Exchange,
    spend: Exchange,
    transport: httpx.AsyncBaseTransport,
    place: Place | None = None,
) -> WorkerDone:
    """Journal, ask, and convert one batch; in the data root of this node if no other place is given."""
    place = place or Here(call.data_root)
    header = SegmentHeader.of(call, batch, segment_id)
    journal = await place.journal(call.data_root.journal / call.dataset / f"{segment_id}{SUFFIX}", header)
    exchanges, account = (_bounded(quota), _bounded(spend)), call.teacher.account
    lease = Lease(segment_id, call.run_id, call.label, *exchanges, time.monotonic, call.charging, account)
    asking = Asking(call, journal, lease, transport, random.Random(segment_id))
    try:
        async with transport:
            await asking.run(rows)
    finally:
        await journal.close()
    return await _hand_over(asking, await place.convert(journal.path, header))


async def _hand_over(asking: "Asking", done: WorkerDone) -> WorkerDone:
    """Settle with the authorities, and say how the batch ended."""
    stop = asking.lease.stop
    if not asking.lost_authority:
        with suppress(AuthorityLost):
            await asking.lease.leave(done.spent)
    return replace(
        done,
        segment=asking.journal.path,
        over_budget=asking.over_budget,
        failure=stop.reason if stop and stop.failed else None,
        stopped=stop.reason if stop and not stop.failed else None,
    )


class Asking:
    """The event loop's work on one batch."""

    def __init__(
        self, call: TeacherCall, journal: Journal, lease: Lease, transport: httpx.AsyncBaseTransport, rng: random.Random
    ) -> None:
        self.call, self.journal, self.lease = call, journal, lease
        self.over_budget = 0
        self.lost_authority = False
        self._transport, self._rng = transport, rng
        self._segment_id = journal.path.stem
        self._numbers = 0
        self._requests: set[asyncio.Task[None]] = set()
        self._backing_off: list[tuple[float, int, Row]] = []
        self._wake, self._urgent = asyncio.Event(), asyncio.Event()
        self._problem: BaseException | None = None

    async def run(self, rows: Iterable[Row]) -> None:
        """Ask for every row, until each has an end, the run is stopped, or the disk is full."""
        self.lease.waiting.extend(rows)
        exchanging = asyncio.create_task(self._exchange_until_done())
        exchanging.add_done_callback(self._over)
        try:
            await self._send_until_done()
            await self._drain()
        finally:
            exchanging.cancel()
            await asyncio.gather(exchanging, *self._requests, return_exceptions=True)
        if self._problem:
            raise self._problem

    @property
    def _done(self) -> bool:
        return self.lease.stop is not None or (self.lease.idle and not self._backing_off)

    async def _send_until_done(self) -> None:
        while not self._done and self._problem is None:
            while permit := self.lease.take():
                self._start(self._ask(permit))
            await self._wait_for_news_or_time()

    async def _wait_for_news_or_time(self) -> None:
        due_s = self.lease.next_take_s()
        timer = asyncio.get_running_loop().call_later(due_s, self._wake.set) if due_s else None
        await self._wake.wait()
        self._wake.clear()
        if timer:
            timer.cancel()

    def _start(self, request: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(request)
        self._requests.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        if not task.cancelled() and (problem := task.exception()):
            self._problem = self._problem or problem
        self._wake.set()

    async def _drain(self) -> None:
        """Wait a stated time for what is in flight; what is left then may have been paid."""
        if self._requests:
            await asyncio.wait(self._requests, timeout=self.call.drain_s)
        for task in self._requests:
            task.cancel()

    async def _exchange_until_done(self) -> None:
        heard_at = time.monotonic()
        while True:
            self._queue_those_due()
            try:
                over_budget = await self.lease.exchange()
            except AuthorityLost as lost:
                self.lease.go_on_alone()
                if time.monotonic() - heard_at > AUTHORITY_GONE_S:
                    self.lost_authority = True
                    self.lease.stop = Stop(
                        f"{self.call.label}: its authority has gone ({lost}); run again", failed=True
                    )
            else:
                heard_at = time.monotonic()
                self.over_budget += len(over_budget)
                self.lease.count(not_asked=len(over_budget))
            self._wake.set()
            if self.lost_authority:
                return
            await self._pause_between_exchanges()

    async def _pause_between_exchanges(self) -> None:
        await self._urgent_or_after(self._rng.uniform(*EXCHANGE_S))
        if not self._urgent.is_set() and self.lease.is_calm:
            await self._urgent_or_after(CALM_S)
        self._urgent.clear()

    async def _urgent_or_after(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._urgent.wait()

    def _queue_those_due(self) -> None:
        now = time.monotonic()
        while self._backing_off and self._backing_off[0][0] <= now:
            self.lease.waiting.append(heapq.heappop(self._backing_off)[2])

    async def _ask(self, permit: Permit) -> None:
        """One request, from its intent to its end."""
        row = permit.row
        self._numbers += 1
        number = self._numbers
        await self.journal.append("sent", self._intent(row, number))
        if wait_s := self.lease.due_in_s(permit):
            await asyncio.sleep(wait_s)
        if not self.lease.may_send(permit):
            await self.journal.append("unsent", {"n": number, "error": None, "at": microseconds()})
            self.lease.give_back(permit)
            return
        began = time.monotonic()
        self.lease.count(sent=1)
        try:
            response = await post(self._transport, self.call, row.request_key, row.body)
        except TROUBLE as trouble:
            await self._note_lost(permit, number, what_was_lost(trouble), time.monotonic() - began)
            return
        except asyncio.CancelledError:  # the drain is over: the intent alone says that it may have been paid
            self.lease.count(maybe_paid=1)
            self.lease.finish(permit, row.worst)
            raise
        await self._note_response(permit, number, response, time.monotonic() - began)

    async def _note_response(self, permit: Permit, number: int, response: Received, latency_s: float) -> None:
        row = permit.row
        headers = redacted(response.headers, self.call.api_key)
        body = blotted(response.body, self.call.api_key)
        at = microseconds()
        fields: dict[str, Any] = {
            "n": number,
            "status": response.status,
            "headers": headers,
            "at": at,
            "latency_s": latency_s,
        }
        broke = response.broke.outcome if response.broke else None
        if broke:
            fields["broke"] = broke
        await self.journal.append("received", fields, body)
        provider = self.call.teacher.provider
        reply = read_reply(response.status, headers, body, time_of(at), provider, broke, row.prefix)
        self.lease.note_reply(permit, reply, latency_s)
        if self.lease.is_urgent:
            self._urgent.set()
        self.lease.finish(permit, reply.cost(row.worst, self.call.rates))
        longer = self._longer(row, number, reply)
        self._count_reply(reply, is_last=longer is None)
        if longer is not None:
            self.lease.waiting.appendleft(longer)
        elif reply.interrupted:
            self.lease.count(maybe_paid=1)
        elif not tried_again(reply.outcome, row.tries + 1, self.lease.storm):
            self.lease.count(failed=0 if RULES[reply.outcome].answer else 1)
        elif RULES[reply.outcome].wait == "hold":
            self.lease.waiting.appendleft(row)
        else:
            self._back_off(row.again(counted=not self.lease.storm))

    def _longer(self, row: Row, number: int, reply: Reply) -> Row | None:
        """The same sample with a higher cap, where this one has cut it off."""
        if is_last(row, reply):
            return None
        usd = reply.usage.cost_usd(self.call.rates) if reply.usage else None
        attempt_id = content_id(self._segment_id, number)
        return ask_longer(row, reply, attempt_id, usd, self.call.teacher.continues, self.call.rates)

    async def _note_lost(self, permit: Permit, number: int, lost: Lost, age_s: float) -> None:
        row = permit.row
        fields = {"n": number, "outcome": lost.outcome, "error": lost.error, "at": microseconds()}
        await self.journal.append("lost" if lost.sent else "unsent", fields)
        self.lease.note_failure(Failure(lost.outcome, age_s, lost.sent, error=lost.error))
        if lost.sent:
            self._urgent.set()  # where a teacher goes away, each moment of not knowing may be paid for
            self.lease.count(maybe_paid=1)
            self.lease.finish(permit, row.worst)
        else:
            self.lease.uncharge(permit)
            self.lease.finish(permit, Amount())
            self._back_off(row.again(counted=True))

    def _back_off(self, row: Row) -> None:
        """Wait without a slot, and without money or permission held."""
        due = time.monotonic() + backoff(row.tries, self._rng)
        self._numbers += 1
        heapq.heappush(self._backing_off, (due, self._numbers, row))

    def _intent(self, row: Row, number: int) -> dict[str, Any]:
        return {
            "n": number,
            "request_key": row.request_key,
            "prompt_id": row.prompt_id,
            "sample_index": row.sample_index,
            "max_tokens": row.max_tokens,
            "worst_tokens": row.worst.tokens,
            "worst_cost_usd": row.worst.usd if self.call.rates else None,
            "at": microseconds(),
            "most_tokens": row.most_tokens,
            "prompt_class": row.prompt_class,
            "resampled": row.resampled,
            "prefix": row.prefix.as_dict() if row.prefix else None,
        }

    def _count_reply(self, reply: Reply, is_last: bool) -> None:
        usage = reply.usage
        self.lease.count(
            answered=1 if is_last and RULES[reply.outcome].answer else 0,
            rate_limited=1 if reply.outcome == "rate_limited" else 0,
            overloaded=1 if reply.outcome == "overloaded" else 0,
            prompt_tokens=usage.prompt if usage else 0,
            completion_tokens=usage.completion if usage else 0,
            usd=(usage.cost_usd(self.call.rates) or 0.0) if usage else 0.0,
        )


def _bounded(exchange: Exchange) -> Exchange:
    async def bounded(report: Any) -> Any:
        try:
            async with asyncio.timeout(AUTHORITY_TIMEOUT_S):
                return await exchange(report)
        except TimeoutError as error:
            raise AuthorityLost(f"no answer for {AUTHORITY_TIMEOUT_S:g} s") from error

    return bounded
