"""What happened when: every admission, answer, refusal, broken connection and change, for figures made later. Pure.

About 60 bytes a request, in arrays; nothing is summed up until somebody asks. Times are those of the clock, in seconds.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

# Two times that a client meant to be a whole window apart are, up to rounding.
_ROUNDING = 1e-6


FAILED, LOST, DELIVERED = range(3)  # not answered; answered, and the client did not get it; answered


def _doubles() -> array[float]:
    return array("d")


@dataclass(frozen=True, slots=True)
class Refused:
    """One 429 or 503 of a limit."""

    at: float
    kind: str
    status: int


@dataclass(frozen=True, slots=True)
class Break:
    """A connection that broke with a question in flight: a planted reset, or a client that hung up. `in_flight` names
    all questions that were in flight then, this one first."""

    at: float
    kind: str
    question: str
    in_flight: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """Switches that were changed in mid-run: the old and the new value of each."""

    at: float
    in_flight: int
    values: Mapping[str, tuple[object, object]]


@dataclass(slots=True)
class Timeline:
    """Since `began`. Tokens of an admission are what the charge rule took; `late` what it took of an answer."""

    began: float = 0.0
    received: array[float] = field(default_factory=_doubles)
    admitted: array[float] = field(default_factory=_doubles)
    tokens: array[float] = field(default_factory=_doubles)
    prompt_tokens: array[float] = field(default_factory=_doubles)
    started: array[float] = field(default_factory=_doubles)
    ended: array[float] = field(default_factory=_doubles)
    late: array[float] = field(default_factory=_doubles)
    output: array[float] = field(default_factory=_doubles)
    outcome: array[int] = field(default_factory=lambda: array("b"))
    refused: list[Refused] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)
    changes: list[Changed] = field(default_factory=list)
    open: dict[int, tuple[str, float]] = field(default_factory=dict)

    def admit(self, number: int, question: str, tokens: float, prompt_tokens: float, now: float) -> None:
        self.admitted.append(now)
        self.tokens.append(tokens)
        self.prompt_tokens.append(prompt_tokens)
        self.open[number] = question, now

    def end(self, number: int, late: float, output: float, outcome: int, now: float) -> None:
        """The request is over, answered or not; one admitted before the last reset is not counted."""
        began = self.open.pop(number, None)
        if began is None:
            return
        self.started.append(began[1])
        self.ended.append(now)
        self.late.append(late)
        self.output.append(output)
        self.outcome.append(outcome)

    def broke(self, kind: str, number: int, question: str, now: float) -> None:
        others = (name for other, (name, _) in self.open.items() if other != number)
        self.breaks.append(Break(now, kind, question, (question, *others)))


class Charges:
    """Units charged over time, at once or evenly along an interval, as a function that can be asked for any span."""

    def __init__(self, parts: Iterable[tuple[float, float, float]]) -> None:
        """`parts`: from, to, units."""
        jumps: dict[float, float] = {}
        slopes: dict[float, float] = {}
        for start, end, units in parts:
            if end - start <= _ROUNDING:
                jumps[end] = jumps.get(end, 0.0) + units
            else:
                slope = units / (end - start)
                slopes[start] = slopes.get(start, 0.0) + slope
                slopes[end] = slopes.get(end, 0.0) - slope
        self._times = sorted(jumps.keys() | slopes.keys())
        self._slopes = list(accumulate(slopes.get(at, 0.0) for at in self._times))
        self._sums: list[float] = []
        self._ramps = bool(slopes)
        total, before, slope = 0.0, 0.0, 0.0
        for at, rises in zip(self._times, self._slopes, strict=True):
            total += slope * (at - before) + jumps.get(at, 0.0)
            self._sums.append(total)
            before, slope = at, rises

    def until(self, time: float) -> float:
        """Everything charged up to this time and at it."""
        at = bisect_right(self._times, time + _ROUNDING) - 1
        if at < 0:
            return 0.0
        return self._sums[at] + self._slopes[at] * max(0.0, time - self._times[at])

    def _before(self, time: float) -> float:
        """Everything charged up to this time, but not at it."""
        at = bisect_left(self._times, time - _ROUNDING) - 1
        if at < 0:
            return 0.0
        return self._sums[at] + self._slopes[at] * (time - self._times[at])

    def within(self, start: float, end: float) -> float:
        """Charged after `start`, up to and at `end`."""
        return self.until(end) - self.until(start)

    def most(self, window: float, start: float, end: float) -> float:
        """The most that any `window` seconds hold, one of their two ends left out, which end between two times."""
        ends = self._moments(start, end)
        most = max((self.within(at - window, at) for at in ends), default=0.0)
        if self._ramps:
            # A ramp goes on rising in a window that has lost nothing yet: up to where the next moment leaves it.
            later = [*ends, *(at + window for at in self._moments(start - window, end - window)), end]
            most = max(most, *(self._before(at) - self._before(at - window) for at in later))
        return most

    def _moments(self, start: float, end: float) -> list[float]:
        return self._times[bisect_left(self._times, start) : bisect_right(self._times, end)]


def charges(timeline: Timeline, dimension: str, as_produced: bool, now: float) -> Charges:
    """What was charged in one dimension; `concurrency` is charged a slot-second a second of each request."""
    return Charges(_parts(timeline, dimension, as_produced, now))


def _parts(line: Timeline, dimension: str, as_produced: bool, now: float) -> Iterator[tuple[float, float, float]]:
    if dimension == "concurrency":
        for start, end in zip(line.started, line.ended, strict=True):
            yield start, end, end - start
        for _, start in line.open.values():
            yield start, now, now - start
        return
    if dimension in ("tokens", "input_tokens"):
        units = line.tokens if dimension == "tokens" else line.prompt_tokens
        yield from zip(line.admitted, line.admitted, units, strict=True)
    elif dimension != "output_tokens":
        yield from ((at, at, 1.0) for at in line.admitted)
    if dimension in ("tokens", "output_tokens"):
        units = line.late if dimension == "tokens" else line.output
        begins = line.started if as_produced else line.ended
        yield from (part for part in zip(begins, line.ended, units, strict=True) if part[2])
