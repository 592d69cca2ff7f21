"""The worker's side of quota and budget (pure): which row may be sent now. It exchanges with the authorities
every 0.1 to 0.2 s, never per request, and trusts nothing older than a stated time.

A row moves from waiting to funded (its worst case is reserved) to ready (the pool has let it through) and is
then sent as soon as a slot is free.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from tasks.ask.exchange import Counters, Failure, Grant, Report, Stop
from tasks.ask.outcomes import RULES
from tasks.ask.quota import SILENT_S
from tasks.ask.reply import Dimension, HeaderLimit, Reply
from tasks.ask.spend import Amount, Ceiling, Reserve, SpendReport

EXCHANGE_S = (0.1, 0.2)
"""Between two exchanges, drawn evenly, so that workers do not march in step and starve one another."""
STALE_S = SILENT_S
"""Nothing is sent on the word of an authority that has not been heard for so long; nor does it count on it
then."""
AHEAD = 256
"""Rows funded ahead of their turn; at 0.2 s an exchange it allows over 1,000 requests/s a worker."""


class AuthorityLost(Exception):
    """An authority is gone, or does not answer."""


@dataclass(frozen=True)
class Row:
    """One sample of a batch, ready to be sent."""

    request_key: str
    prompt_id: str
    sample_index: int
    body: bytes
    max_tokens: int
    rate_tokens: int
    """What it is charged on the tokens per minute: the estimated prompt and all of `max_tokens`."""
    worst: Amount
    """What it may cost at most."""
    tries: int = 0
    """Requests of it that did not go through in this batch and count as tries."""

    def again(self, counted: bool) -> "Row":
        return replace(self, tries=self.tries + counted)


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
        account: str = "",
    ) -> None:
        self._worker, self._run_id, self._teacher, self._account = worker, run_id, teacher, account
        self._quota, self._spend, self._clock = quota, spend, clock
        self.waiting: deque[Row] = deque()
        self._reserving: list[Row] = []
        """Whose money is being asked for at this moment."""
        self._funded: deque[Row] = deque()
        self._ready: deque[Row] = deque()
        self.in_flight = 0
        self.storm = False
        self.stop: Stop | None = None
        self.counters = Counters()
        self.released = Amount()
        self.spent = Amount()
        self._slots = 0
        self._heard_at = self._hold_until = self._own_hold_until = float("-inf")
        self._expires_at: float | None = None
        self._unused_requests = self._unused_tokens = 0
        self._answers, self._slowest_s = 0, 0.0
        self._failures: list[tuple[Failure, float]] = []
        self._limits: Mapping[Dimension, HeaderLimit] = {}
        self._spend_told: tuple[Amount, Amount] = (Amount(), Amount())
        self._spend_heard_at = float("-inf")

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is in flight."""
        return not (self.waiting or self._reserving or self._funded or self._ready or self.in_flight)

    def take(self) -> Row | None:
        """A row that may be sent now, which then has a slot; None if there is none."""
        if not self._ready or self.in_flight >= self._slots or self._is_expired() or not self.may_send():
            return None
        self.in_flight += 1
        return self._ready.popleft()

    def may_send(self) -> bool:
        """Whether nothing has come up since that forbids it; asked again once the intent is durable.

        A grant may run out while its intent is being made durable: else a slow disk would never let one be
        sent.
        """
        now = self._clock()
        held_until = max(self._hold_until, self._own_hold_until)
        return self.stop is None and now >= held_until and now - self._heard_at <= STALE_S

    def _is_expired(self) -> bool:
        return self._expires_at is not None and self._clock() > self._expires_at

    def give_back(self, row: Row) -> None:
        """A row that was taken and not sent: its slot, its permission and its money come back."""
        self.in_flight -= 1
        self._ready.appendleft(row)

    def finish(self, row: Row, cost: Amount) -> None:
        """A request is over, and cost this much of the worst that was reserved."""
        self.in_flight -= 1
        self.released += row.worst
        self.spent += cost

    def note_reply(self, reply: Reply, age_s: float) -> None:
        """Tell the pool at the next exchange how a request went."""
        if reply.limits:
            self._limits = reply.limits
        if reply.outcome == "malformed" or RULES[reply.outcome].answer:
            self._answers += 1
            self._slowest_s = max(self._slowest_s, age_s)
        else:
            self.note_failure(Failure(reply.outcome, age_s, retry_after_s=reply.retry_after_s, error=reply.error or ""))

    def note_failure(self, failure: Failure) -> None:
        """Tell the pool, and do not wait for its word to hold still oneself."""
        now = self._clock()
        self._failures.append((failure, now))
        if RULES[failure.outcome].stops:
            self._own_hold_until = float("inf")
        elif failure.outcome == "rate_limited":
            wait = max(failure.retry_after_s or 0.0, EXCHANGE_S[1])
            self._own_hold_until = max(self._own_hold_until, now + wait)

    def uncharge(self, row: Row) -> None:
        """A request never reached the teacher, so the rate was not used."""
        self._unused_requests += 1
        self._unused_tokens += row.rate_tokens

    async def exchange(self) -> list[Row]:
        """Report, and take what is granted; returns rows that no budget will ever let through."""
        self._return_expired()
        over_budget = await self._fund()
        await self._ask_pool()
        return over_budget

    async def leave(self, spent: Amount) -> None:
        """Say the last word: what the batch cost in all."""
        told = (self.released, spent)
        await self._spend(SpendReport(self._worker, self._run_id, *told, leaving=True, account=self._account))
        counters = replace(self.counters, in_flight=0)
        await self._quota(Report(self._worker, self._run_id, self._teacher, counters=counters, leaving=True))

    def _return_expired(self) -> None:
        if self._ready and self._is_expired():
            self._unused_requests += len(self._ready)
            self._unused_tokens += sum(row.rate_tokens for row in self._ready)
            self._funded.extendleft(reversed(self._ready))
            self._ready.clear()

    async def _fund(self) -> list[Row]:
        room = max(0, AHEAD - len(self._funded) - len(self._ready)) if self.stop is None else 0
        self._reserving = rows = [self.waiting.popleft() for _ in range(min(room, len(self.waiting)))]
        told = (self.released, self.spent)
        has_news = bool(rows) or told != self._spend_told
        if not has_news and self._clock() - self._spend_heard_at < STALE_S / 2:  # a lost authority must be noticed
            return []
        wants = tuple(row.worst for row in rows)
        reserve = await self._spend(SpendReport(self._worker, self._run_id, *told, wants=wants, account=self._account))
        self._spend_told, self._spend_heard_at, self._reserving = told, self._clock(), []
        self._funded.extend(rows[: reserve.requests])
        rest = rows[reserve.requests :]
        if reserve.left is None:
            self.waiting.extendleft(reversed(rest))
            return []
        return self._drop(rest, reserve.left)

    def _drop(self, rest: Iterable[Row], left: Amount) -> list[Row]:
        """Give up the rows that will never fit into what is left; smaller ones stay in line."""
        ceiling, waiting = Ceiling(left.requests, left.tokens, left.usd), [*rest, *self.waiting]
        fits = [ceiling.leaves(Amount(), row.worst) for row in waiting]
        self.waiting = deque(row for row, fit in zip(waiting, fits, strict=True) if fit)
        return [row for row, fit in zip(waiting, fits, strict=True) if not fit]

    async def _ask_pool(self) -> None:
        wants = tuple(row.rate_tokens for row in self._funded)
        grant = await self._quota(self._report(wants))
        now = self._clock()
        self._heard_at = now
        unmetered = list(self._ready) if self._expires_at is None and grant.expires_in_s is not None else []
        if unmetered:  # a limit has just been learned: what had been let through without one must ask again
            self._ready.clear()
        for _ in range(grant.requests):
            self._ready.append(self._funded.popleft())
        self._funded.extendleft(reversed(unmetered))
        if grant.requests or not self._ready:
            self._expires_at = None if grant.expires_in_s is None else now + grant.expires_in_s
        self._slots, self.storm, self.stop = grant.slots, grant.storm, grant.stop or self.stop
        self._hold_until = now + grant.hold_s

    def _report(self, wants: tuple[int, ...]) -> Report:
        now = self._clock()
        report = Report(
            self._worker,
            self._run_id,
            self._teacher,
            wants,
            len(self._ready),
            self.in_flight,
            self._unused_requests,
            self._unused_tokens,
            self._answers,
            tuple(replace(failure, age_s=failure.age_s + now - noted) for failure, noted in self._failures),
            self._limits,
            self._slowest_s,
            replace(self.counters, in_flight=self.in_flight),
        )
        self._unused_requests = self._unused_tokens = self._answers = 0
        self._failures, self._limits = [], {}
        return report
