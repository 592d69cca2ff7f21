"""The worker's side of quota and budget (pure): which row may be sent now. It exchanges with the authorities
every 0.1 to 0.4 s, never per request, and trusts nothing older than a stated time.

A row moves from waiting to funded (its worst case is reserved) to ready (the pool has let it through) and is
then sent as soon as a slot is free.
"""

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice

from tasks.ask.charge import Cost, Want, refund
from tasks.ask.exchange import UNKNOWN, Charging, Counters, Failure, Grant, Report, Stop
from tasks.ask.meter import HORIZON_S, LATE_S
from tasks.ask.news import News
from tasks.ask.outcomes import RULES
from tasks.ask.providers import MeterName
from tasks.ask.reply import Reply
from tasks.ask.rows import Row
from tasks.ask.seats import SILENT_S
from tasks.ask.spend import Amount, Ceiling, Reserve, SpendReport

EXCHANGE_S = (0.1, 0.2)
"""Between two exchanges, drawn evenly, so that workers do not march in step and starve one another."""
CALM_S = 0.2
"""So much longer where no rate is limited and there is permission enough: an exchange costs about 4 ms of CPU."""
STALE_S = SILENT_S
"""Nothing is sent on the word of an authority that has not been heard for so long; nor does it count on it
then."""
AHEAD = 256
"""Rows funded ahead of their turn; at 0.2 s an exchange it allows over 1,000 requests/s a worker."""
SPEND_S = 0.5
"""Between two words with the authority over the budgets, where nothing waits for money: what has been spent is told
that late, and until then counts at its worst."""
LEAD_S = 0.15
"""Before its time a row is taken, so that its intent is durable by then; an fsync takes up to 50 ms on a busy disk."""
PATIENT = 3
"""Times that a row waits for its turn again because its intent was late."""
REFUSED = 3
"""After so many connections in a row that could not be made, or as many overloaded replies as there are slots if those
are more, the pool's word is waited for: either takes a millisecond, and a worker would run through all that it was let
through."""
FEWEST_WANTS = 16
"""Requests that permission is asked for at once, at least; more where more were granted or more slots are free."""


class AuthorityLost(Exception):
    """An authority is gone, or does not answer."""


@dataclass(frozen=True)
class Permit:
    """A row that the pool has let through."""

    row: Row
    charged: Cost
    due: float
    """By the lease's clock."""
    is_metered: bool

    def is_late(self, now: float) -> bool:
        """Too late to be sent: it would bunch up with what is punctual. A row that a slow disk has held up again and
        again goes all the same."""
        return self.is_metered and now > self.due + LATE_S and self.row.held_up < PATIENT


