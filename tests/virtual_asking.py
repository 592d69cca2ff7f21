"""Workers' leases, one pool and a provider's limits in virtual time: the real code of all three, and no clock.

The provider is the referee's own count (`infra.simulated_teacher.limits`), which knows nothing of ours. A minute of
asking takes a fraction of a second, so whole policies can be tried over many seeds.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from infra.simulated_teacher.headers import limit_headers
from infra.simulated_teacher.limits import Limits as ProviderLimits
from infra.simulated_teacher.limits import charge
from infra.simulated_teacher.switches import Switches
from tasks.ask.charge import Want
from tasks.ask.exchange import Charging, Grant, Limits, Report, RunTerms
from tasks.ask.headers import header_limits
from tasks.ask.lease import EXCHANGE_S, AuthorityLost, Lease, Permit, Row
from tasks.ask.outcomes import RULES
from tasks.ask.quota import Pool
from tasks.ask.reply import Reply, Usage
from tasks.ask.spend import Amount, Reserve, SpendReport

WALL = 1_767_225_600.0
PROMPT, CHARACTERS, CAP = 50, 200, 256


def now_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for something")


@dataclass
class Virtual:
    """Some workers with as many rows as they can send, at one account."""

    switches: Switches
    stated: Limits
    charging: Charging
    provider: str = "openai"
    workers: int = 2
    seed: int = 1
    late_s: float = 0.02
    """Sends reach the provider up to so late."""
    now: float = 0.0
    sent: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    is_authority_lost: bool = False

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.limits = ProviderLimits(self.switches, 0.0)
        self.pool = Pool(self.stated, 0.0, random.Random(self.seed), self.charging)
        self.pool.open_run(RunTerms("run-1"), self.stated, 0.0)
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self.leases = [self._lease(f"w{number}") for number in range(self.workers)]
        for lease in self.leases:
            self.after(self.rng.uniform(0, 0.2), lambda lease=lease: self._exchange(lease))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, act = heapq.heappop(self._due)
            act()
        self.now = end

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now + seconds, next(self._numbers), act))

    def change(self, **values: object) -> None:
        """The provider changes its limits and tells nobody."""
        self.switches = self.switches.changed(values)
        self.limits.change(self.switches, self.now)

    def used(self, start: float, end: float) -> float:
        """Of the requests a minute that the provider allows now, the share that was admitted."""
        admitted = sum(1 for at in self.sent if start <= at < end)
        return admitted / (self.switches.rpm * self.switches.limit_factor / 60 * (end - start))

    def refused_between(self, start: float, end: float) -> int:
        return sum(1 for at in self.refused if start <= at < end)

    # -- the workers

    def _lease(self, name: str) -> Lease:
        async def spend(report: SpendReport) -> Reserve:
            return Reserve(len(report.wants), None)

        lease = Lease(name, "run-1", "teacher", self._quota, spend, lambda: self.now, self.charging)
        lease.waiting.extend(self._row() for _ in range(400))
        return lease

    async def _quota(self, report: Report) -> Grant:
        if self.is_authority_lost:
            raise AuthorityLost("killed")
        return self.pool.exchange(report, self.now)

    def _row(self) -> Row:
        number = next(self._numbers)
        return Row(f"k{number}", f"p{number}", 0, b"", CAP, Want(PROMPT, CHARACTERS, CAP), Amount(1, 400))

    def _exchange(self, lease: Lease) -> None:
        while len(lease.waiting) < 300:
            lease.waiting.append(self._row())
        try:
            now_of(lease.exchange())
        except AuthorityLost:
            lease.go_on_alone()
        self._take(lease)
        self.after(self.rng.uniform(*EXCHANGE_S), lambda: self._exchange(lease))

    def _take(self, lease: Lease) -> None:
        while permit := lease.take():
            late = self.rng.uniform(0, self.late_s)
            self.after(lease.due_in_s(permit), lambda permit=permit, late=late: self._send(lease, permit, late))
        if wait := lease.next_take_s():
            self.after(wait, lambda: self._take(lease))

    def _send(self, lease: Lease, permit: Permit, late: float) -> None:
        if lease.may_send(permit):
            began = self.now
            self.after(late, lambda: self._arrive(lease, permit, began))
        else:
            lease.give_back(permit)

    # -- the provider

    def _arrive(self, lease: Lease, permit: Permit, began: float) -> None:
        tokens = charge(self.switches.charge, PROMPT, CHARACTERS, CAP)
        refusal = self.limits.admit(tokens, self.now, PROMPT)
        if refusal:
            self.refused.append(self.now)
            reply = Reply("rate_limited", retry_after_s=refusal.wait, limits=self._headers())
            self.after(0.01, lambda: self._answer(lease, permit, reply, began))
            return
        self.sent.append(self.now)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        output = self.rng.randrange(20, 180)
        seconds = self.rng.uniform(0.5, 1.5) * self.switches.latency
        is_produced = self.switches.output_charged == "as_produced"
        meters = self.limits.produce(output / seconds, self.now) if is_produced else ()
        self.after(seconds, lambda: self._finish(lease, permit, output, output / seconds, meters, began))

    def _finish(
        self, lease: Lease, permit: Permit, output: int, a_second: float, meters: tuple[Any, ...], began: float
    ) -> None:
        for meter in meters:
            meter.produce(-a_second, self.now)
        self.limits.release(0 if meters or self.switches.charge != "actual" else output, self.now)
        self.in_flight -= 1
        self._answer(lease, permit, Reply("ok", usage=Usage(PROMPT, output), limits=self._headers()), began)

    def _answer(self, lease: Lease, permit: Permit, reply: Reply, began: float) -> None:
        lease.note_reply(permit, reply, self.now - began)
        lease.finish(permit, Amount(1))
        if RULES[reply.outcome].wait == "hold":
            lease.waiting.appendleft(permit.row)
        if lease.is_urgent:
            now_of(lease.exchange()) if not self.is_authority_lost else None
        self._take(lease)

    def _headers(self) -> Mapping[Any, Any]:
        told = dict(limit_headers(self.limits, self.now, WALL + self.now))
        return header_limits(told, datetime.fromtimestamp(WALL + self.now, UTC), self.provider)
