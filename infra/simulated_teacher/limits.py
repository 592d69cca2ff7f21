"""Limits as a strict provider keeps them: two refilled buckets and a cap on what is in flight. Pure.

A bucket holds `burst_seconds` of its rate and starts full. A request is admitted while the level covers it;
one larger than a full bucket needs a full bucket and drives it into debt, so that the long-run rate is exact.
A refused request costs one request all the same, as with OpenAI ("unsuccessful requests contribute to your
per-minute limit"), down to a debt of one full bucket.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from infra.simulated_teacher.switches import Switches


@dataclass(slots=True)
class Bucket:
    """`rate` a second, at most `size` held; 0 is no limit."""

    rate: float
    size: float
    level: float
    at: float

    @classmethod
    def full(cls, per_minute: float, burst_seconds: float, now: float) -> Bucket:
        size = max(1.0, per_minute / 60 * burst_seconds)
        return cls(per_minute / 60, size, size, now)

    def refill(self, now: float) -> None:
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now

    def wait(self, amount: float) -> float:
        """Seconds until `amount` is covered; 0 where it is now."""
        missing = min(amount, self.size) - self.level
        # A billionth is rounding: a client that waits exactly as long as it was told is not early.
        return 0.0 if not self.rate or missing <= 1e-9 else missing / self.rate

    def take(self, amount: float, floor: float = -math.inf) -> None:
        if self.rate:
            self.level = max(floor, self.level - amount)

    def changed(self, per_minute: float, burst_seconds: float, now: float) -> Bucket:
        """The same level under a new rate; a bucket that was unlimited starts full."""
        self.refill(now)
        new = Bucket.full(per_minute, burst_seconds, now)
        new.level = min(self.level, new.size) if self.rate else new.size
        return new


@dataclass(frozen=True, slots=True)
class Refusal:
    """A 429: which limit, how long to wait, in words. `kind` is requests, tokens, concurrency or storm."""

    kind: str
    wait: float
    message: str


class Limits:
    """One account's limits. Every method takes the time; none reads a clock."""

    def __init__(self, switches: Switches, now: float) -> None:
        self._switches = switches
        self._requests = Bucket.full(switches.rpm, switches.burst_seconds, now)
        self._tokens = Bucket.full(switches.tpm, switches.burst_seconds, now)
        self._storm_until = now + switches.storm_seconds
        self._storm_left = switches.storm_count
        self.in_flight = 0

    def change(self, switches: Switches, now: float, named: frozenset[str] = frozenset()) -> None:
        """New switches; a storm begins where `named` says that it was set."""
        self._requests = self._requests.changed(switches.rpm, switches.burst_seconds, now)
        self._tokens = self._tokens.changed(switches.tpm, switches.burst_seconds, now)
        if "storm_seconds" in named:
            self._storm_until = now + switches.storm_seconds
        if "storm_count" in named:
            self._storm_left = switches.storm_count
        self._switches = switches

    def admit(self, tokens: int, now: float) -> Refusal | None:
        """Charges and admits a request (then `release` it), or says why not."""
        self._requests.refill(now)
        self._tokens.refill(now)
        refusal = self._refusal(tokens, now)
        if refusal:
            self._requests.take(1, floor=-self._requests.size)
            # Told after the charge, or a client that waits as long as it was told is refused again.
            return replace(refusal, wait=max(refusal.wait, self._requests.wait(1)))
        self._requests.take(1)
        self._tokens.take(tokens)
        self.in_flight += 1
        return None

    def release(self, produced: int, now: float) -> None:
        """The request is over; `produced` tokens are charged now, where the limit counts what is produced."""
        self.in_flight -= 1
        self._tokens.refill(now)
        self._tokens.take(produced)

    def _refusal(self, tokens: int, now: float) -> Refusal | None:
        switches = self._switches
        if self._storm_left > 0 or now < self._storm_until:
            self._storm_left = max(0, self._storm_left - 1)
            wait = max(switches.retry_after, self._storm_until - now)
            return Refusal("storm", wait, "Rate limit reached: the server is overloaded")
        wait = self._requests.wait(1)
        if wait:
            return Refusal("requests", wait, f"Rate limit reached on requests per min: Limit {switches.rpm:g}")
        wait = self._tokens.wait(tokens)
        if wait:
            text = f"Rate limit reached on tokens per min: Limit {switches.tpm:g}, Requested {tokens}"
            return Refusal("tokens", wait, text)
        if switches.concurrency and self.in_flight >= switches.concurrency:
            text = f"Rate limit reached on requests in flight: Limit {switches.concurrency}"
            return Refusal("concurrency", switches.retry_after, text)
        return None

    def headers(self, now: float) -> tuple[tuple[str, str], ...]:
        """OpenAI's names: `remaining` is what the bucket holds, `reset` when it is full; none unlimited."""
        found: list[tuple[str, str]] = []
        for name, limit, bucket in (
            ("requests", self._switches.rpm, self._requests),
            ("tokens", self._switches.tpm, self._tokens),
        ):
            if limit:
                bucket.refill(now)
                found.append((f"x-ratelimit-limit-{name}", f"{limit:.0f}"))
                found.append((f"x-ratelimit-remaining-{name}", str(max(0, math.floor(bucket.level)))))
                found.append((f"x-ratelimit-reset-{name}", go_duration((bucket.size - bucket.level) / bucket.rate)))
        return tuple(found)


def charge(rule: str, prompt_tokens: int, characters: int, cap: int | None) -> int:
    """Tokens charged on admission.

    `max_of`: the larger of max_tokens and characters / 4 (OpenAI). `sum`: prompt and max_tokens (Azure).
    `actual`: the prompt now, and later what was produced (Anthropic, Fireworks).
    """
    if rule == "max_of":
        return max(cap or 0, math.ceil(characters / 4))
    return prompt_tokens + (cap or 0) if rule == "sum" else prompt_tokens


def go_duration(seconds: float) -> str:
    """`6m0s`, `1s`, `120ms`: how OpenAI writes the time until a reset."""
    milliseconds = math.ceil(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{text}s" if minutes else f"{text}s"
