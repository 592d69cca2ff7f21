"""Rates as meters that refill continuously (pure): when a request may go, so that no provider's count of it is ever
exceeded. The clock is an argument.

Each is a GCRA in units of what the provider counts, with debt: a request goes once its cost is saved up, or, if it is
larger than all that may be saved, once the meter is full; then it drives the meter into debt. Over any time `t`, what
is let through is at most `rate x (t + burst)`, or one request more than `rate x t` where it is larger than the burst.
Nobody overtakes anybody, and nothing that was saved is clipped below the burst.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.ask.charge import WINDOW_S, Cost
from tasks.ask.exchange import Charging
from tasks.ask.providers import MeterName

SAFETY = 0.99
"""Share of a stated limit that is used."""
SAFETY_PRODUCED = 0.985
"""Where output is charged as it is produced: how much a request takes is known only afterwards."""
HORIZON_S = 0.25
"""How far ahead sends are planned; a worker then exchanges at least every 0.2 s, so no budget is idle in between."""
LATE_S = 0.25
"""A planned send that is later than this is given back: what is late bunches up with what is punctual."""
JITTER_S = 0.45
"""What a stalled process or a busy network may add between one request and the next."""
MOST_BURST_S = 1.0
"""More is not saved up even where a provider's quantum would allow it: pacing needs no more."""
DAY_S = 86_400.0


def burst_that_fits(quantum_s: float) -> float:
    """Seconds of rate that may be saved up where a provider counts over `quantum_s`: what lateness leaves of it."""
    return min(MOST_BURST_S, max(0.0, quantum_s - LATE_S - JITTER_S))


@dataclass
class Meter:
    """One limit: a level of units saved up, as of a time that may lie ahead of now by the horizon."""

    limit: float
    """Units per window."""
    window_s: float
    burst_s: float
    at: float
    share: float = SAFETY
    """Of the limit that is used."""
    counted_s: float = 0.0
    """Of a provider that counts in fixed windows their length; 0: it refills all the time."""
    largest: float = 1.0
    """The largest charge so far."""
    level: float = 0.0
    """A new meter is empty, so a new authority never spends a burst that an old one has spent already."""
    deepest: float = 0.0
    """The most that headers have ever said to be left: how deep the provider's bucket is."""
    predicted: float = 0.0
    """What should be left in that bucket if nobody but us spends of it."""

    def rate(self, scale: float) -> float:
        """Units a second. A fixed window may begin just before what is late arrives, and sees one request more than
        its length allows: its share of the limit leaves room for both."""
        rate = self.limit / self.window_s
        room = 1.0 - (self.largest / rate + LATE_S) / self.counted_s if self.counted_s else 1.0
        return rate * max(0.1, min(self.share, room)) * scale

    def refill(self, at: float, scale: float) -> None:
        if at > self.at:
            rate = self.rate(scale)
            self.level = min(rate * self.burst_s, self.level + rate * (at - self.at))
            self.predicted = min(self.deepest, self.predicted + self.limit / self.window_s * (at - self.at))
            self.at = at

    def spend(self, cost: float) -> None:
        self.largest = max(self.largest, cost)
        self.level -= cost
        self.predicted -= cost

    def opens(self, cost: float, scale: float) -> float:
        """When a request of this cost may go."""
        rate = self.rate(scale)
        missing = min(cost, rate * self.burst_s) - self.level
        return self.at + max(0.0, missing) / rate

    def empty(self, until: float) -> None:
        """Save nothing up before `until`; a debt stays."""
        self.level = min(self.level, 0.0)
        self.at = max(self.at, until)


