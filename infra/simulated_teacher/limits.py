"""Limits as a strict provider keeps them: a meter for each limited dimension, and a cap on what is in flight. Pure.

Dimensions: requests, requests_day, tokens, input_tokens, output_tokens. A request is admitted while every meter
covers it. A refused request costs `refused_cost` requests all the same (OpenAI: "unsuccessful requests contribute to
your per-minute limit"), down to a debt of one full bucket; a request that fails later keeps its charge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from infra.simulated_teacher.growth import Growth
from infra.simulated_teacher.meters import Bucket, Meter, Window
from infra.simulated_teacher.switches import Switches

DAY_IN_MINUTES = 1440.0
_IN_WORDS = {
    "requests": "requests per min",
    "requests_day": "requests per day",
    "tokens": "tokens per min",
    "input_tokens": "input tokens per min",
    "output_tokens": "output tokens per min",
    "capacity": "the model's capacity",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: which limit, how long to wait, in words. `kind` is a dimension, concurrency, storm, capacity, queue."""

    kind: str
    wait: float
    message: str
    status: int = 429


class Limits:
    """One account's limits. Every method takes the time; none reads a clock."""

    def __init__(self, switches: Switches, now: float) -> None:
        self._switches = switches
        self.meters: dict[str, Meter] = {}
        self.allowed: dict[str, float] = {}
        self.concurrency = 0  # requests in flight that are allowed; 0 is no limit
        self.growth = Growth(now)
        self.slot_rates: list[tuple[float, float]] = []
        self._set_meters(now)
        self._storm_until = now + switches.storm_seconds
        self._storm_left = switches.storm_count
        self.in_flight = 0

    @property
    def switches(self) -> Switches:
        return self._switches

    def _allowed(self) -> dict[str, float]:
        """The limit of each dimension that has one, a minute (requests_day: a day)."""
        switches = self._switches
        factor = switches.limit_factor * self.growth.factor
        rates = {
            "requests": switches.rpm * factor,
            "requests_day": switches.rpd * switches.limit_factor,
            "tokens": switches.tpm * factor,
            "input_tokens": switches.itpm * factor,
            "output_tokens": switches.otpm * factor,
            "capacity": switches.capacity_rpm,
        }
        return {name: rate for name, rate in rates.items() if rate}

    def _terms(self) -> Iterator[tuple[str, type[Meter], float, float, float]]:
        switches = self._switches
        kinds: dict[str, type[Meter]] = {"continuous": Bucket, "window": Window}
        of_requests = switches.request_burst_seconds or switches.burst_seconds
        for name, limit in self.allowed.items():
            if name == "requests_day":
                yield name, Bucket, limit / DAY_IN_MINUTES, DAY_IN_MINUTES * 60, 0.0
            elif name == "capacity":
                yield name, Bucket, limit, of_requests, 0.0
            elif name == "requests":
                yield name, kinds[switches.request_refill], limit, of_requests, switches.tenant_share
            else:
                yield name, kinds[switches.token_refill], limit, switches.burst_seconds, switches.tenant_share

    def _set_meters(self, now: float) -> None:
        self.allowed = self._allowed()
        self.concurrency = math.ceil(self._switches.concurrency * self._switches.limit_factor)
        meters: dict[str, Meter] = {}
        for name, kind, limit, quantum, share in self._terms():
            meter = self.meters.get(name)
            if type(meter) is kind and meter is not None:
                meter.change(limit, quantum, share, now)
            else:
                meter = kind(limit, quantum, share, now)
            meters[name] = meter
        self.meters = meters
        if not self.slot_rates or self.slot_rates[-1][1] != self.concurrency:
            self.slot_rates.append((now, self.concurrency))

    def change(self, switches: Switches, now: float, named: frozenset[str] = frozenset()) -> None:
        """New switches; a storm begins where `named` says that it was set."""
        self.settle(now)
        self._switches = switches
        if not switches.growth:
            self.growth.factor = 1.0
        self._set_meters(now)
        if "storm_seconds" in named:
            self._storm_until = now + switches.storm_seconds
        if "storm_count" in named:
            self._storm_left = switches.storm_count

    def settle(self, now: float) -> None:
        """Brings every meter to `now`."""
        for meter in self.meters.values():
            meter.refill(now)
        if self._switches.growth and self.growth.grown(self._switches, now):
            self._set_meters(now)

    def admit(self, tokens: int, now: float, prompt_tokens: int = 0) -> Refusal | None:
        """Charges and admits a request (then `release` it), or says why not."""
        self.settle(now)
        cost = {"tokens": tokens, "input_tokens": prompt_tokens}
        refusal = self._refusal(cost, now)
        if refusal:
            return self._charge_refused(refusal)
        for name, meter in self.meters.items():
            meter.take(cost.get(name, 0 if name == "output_tokens" else 1))
        self.in_flight += 1
        return None

    def _charge_refused(self, refusal: Refusal) -> Refusal:
        meter = self.meters.get("requests")
        if meter is None or refusal.status != 429 or not self._switches.refused_cost:
            return refusal
        meter.take(self._switches.refused_cost, floor=-meter.size)
        # Told after the charge, or a client that waits as long as it was told is refused again.
        return replace(refusal, wait=max(refusal.wait, meter.wait(1)))

    def produce(self, a_second: float, now: float) -> tuple[Meter, ...]:
        """An answer is being written at so many tokens a second, until the meters that are returned hear otherwise."""
        meters = self._late_meters()
        for meter in meters:
            meter.produce(a_second, now)
        return meters

    def release(self, produced: float, now: float, succeeded: bool = True) -> None:
        """The request is over; `produced` tokens are charged now, where the limit counts what is produced."""
        self.in_flight -= 1
        if produced:
            for meter in self._late_meters():
                meter.refill(now)
                meter.take(produced)
        if succeeded and self._switches.growth:
            self.growth.succeeded(now)

    def _late_meters(self) -> tuple[Meter, ...]:
        """Those that count what is produced."""
        names = ("output_tokens", "tokens") if self._switches.charge == "actual" else ("output_tokens",)
        return tuple(self.meters[name] for name in names if name in self.meters)

    def _refusal(self, cost: dict[str, int], now: float) -> Refusal | None:
        switches = self._switches
        if self._storm_left > 0 or now < self._storm_until:
            self._storm_left = max(0, self._storm_left - 1)
            wait = max(switches.retry_after, self._storm_until - now)
            return Refusal("storm", wait, "Rate limit reached: the server is overloaded")
        for name, meter in self.meters.items():
            # Output is charged later: one token of it must be left.
            wait = meter.wait(cost.get(name, 1))
            if wait:
                return self._over(name, wait, cost)
        if self.concurrency and self.in_flight >= self.concurrency:
            text = f"Rate limit reached on requests in flight: Limit {self.concurrency}"
            return Refusal("concurrency", switches.retry_after, text)
        return None

    def _over(self, name: str, wait: float, cost: dict[str, int]) -> Refusal:
        if name == "capacity":
            return Refusal(name, wait, "The server is overloaded or not ready yet", status=503)
        text = f"Rate limit reached on {_IN_WORDS[name]}: Limit {self.allowed[name]:g}"
        return Refusal(name, wait, f"{text}, Requested {cost[name]}" if name in cost else text)

    def too_large(self, tokens: int, prompt_tokens: int) -> Refusal | None:
        """A request that a whole minute does not hold can never be admitted."""
        limits = self.allowed
        for name, wanted in (("tokens", tokens), ("input_tokens", prompt_tokens)):
            if name in limits and wanted > limits[name]:
                text = f"Request too large: Limit {limits[name]:g} {_IN_WORDS[name]}, Requested {wanted}"
                return Refusal(name, 60.0, text)
        return None


def charge(rule: str, prompt_tokens: int, characters: int, cap: int | None) -> int:
    """Tokens charged on admission.

    `max_of`: the larger of max_tokens and characters / 4 (OpenAI). `sum`: prompt and max_tokens (Azure, Cerebras).
    `actual`: the prompt now, and later what was produced (Anthropic, Fireworks).
    """
    if rule == "max_of":
        return max(cap or 0, math.ceil(characters / 4))
    return prompt_tokens + (cap or 0) if rule == "sum" else prompt_tokens
