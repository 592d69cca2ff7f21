"""How fast a pool sends (pure): its meters, slowed by 429s and by other tenants, and the way back. The clock is an
argument."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.ask.charge import Cost
from tasks.ask.exchange import Charging
from tasks.ask.headers import HeaderLimit
from tasks.ask.meter import Meters
from tasks.ask.providers import MeterName

LOWERED = 0.8
"""A 429 that neither a change of the limits nor a shorter quantum explains multiplies the rate by this, once for all
requests sent before it."""
SHARED = 0.9
"""What the headers' word of another tenant multiplies it by, at most once a second."""
LOWEST_SCALE = 0.02
RECOVERY_PER_S = 0.02
"""What a lowered rate regains each second."""
RAMP_FROM = 0.2
"""Share of the rate with which a provider that refuses sharp ramps is begun."""


class Pace:
    """The rates of one pool."""

    def __init__(self, charging: Charging, now: float) -> None:
        self._charging = charging
        self._meters = Meters(charging, now)
        self._meters.scale = RAMP_FROM if charging.ramp_s else 1.0
        self._ramp_until, self._scaled_at = now + charging.ramp_s, now
        self._lowered_at = self._changed_at = self._shared_at = float("-inf")

    @property
    def is_limited(self) -> bool:
        """Any limit is known."""
        return bool(self._meters)

    @property
    def per_minute(self) -> bool:
        """A limit per minute is known; a day's alone says nothing about the pace."""
        return self._meters.per_minute

    @property
    def scale(self) -> float:
        """Share of the known rates that is used at present."""
        return self._meters.scale

    @property
    def quantum_s(self) -> float:
        """Over which the provider is taken to count."""
        return self._meters.quantum_s

    def follow(self, stated: Mapping[MeterName, float]) -> None:
        """Keep to what the registry states, where that is lower than what is known."""
        for name, limit in stated.items():
            if limit < (self._meters.limit(name) or float("inf")):
                self._meters.set_limit(name, limit)

    def learn(self, limits: Mapping[MeterName, HeaderLimit], stated: Mapping[MeterName, float], now: float) -> None:
        """Follow the newest headers; a limit stated in the registry is never exceeded."""
        for name, header in limits.items():
            limit = min(header.limit, stated.get(name, header.limit))
            if limit < (self._meters.limit(name) or 0.0):
                self._changed_at = now
            self._meters.set_limit(name, limit, header.remaining)
            # Where output is charged as it is produced, what should be left is not known well enough to compare.
            if header.remaining is not None and self._charging.rule != "as_produced":
                self._note_remaining(name, header.remaining, now)

    def advance(self, now: float, hold_until: float) -> None:
        """Raise a lowered rate smoothly and refill the meters; nothing is regained during a pause."""
        since = max(self._scaled_at, min(hold_until, now))
        ramp = self._charging.ramp_s if now < self._ramp_until else 0.0
        per_s = (1.0 - RAMP_FROM) / ramp if ramp else RECOVERY_PER_S
        self._meters.advance(now)
        self._meters.scale = min(1.0, self._meters.scale + per_s * max(0.0, now - since))
        self._scaled_at = max(self._scaled_at, now)

    def slow_down(self, sent_at: float, now: float) -> bool:
        """A request that was sent then was one too many. False if it belongs to a cascade that is known already.

        A limit that has changed since explains it. Else the provider counts over a shorter time than was thought; only
        where none is left to shorten, the rate is lowered.
        """
        if sent_at <= self._lowered_at:
            return False
        self._lowered_at = now
        if self._changed_at <= sent_at and not self._meters.shorten_burst():
            self._scale_by(LOWERED)
        return True

    def hold(self, until: float) -> None:
        """Save nothing up before then."""
        self._meters.empty(until)

    def give_back(self, costs: Cost) -> None:
        """Permission that was not used."""
        self._meters.give_back(costs)

    def plan(self, costs: Sequence[Cost], now: float) -> list[float]:
        """When each of these may be sent, as far ahead as is planned; without a limit all of them at once."""
        return self._meters.plan(costs, now) if self._meters else [now] * len(costs)

    def state(self) -> dict[str, Any]:
        """What was learned, for a restart."""
        return {
            "limits": dict(self._meters.state()),
            "stocks": dict(self._meters.stocks()),
            "scale": self._meters.scale,
            "quantum_s": self._meters.quantum_s,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._meters.quantum_s = min(self._meters.quantum_s, state["quantum_s"])
        for name, limit in state["limits"].items():
            self._meters.set_limit(name, limit, remaining=0.0)
        self._meters.set_stocks(state["stocks"])
        self._meters.scale = state["scale"]

    def _note_remaining(self, name: MeterName, remaining: float, now: float) -> None:
        """Give way to whoever else spends of the limit."""
        if self._meters.note_remaining(name, remaining) and now - self._shared_at >= 1.0:
            self._shared_at = now
            self._scale_by(SHARED)

    def _scale_by(self, factor: float) -> None:
        self._meters.scale = max(LOWEST_SCALE, self._meters.scale * factor)
