"""The referee's figures of a span of time: how much of the budget was used, lost and overdrawn. Pure.

`GET /referee/budget` gives them as JSON; ask when the run is over: the server does nothing else meanwhile. `from` and
`to` (seconds since the start; default: the last reset, and now) bound the span; `warmup=10` begins it 10 s after the
first request instead, `cooldown=2` ends it 2 s before the last admission. `at` splits the refusals, `windows=60,2`
adds windows.

- `dimensions`, for each that has a limit: `charged` is what the provider's rule took from it in the span, `allowed`
  what its rate gave in the span (a second tenant's share left out), `used` the one divided by the other. A full bucket
  at the start of the span is not in `allowed`, so `used` may pass 1 by one quantum. `idle` is the budget lost in the
  span, as units: refill that a full bucket could not hold, and what a window still held at its end; `idle_s` the same
  as seconds of the mean rate. `most` is for each window length the most that any sliding window (one of its ends
  left out) held, and `bound` the most that the rule admits in it at the present rate (one request larger than a quantum
  comes on top). Of `concurrency` the unit is a slot-second.
- `binding`: the dimension most used; `used` and `idle_s` once more are its own.
- `refused_429`, `refused_503`: in the span, by kind; `refused_before` and `refused_after` count 429s around `at`.
- `answered`, `delivered`, `output_tokens`: of answers that ended in the span; delivered: to a connected client.
- `first_request`, `last_admission`: times since the last reset, whatever the span.
- `changes`: every change of switches since the last reset, in or out of the span: see `_change`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from typing import Any

from infra.simulated_teacher.limits import DAY_IN_MINUTES, Limits
from infra.simulated_teacher.meters import allowed
from infra.simulated_teacher.timeline import DELIVERED, FAILED, Changed, Charges, Timeline, charges

# A response reaches a client, and what the client had already sent reaches the server, within this.
GRACE_SECONDS = 0.25
LIMIT_SWITCHES = frozenset(
    {"rpm", "tpm", "itpm", "otpm", "rpd", "limit_factor", "concurrency", "tenant_share", "burst_seconds"}
)
_WINDOW = 60.0
_USED_SHARE = 0.95
_USED_OVER_SECONDS = 5.0
_USED_STEP_SECONDS = 0.25


class Budget:
    """The figures of one timeline under one account's limits, as of `now`."""

    def __init__(self, timeline: Timeline, limits: Limits, now: float) -> None:
        limits.settle(now)
        self._line = timeline
        self._limits = limits
        self._now = now
        as_produced = limits.switches.output_charged == "as_produced"
        names = [name for name in limits.meters if name != "capacity"]
        if limits.concurrency:
            names.append("concurrency")
        self._charges = {name: charges(timeline, name, as_produced, now) for name in names}

    def report(self, start: float, end: float, windows: tuple[float, ...], at: float | None) -> dict[str, Any]:
        """The figures of the span; all times are those of the clock."""
        found = {name: self._dimension(name, start, end, windows) for name in self._charges}
        binding = max(found, key=lambda name: found[name]["used"], default=None)
        refused = [refused for refused in self._line.refused if start < refused.at <= end]
        ended = slice(bisect_right(self._line.ended, start), bisect_right(self._line.ended, end))
        report: dict[str, Any] = {
            "span_s": round(end - start, 6),
            "binding": binding,
            "used": found[binding]["used"] if binding else None,
            "idle_s": found[binding]["idle_s"] if binding else None,
            "dimensions": found,
            "refused_429": Counter(one.kind for one in refused if one.status == 429),
            "refused_503": Counter(one.kind for one in refused if one.status == 503),
            "first_request": min(self._line.received, default=None),
            "last_admission": max(self._line.admitted, default=None),
            "answered": sum(outcome != FAILED for outcome in self._line.outcome[ended]),
            "delivered": self._line.outcome[ended].count(DELIVERED),
            "output_tokens": int(sum(self._line.output[ended])),
            "changes": [self._change(number) for number in range(len(self._line.changes))],
        }
        if at is not None:
            over = [one.at for one in self._line.refused if one.status == 429]
            report["refused_before"] = sum(one < at for one in over)
            report["refused_after"] = sum(one >= at for one in over)
        return report

    def _allowed(self, name: str, start: float, end: float) -> float:
        if name == "concurrency":
            return allowed(self._limits.slot_rates, start, end)
        return self._limits.meters[name].allowed(start, end)

    def _dimension(self, name: str, start: float, end: float, windows: tuple[float, ...]) -> dict[str, Any]:
        taken, given = self._charges[name], self._allowed(name, start, end)
        charged = taken.within(start, end)
        found: dict[str, Any] = {
            "charged": round(charged, 3),
            "allowed": round(given, 3),
            "used": round(charged / given, 6) if given else 0.0,
        }
        if name == "concurrency":
            idle = max(0.0, given - charged)
            seconds = idle / given * (end - start) if given else 0.0
            return {
                **found,
                "limit": self._limits.concurrency,
                "idle": round(idle, 3),
                "idle_s": round(seconds, 6),
            }
        meter = self._limits.meters[name]
        idle = meter.idle.within(start, end)
        lengths = sorted({_WINDOW, meter.quantum, *windows})
        return {
            **found,
            "limit": self._limits.allowed[name],
            "per_s": (DAY_IN_MINUTES if name == "requests_day" else 1) * 60,
            "quantum_s": meter.quantum,
            "idle": round(idle, 3),
            "idle_s": round(idle / given * (end - start), 6) if given else 0.0,
            "most": {
                f"{length:g}": {
                    "held": round(taken.most(length, start, end), 3),
                    "bound": round(meter.bound(length), 3),
                }
                for length in lengths
            },
        }

    def _change(self, number: int) -> dict[str, Any]:
        """One change of switches, and what followed until the next: `in_flight` at the moment it came; `first_request`
        and `first_response`: seconds until the first of each (a response is what tells a client); `refused`: 429s that
        followed, that is requests over the new limit; of these `refused_untold` came before the first response and
        `GRACE_SECONDS` had passed, and `refused_told` later, for which the client has no excuse; `last_refused`:
        seconds until the last. For limits, `used_after`: the seconds after which, for the first time, five seconds on
        end use 95 % of what is now allowed in the dimension then most used; null where that has not happened yet."""
        change = self._line.changes[number]
        following = self._line.changes[number + 1].at if number + 1 < len(self._line.changes) else self._now
        refused = [one.at for one in self._line.refused if one.status == 429 and change.at <= one.at < following]
        first = _first(self._line.received, change.at, following)
        answers = (_first(self._line.ended, change.at, following), min(refused, default=None))
        told = min((answer for answer in answers if answer is not None), default=None)
        untold = sum(told is None or one <= told + GRACE_SECONDS for one in refused)
        return {
            "at": change.at,
            "switches": {name: list(values) for name, values in change.values.items()},
            "in_flight": change.in_flight,
            "first_request": _since(change, first),
            "first_response": _since(change, told),
            "refused": len(refused),
            "refused_untold": untold,
            "refused_told": len(refused) - untold,
            "last_refused": _since(change, max(refused, default=None)),
            "used_after": self._used_after(change.at, following) if LIMIT_SWITCHES & change.values.keys() else None,
        }

    def _used_after(self, start: float, end: float) -> float | None:
        steps = int((end - start - _USED_OVER_SECONDS) / _USED_STEP_SECONDS + 1e-9) + 1
        for step in range(max(0, steps)):
            at = start + step * _USED_STEP_SECONDS
            if any(self._is_used(name, taken, at) for name, taken in self._charges.items()):
                return round(at - start, 3)
        return None

    def _is_used(self, name: str, taken: Charges, start: float) -> bool:
        end = start + _USED_OVER_SECONDS
        given = self._allowed(name, start, end)
        return given > 0 and taken.within(start, end) >= _USED_SHARE * given


def _first(times: Any, start: float, end: float) -> float | None:
    at = bisect_left(times, start)
    return times[at] if at < len(times) and times[at] < end else None


def _since(change: Changed, at: float | None) -> float | None:
    return None if at is None else round(at - change.at, 6)
