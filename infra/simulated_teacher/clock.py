"""Whose time it is: the machine's, or one that moves only when it is told to.

A virtual clock starts at 0 s, and at `VIRTUAL_EPOCH` on the wall. What is due when it is advanced happens in order,
each at its own time, before the call returns; what a client sends in answer to that happens at the time reached.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable
from itertools import count
from typing import Protocol

VIRTUAL_EPOCH = 1_767_225_600.0  # 2026-01-01T00:00:00Z


class Handle(Protocol):
    """Something that is going to happen."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """`now` is monotonic, `wall` Unix time, both in seconds."""

    def now(self) -> float: ...

    def wall(self) -> float: ...

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle: ...


class CallLater(Protocol):
    """The part of an event loop that waits."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Handle: ...


class RealClock:
    """The machine's time, from 0 on; `loop` waits, and is given once it runs."""

    def __init__(self, loop: CallLater | None = None) -> None:
        self.loop = loop
        self._began = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self._began

    def wall(self) -> float:
        return time.time()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        assert self.loop is not None, "the clock waits only once its loop runs"
        return self.loop.call_later(seconds, callback)


class _Due:
    """One callback of the virtual clock."""

    __slots__ = ("callback", "order", "when")

    def __init__(self, when: float, order: int, callback: Callable[[], None]) -> None:
        self.when, self.order = when, order
        self.callback: Callable[[], None] | None = callback

    def __lt__(self, other: _Due) -> bool:
        return (self.when, self.order) < (other.when, other.order)

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """Time that stands still until `advance`."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[_Due] = []
        self._order = count()

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return VIRTUAL_EPOCH + self._now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        due = _Due(self._now + max(0.0, seconds), next(self._order), callback)
        heapq.heappush(self._due, due)
        return due

    def next_in(self) -> float | None:
        """Seconds until something is due; None where nothing is."""
        while self._due and self._due[0].callback is None:
            heapq.heappop(self._due)
        return self._due[0].when - self._now if self._due else None

    def advance(self, seconds: float) -> int:
        """Moves on and does what comes due on the way; how many that were."""
        if not 0 <= seconds < math.inf:
            raise ValueError(f"time moves on by 0 s or more, not by {seconds!r}")
        end, done = self._now + seconds, 0
        while (wait := self.next_in()) is not None and self._now + wait <= end:
            due = heapq.heappop(self._due)
            self._now, callback = due.when, due.callback
            if callback is not None:
                callback()
                done += 1
        self._now = end
        return done

    def pending(self) -> int:
        """Callbacks that wait."""
        return sum(due.callback is not None for due in self._due)
