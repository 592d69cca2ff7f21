"""The two ways a provider meters one dimension: a refilled bucket, and windows that start anew. Pure.

Both keep two records for the referee. `rates` is what the account was allowed a second, and since when. `idle` is
the budget that was there and went unspent for ever: what a full bucket could not take in, and what a window still
held when it ended. A second tenant takes `share` of the rate evenly, whatever the account does.

Every method takes the time in seconds, and none reads a clock; time never goes back.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

# A billionth is rounding: a client that waits exactly as long as it was told is not early.
_ROUNDING = 1e-9
_JUST_BEFORE_SECONDS = 0.05


@dataclass(slots=True)
class Idle:
    """Budget lost, as intervals: from, to, units."""

    intervals: list[list[float]] = field(default_factory=list)

    def note(self, start: float, end: float, units: float) -> None:
        self.intervals.append([start, end, units])

    def extend(self, start: float, end: float, units: float) -> None:
        """As `note`, in one interval with the last where that ended just before."""
        if self.intervals and start - self.intervals[-1][1] <= _JUST_BEFORE_SECONDS:
            self.intervals[-1][1] = end
            self.intervals[-1][2] += units
        else:
            self.note(start, end, units)

    def within(self, start: float, end: float) -> float:
        """Units lost between two times; an interval that is cut counts by its part."""
        units = 0.0
        for begun, ended, lost in self.intervals:
            units += lost * max(0.0, min(ended, end) - max(begun, start)) / (ended - begun)
        return units


def allowed(rates: Sequence[tuple[float, float]], start: float, end: float) -> float:
    """What rates (since when, units a second) gave between two times."""
    total = 0.0
    for number, (since, rate) in enumerate(rates):
        until = rates[number + 1][0] if number + 1 < len(rates) else math.inf
        total += rate * max(0.0, min(until, end) - max(since, start))
    return total


class Meter(ABC):
    """One limited dimension: `rate` units a second, `quantum` seconds of it in a full bucket or a window."""

    def __init__(self, per_minute: float, quantum: float, share: float, now: float) -> None:
        self.rate = per_minute / 60
        self.quantum = quantum
        # Units a second that the other tenant leaves.
        self.fair = self.rate * (1 - share)
        self.share = share
        self.size = max(1.0, self.rate * quantum)
        self.level = self.size
        self.at = now
        self.producing = 0.0
        self.idle = Idle()
        self.rates: list[tuple[float, float]] = [(now, self.fair)]

    @abstractmethod
    def refill(self, now: float) -> None: ...

    @abstractmethod
    def wait(self, amount: float) -> float:
        """Seconds until `amount` is covered, if nobody takes anything before; 0 where it is now."""

    @abstractmethod
    def full_in(self) -> float:
        """Seconds until the limit is back at its initial state, as the provider sees it: without the tenant."""

    @abstractmethod
    def bound(self, seconds: float) -> float:
        """The most that any `seconds` may hold at the present rate, less one request's debt."""

    def take(self, amount: float, floor: float = -math.inf) -> None:
        self.level = max(floor, self.level - amount)

    def produce(self, a_second: float, now: float) -> None:
        """From now on this many units more a second are taken as they are produced (fewer: negative)."""
        self.refill(now)
        self.producing += a_second

    def change(self, per_minute: float, quantum: float, share: float, now: float) -> None:
        """A new rate from now on; the level stays, as far as it fits."""
        self.refill(now)
        self.rate, self.quantum, self.share = per_minute / 60, quantum, share
        self.fair = self.rate * (1 - share)
        self.resize(self.rate * quantum)
        if self.rates[-1][1] != self.fair:
            self.rates.append((now, self.fair))

    @abstractmethod
    def resize(self, size: float) -> None:
        """A full bucket or a window now holds `size`."""

    def allowed(self, start: float, end: float) -> float:
        """Units that the rate allowed between two times; nothing before the meter was there."""
        return allowed(self.rates, start, end)


class Bucket(Meter):
    """Refilled continuously, starts full. A request larger than a full bucket needs a full one and leaves a debt, so
    that the long-run rate is exact."""

    def refill(self, now: float) -> None:
        net = self.fair - self.producing
        self.level += (now - self.at) * net
        over = self.level - self.size
        if over > 0:
            if net > 0 and over > _ROUNDING * self.size:
                self.idle.extend(now - over / net, now, over)
            self.level = self.size
        self.at = now

    def wait(self, amount: float) -> float:
        missing = min(amount, self.size) - self.level
        return 0.0 if missing <= _ROUNDING else missing / self.fair

    def full_in(self) -> float:
        return (self.size - self.level) / self.rate

    def bound(self, seconds: float) -> float:
        return self.size + self.fair * seconds

    def resize(self, size: float) -> None:
        self.size = max(1.0, size)
        self.level = min(self.level, self.size)


class Window(Meter):
    """`quantum` seconds of the rate in each window, all of it anew at the next one ("resets every minute"). What a
    large request took beyond a window comes off the next. Windows are counted from when the meter began, which a
    client does not know."""

    def __init__(self, per_minute: float, quantum: float, share: float, now: float) -> None:
        super().__init__(per_minute, quantum, share, now)
        self.level = self.size = self.rate * quantum
        self.began = now

    def refill(self, now: float) -> None:
        # The tiny advance keeps a client that waits as long as it was told out of the window before.
        while now + _ROUNDING >= self.began + self.quantum:
            ends = self.began + self.quantum
            self._drain(ends)
            if self.level > 0:
                self.idle.note(self.began, ends, self.level)
            self.level = self.size + min(0.0, self.level)
            self.began = ends
        self._drain(now)

    def _drain(self, now: float) -> None:
        passed = max(0.0, now - self.at)
        self.level = max(min(0.0, self.level), self.level - passed * (self.rate - self.fair))
        self.level -= passed * self.producing
        self.at = max(now, self.at)

    def wait(self, amount: float) -> float:
        needed = min(amount, self.size * (1 - self.share))
        if needed - self.level <= _ROUNDING:
            return 0.0
        windows = max(1, math.ceil((needed - min(0.0, self.level) - _ROUNDING) / self.size))
        return self.began + windows * self.quantum - self.at

    def full_in(self) -> float:
        return self.began + self.quantum - self.at

    def bound(self, seconds: float) -> float:
        return self.size * (math.ceil(seconds / self.quantum) + 1)

    def resize(self, size: float) -> None:
        """What is used of this window stays used."""
        left = size - (self.size - self.level)
        self.level = left if left > 0 else min(0.0, self.level)
        self.size = size
