"""A limit that grows with steady success, as hosts of open weights have it. Pure.

Together, "Rate limits": each organisation has "a dynamic rate per model" that follows "recent successful usage"; above
it a request gets 429, below it and without capacity 503; "the exact formula is evolving". The formula here is ours: the
limit is `growth` times the rate of successes over about the last `growth_seconds`, never under the limit that the
switches name, and at most `growth_max` times it.
"""

from __future__ import annotations

import math

from infra.simulated_teacher.switches import Switches

_STEP_SECONDS = 1.0


class Growth:
    """`factor` multiplies the limits a minute; it is set anew at most once a second."""

    def __init__(self, now: float) -> None:
        self.factor = 1.0
        self._successes = 0.0
        self._at = now
        self._grown_at = now
        self._seconds = 60.0

    def _decay(self, now: float) -> None:
        self._successes *= math.exp(-(now - self._at) / self._seconds)
        self._at = now

    def succeeded(self, now: float) -> None:
        self._decay(now)
        self._successes += 1

    def grown(self, switches: Switches, now: float) -> bool:
        """True when the factor has changed."""
        if now - self._grown_at < _STEP_SECONDS:
            return False
        self._grown_at, self._seconds = now, switches.growth_seconds
        self._decay(now)
        if not switches.rpm:
            return False
        a_minute = self._successes / self._seconds * 60
        factor = min(switches.growth_max, max(1.0, switches.growth * a_minute / switches.rpm))
        changed, self.factor = factor != self.factor, factor
        return changed