class Meters:
    """All limits of one pool on requests and tokens."""

    def __init__(self, charging: Charging, now: float) -> None:
        self.quantum_s, self._charging = charging.quantum_s, charging
        self.scale = 1.0
        self._meters: dict[MeterName, Meter] = {}
        self._now = now

    def __bool__(self) -> bool:
        return bool(self._meters)

    @property
    def per_minute(self) -> bool:
        """Whether any limit is stated per minute; a day's limit alone says nothing about the pace."""
        return any(meter.window_s < DAY_S for meter in self._meters.values())

    def limit(self, name: MeterName) -> float | None:
        meter = self._meters.get(name)
        return meter.limit if meter else None

    def advance(self, now: float) -> None:
        for meter in self._meters.values():
            meter.refill(now, self.scale)
        self._now = max(self._now, now)

    def set_limit(self, name: MeterName, limit: float, remaining: float | None = None) -> None:
        """Follow a limit. A day's begins with what is left of it: its budget is a stock, not a pace."""
        meter = self._meters.get(name)
        if meter is None:
            window = WINDOW_S[name]
            burst = DAY_S if window >= DAY_S else burst_that_fits(self.quantum_s)
            is_produced = name == "output_tokens" and self._charging.rule == "as_produced"
            share, counted_s = SAFETY_PRODUCED if is_produced else SAFETY, self._charging.windows_s.get(name, 0.0)
            meter = self._meters[name] = Meter(limit, window, burst, self._now, share, counted_s)
            if window >= DAY_S:
                meter.level = limit if remaining is None else min(limit, remaining)
        if limit != meter.limit:  # how deep the provider's bucket is now is not known yet
            meter.deepest = meter.predicted = 0.0
        meter.limit = limit

    def note_remaining(self, name: MeterName, remaining: float) -> bool:
        """Compare what is left by the provider's word with what should be; True if somebody else spends too.

        Half of the deepest that the provider's bucket was ever seen, missing without us, is a second tenant, or a
        rule that charges more than we think.
        """
        meter = self._meters.get(name)
        if meter is None or meter.window_s >= DAY_S or meter.counted_s:
            return False
        if remaining > meter.deepest:
            meter.predicted += remaining - meter.deepest
            meter.deepest = remaining
        is_bucket = meter.deepest >= meter.limit / meter.window_s / 2
        return is_bucket and meter.predicted - remaining > meter.deepest / 2

    def shorten_burst(self) -> bool:
        """Assume that the provider counts over half the time; False if nothing is left to shorten."""
        if burst_that_fits(self.quantum_s) == 0.0:
            return False
        self.quantum_s /= 2
        for meter in self._meters.values():
            meter.burst_s = min(meter.burst_s, burst_that_fits(self.quantum_s)) if meter.window_s < DAY_S else DAY_S
        return True

    def empty(self, until: float) -> None:
        for meter in self._meters.values():
            if meter.window_s < DAY_S:
                meter.empty(until)

    def give_back(self, costs: Cost) -> None:
        """Unused permission comes back, as far as it may be saved up."""
        for name, meter in self._meters.items():
            meter.spend(-costs.on(name))
            meter.level = min(meter.level, meter.rate(self.scale) * meter.burst_s)

    def plan(self, costs: Sequence[Cost], now: float) -> list[float]:
        """When each of these may be sent, in their order, as far as the horizon reaches; they are charged."""
        times: list[float] = []
        for cost in costs:
            at = now
            for name, meter in self._meters.items():
                at = max(at, meter.opens(cost.on(name), self.scale))
            if at > now + HORIZON_S:
                break
            for name, meter in self._meters.items():
                meter.refill(at, self.scale)
                meter.spend(cost.on(name))
            times.append(at)
        return times

    def state(self) -> Mapping[MeterName, float]:
        """The limits as they are now, for a restart."""
        return {name: meter.limit for name, meter in self._meters.items()}

    def stocks(self) -> Mapping[MeterName, float]:
        """What is left of each day's limit: it does not come back with a restart."""
        return {name: meter.level for name, meter in self._meters.items() if meter.window_s >= DAY_S}

    def set_stocks(self, left: Mapping[MeterName, float]) -> None:
        for name, level in left.items():
            self._meters[name].level = level