class Lease:
    """The rows of one batch on their way out, and what this worker may do."""

    def __init__(
        self,
        worker: str,
        run_id: str,
        teacher: str,
        quota: Callable[[Report], Awaitable[Grant]],
        spend: Callable[[SpendReport], Awaitable[Reserve]],
        clock: Callable[[], float],
        charging: Charging = UNKNOWN,
        account: str = "",
    ) -> None:
        self._worker, self._run_id, self._teacher, self._account = worker, run_id, teacher, account
        self._quota, self._spend, self._clock, self._charging = quota, spend, clock, charging
        self.waiting: deque[Row] = deque()
        self._reserving: list[Row] = []
        """Whose money is being asked for at this moment."""
        self._funded: deque[Row] = deque()
        self._ready: deque[Permit] = deque()
        self.in_flight = 0
        self.storm = False
        self.is_urgent = False
        """The pool should hear at once of what has come up."""
        self.stop: Stop | None = None
        self._counted: dict[str, float] = defaultdict(int)
        self.reserved = self.released = self.spent = Amount()
        self._slots = 0
        self._heard_at = self._hold_until = self._own_hold_until = float("-inf")
        self._refused = 0
        """Requests in a row that found no teacher, or an overloaded one."""
        self._last_grant: tuple[Cost, ...] = ()
        self._taken = 0
        """Rows since the pool was last heard."""
        self._limits_of = float("-inf")
        """When the request was sent whose response told the limits."""
        self._limit_seen: dict[MeterName, float] = {}
        self._news = News()
        self._spend_heard_at = float("-inf")

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is in flight."""
        return not (self.waiting or self._reserving or self._funded or self._ready or self.in_flight)

    @property
    def is_calm(self) -> bool:
        """The pool need not be asked soon: no rate is limited, and what it has let through outlasts `CALM_S`."""
        return len(self._ready) > 2 * self._taken and not self._ready[0].is_metered

    def take(self) -> Permit | None:
        """A row whose time is near, which then has a slot; None if there is none."""
        self._return_late()
        if not self._ready or self.in_flight >= self._slots or self.next_take_s() or not self._is_open():
            return None
        self.in_flight += 1
        self._taken += 1
        return self._ready.popleft()

    def next_take_s(self) -> float:
        """Seconds until the next row may be taken; 0 if one may now, or none is ready."""
        return max(0.0, self._ready[0].due - LEAD_S - self._clock()) if self._ready else 0.0

    def due_in_s(self, permit: Permit) -> float:
        """Seconds until it may be sent."""
        return max(0.0, permit.due - self._clock())

    def may_send(self, permit: Permit) -> bool:
        """Whether it is not too late, and nothing has come up since that forbids it; asked just before sending."""
        return self._is_open() and not permit.is_late(self._clock())

    def _is_open(self) -> bool:
        now = self._clock()
        held_until = max(self._hold_until, self._own_hold_until)
        return self.stop is None and now >= held_until and now - self._heard_at <= STALE_S

    def give_back(self, permit: Permit) -> None:
        """A row that was taken and not sent: its slot, its permission and its money come back."""
        self.in_flight -= 1
        late = permit.is_late(self._clock())
        self._ready.appendleft(replace(permit, row=replace(permit.row, held_up=permit.row.held_up + late)))

    def finish(self, permit: Permit, cost: Amount) -> None:
        """A request is over, and cost this much of the worst that was reserved."""
        self.in_flight -= 1
        self.released += permit.row.worst
        self.spent += cost

    def note_reply(self, permit: Permit, reply: Reply, latency_s: float) -> None:
        """Tell the pool at the next exchange how a request went."""
        self._refused = self._refused if reply.outcome == "overloaded" else 0
        self._note_limits(reply, self._clock() - latency_s)
        usage, news = reply.usage, self._news
        if reply.outcome != "malformed" and not RULES[reply.outcome].answer:
            if RULES[reply.outcome].billed == "no":
                news.back = news.back.plus(refund(self._charging.rule, permit.charged))
            wait_s, error = reply.retry_after_s, reply.error or ""
            self.note_failure(Failure(reply.outcome, latency_s, retry_after_s=wait_s, error=error, about=reply.about))
            return
        news.answers += 1
        news.slowest_s = max(news.slowest_s, latency_s)
        if usage:
            news.answer_tokens, news.answer_s = news.answer_tokens + usage.completion, news.answer_s + latency_s
            news.prompt_tokens = (
                news.prompt_tokens[0] + permit.row.want.prompt_tokens,
                news.prompt_tokens[1] + usage.prompt - (usage.cached or 0 if self._charging.cached_free else 0),
            )

    def note_failure(self, failure: Failure) -> None:
        """Tell the pool, and do not wait for its word to hold still oneself."""
        now = self._clock()
        self._news.failures.append((failure, now))
        if RULES[failure.outcome].stops:
            self._own_hold_until = float("inf")
        elif not failure.sent or failure.outcome == "overloaded":
            self._refused += 1
            if self._refused >= (max(REFUSED, self._slots) if failure.sent else REFUSED):
                self._own_hold_until = max(self._own_hold_until, now + EXCHANGE_S[1])
        elif failure.outcome == "rate_limited":
            self.is_urgent = True
            wait = max(failure.retry_after_s or 0.0, EXCHANGE_S[1])
            self._own_hold_until = max(self._own_hold_until, now + wait)

    def count(self, **more: float) -> None:
        """Fields of `Counters` that have grown by so much."""
        for name, grown in more.items():
            self._counted[name] += grown

    def uncharge(self, permit: Permit) -> None:
        """A request never reached the teacher, so the rate was not used."""
        self._news.back = self._news.back.plus(permit.charged)

    async def exchange(self) -> list[Row]:
        """Report, and take what is granted; returns rows that no budget will ever let through.

        Raises: AuthorityLost: nobody answered; for `STALE_S` after its last word the worker then lets through half
        of what it was last granted, and after that nothing.
        """
        self._return_late()
        over_budget = await self._fund()
        await self._ask_pool()
        return over_budget

    def go_on_alone(self) -> None:
        """Let through half of what the lost authority last granted, evenly until the next try."""
        if self.stop is None and self._clock() - self._heard_at <= STALE_S:
            count = min(len(self._last_grant) // 2, len(self._funded))
            for at in range(count):
                charged = self._last_grant[at]
                self._news.back = self._news.back.minus(charged)
                due = self._clock() + HORIZON_S * at / count
                self._ready.append(Permit(self._funded.popleft(), charged, due, is_metered=True))

    async def leave(self, spent: Amount) -> None:
        """Say the last word: what the batch cost in all."""
        told = (self.released, spent)
        await self._spend(SpendReport(self._worker, self._run_id, *told, leaving=True, account=self._account))
        await self._quota(self._report((), leaving=True))

    def _note_limits(self, reply: Reply, sent_at: float) -> None:
        """Of several responses the one that was sent last knows best; a limit that fell is news to be told at once."""
        if not reply.limits or sent_at < self._limits_of:
            return
        self._news.limits, self._limits_of = reply.limits, sent_at
        for name, header in reply.limits.items():
            if header.limit < self._limit_seen.get(name, 0.0):
                self.is_urgent = True
                self._own_hold_until = max(self._own_hold_until, self._clock() + EXCHANGE_S[1])
            self._limit_seen[name] = header.limit

    def _return_late(self) -> None:
        """Permissions that were not used in time go back, and their rows to the head of the line."""
        now, late = self._clock(), []
        while self._ready and self._ready[0].is_late(now):
            permit = self._ready.popleft()
            self._news.back = self._news.back.plus(permit.charged)
            late.append(permit.row)
        self._funded.extendleft(reversed(late))

    async def _fund(self) -> list[Row]:
        if self._is_funded():
            return []
        room = max(0, AHEAD - len(self._funded) - len(self._ready)) if self.stop is None else 0
        self._reserving = rows = [self.waiting.popleft() for _ in range(min(room, len(self.waiting)))]
        report = SpendReport(
            self._worker,
            self._run_id,
            self.released,
            self.spent,
            wants=tuple(row.worst for row in rows),
            account=self._account,
            reserved=self.reserved,
        )
        try:
            reserve = await self._spend(report)
        except AuthorityLost:
            self.waiting.extendleft(reversed(rows))
            self._reserving = []
            raise
        self._spend_heard_at, self._reserving = self._clock(), []
        self.reserved = sum((row.worst for row in rows[: reserve.requests]), self.reserved)
        self._funded.extend(rows[: reserve.requests])
        rest = rows[reserve.requests :]
        if reserve.left is None:
            self.waiting.extendleft(reversed(rest))
            return []
        return self._drop(rest, reserve.left)

    def _is_funded(self) -> bool:
        """Whether the authority over the budgets need not be asked yet: half of what may be funded ahead is, or nothing
        waits for money; and it has been heard of late, so that one that is lost is noticed and spending told."""
        is_enough = not self.waiting or len(self._funded) + len(self._ready) > AHEAD // 2
        return is_enough and self._clock() - self._spend_heard_at < SPEND_S

    def _drop(self, rest: Iterable[Row], left: Amount) -> list[Row]:
        """Give up the rows that will never fit into what is left; smaller ones stay in line."""
        ceiling, waiting = Ceiling(left.requests, left.tokens, left.usd), [*rest, *self.waiting]
        fits = [ceiling.leaves(Amount(), row.worst) for row in waiting]
        self.waiting = deque(row for row, fit in zip(waiting, fits, strict=True) if fit)
        return [row for row, fit in zip(waiting, fits, strict=True) if not fit]

    async def _ask_pool(self) -> None:
        many = max(FEWEST_WANTS, 2 * len(self._last_grant), self._slots - self.in_flight - len(self._ready))
        wants = tuple(row.want for row in islice(self._funded, many))
        told, self._news = self._news, News()
        try:
            grant = await self._quota(self._report(wants, told))
        except AuthorityLost:
            self._news = told.joined(self._news)
            raise
        self._follow(grant)

    def _follow(self, grant: Grant) -> None:
        self._heard_at = now = self._clock()
        self.is_urgent, self._taken = False, 0
        if grant.metered and self._ready and not self._ready[0].is_metered:
            # A limit has just been learned: what had been let through without one must ask again.
            self._funded.extendleft(permit.row for permit in reversed(self._ready))
            self._ready.clear()
        for charged, due_s in zip(grant.charged, grant.due_s, strict=True):
            self._ready.append(Permit(self._funded.popleft(), charged, now + due_s, grant.metered))
        self._last_grant = grant.charged
        self._slots, self.storm, self.stop = grant.slots, grant.storm, grant.stop or self.stop
        self._hold_until = now + grant.hold_s

    def _report(self, wants: tuple[Want, ...], news: News | None = None, leaving: bool = False) -> Report:
        now, news = self._clock(), news or self._news
        return Report(
            self._worker,
            self._run_id,
            self._teacher,
            wants,
            ready=len(self._ready),
            left=len(self.waiting) + len(self._funded) + len(self._ready),
            in_flight=0 if leaving else self.in_flight,
            back=news.back,
            prompt_tokens=news.prompt_tokens,
            answers=news.answers,
            answer_tokens=news.answer_tokens,
            answer_s=news.answer_s,
            failures=tuple(replace(failure, age_s=failure.age_s + now - noted) for failure, noted in news.failures),
            limits=news.limits,
            slowest_s=news.slowest_s,
            counters=Counters(**self._counted, in_flight=0 if leaving else self.in_flight),  # type: ignore[arg-type]
            leaving=leaving,
        )
