"""The probe's own journal segment: within every ceiling, durable before it is sent, and then in the ledger."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx

from tasks.ask.adopt import adopt_segment
from tasks.ask.billed import count_billed, in_the_way
from tasks.ask.book import Book
from tasks.ask.call import TeacherCall
from tasks.ask.client import what_was_lost
from tasks.ask.journal import SUFFIX, Journal, blotted, microseconds, redacted
from tasks.ask.reply import Reply
from tasks.ask.segment import PREFLIGHT, SegmentHeader
from tasks.ask.spend import Amount, RunBudget, SpendReport
from tasks.ask.spend_authority import LOCK
from warehouse.errors import Busy
from warehouse.locks import hold
from warehouse.records import content_id


class ProbeRecord:
    """What the probes of one teacher cost; a context manager that holds the budgets of the data root meanwhile.

    Raises:
        Busy: a run spends at this moment, so what is left is its authority's to say.
    """

    def __init__(self, call: TeacherCall, budget: RunBudget, now: datetime, wait_s: float) -> None:
        self._call, self._budget, self._now, self._wait_s = call, budget, now, wait_s
        self._segment_id = uuid4().hex
        self._book = Book()
        self._released = self._spent = Amount()
        self._numbers = 0
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        root = self._call.data_root
        async with AsyncExitStack() as opening:
            taken = hold(root, LOCK, f"a probe of {self._call.teacher.name}", self._now, self._wait_s)
            await asyncio.to_thread(opening.enter_context, taken)
            counted = await asyncio.to_thread(count_billed, root, self._budget.rates)
            if workers := in_the_way(counted, self._budget):
                raise Busy(f"a worker of run {workers[0].run_id} still asks: wait for it or stop it")
            self._book.rebase(counted.billed, (), self._now.date())
            self._book.open_run(self._budget)
            header = SegmentHeader.of(self._call, PREFLIGHT, self._segment_id)
            path = root.journal / self._call.dataset / f"{self._segment_id}{SUFFIX}"
            self._journal = Journal.create(path, vars(header))
            opening.push_async_callback(self._commit)
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def fits(self, worst: Amount) -> bool:
        """Whether one more request fits under every ceiling."""
        said = (self._segment_id, self._budget.run_id, self._released, self._spent)
        report = SpendReport(*said, wants=(worst,), account=self._call.teacher.account)
        return self._book.exchange(report, self._now.date()).requests == 1

    async def sent(self, key: str, max_tokens: int, worst: Amount) -> None:
        """The intent of a request that fits; until its end is known it has cost its worst."""
        self._numbers += 1
        self._released, self._spent = self._released + worst, self._spent + worst
        fields = {
            "n": self._numbers,
            "request_key": content_id(PREFLIGHT, key),
            "prompt_id": content_id(PREFLIGHT),
            "sample_index": 0,
            "max_tokens": max_tokens,
            "worst_tokens": worst.tokens,
            "worst_cost_usd": worst.usd if self._call.rates else None,
            "at": microseconds(),
        }
        await self._journal.append("sent", fields)

    async def received(self, response: httpx.Response, reply: Reply, worst: Amount, latency_s: float) -> None:
        """The raw reply; what it cost is settled."""
        self._spent = self._spent - worst + reply.cost(worst, self._call.rates)
        fields = {
            "n": self._numbers,
            "status": response.status_code,
            "headers": redacted(response.headers, self._call.api_key),
            "at": microseconds(),
            "latency_s": latency_s,
        }
        await self._journal.append("received", fields, blotted(response.content, self._call.api_key))

    async def lost(self, trouble: httpx.HTTPError) -> None:
        """No reply came; what was sent may have been paid."""
        lost = what_was_lost(trouble)
        fields = {"n": self._numbers, "outcome": lost.outcome, "error": lost.error, "at": microseconds()}
        await self._journal.append("lost" if lost.sent else "unsent", fields)

    async def _commit(self) -> None:
        await self._journal.close()
        await asyncio.to_thread(adopt_segment, self._call.data_root, self._journal.path, self._now)
