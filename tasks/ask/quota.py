"""What one account's pool allows (pure): rates, slots, pauses, and when to give up. The clock is an argument.

Rates are meters that refill continuously and may go into debt by one request (GCRA): over any time `t` at
most `rate x t + burst + one request` is let through, a large request never starves, and nothing is clipped.
They start empty, so a new authority never spends a burst that an old one has spent already.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tasks.ask.exchange import Counters, Failure, Grant, Limits, Report, RunTerms, Stop, lowest
from tasks.ask.reply import Dimension, HeaderLimit

SAFETY = 0.99
"""Share of a stated limit that is used."""
BURST_S = 0.5
"""Seconds of rate that may be saved up; providers enforce within 1 to 2 s."""
LEASE_S = 0.5
"""A permission that was not used by then is returned."""
LOWERED = 0.8
"""A 429 multiplies the rate by this, once for all requests sent before it."""
RECOVERY_PER_S = 0.02
"""What a lowered rate regains each second."""
FEWER = 0.75
"""An overloaded reply or a timeout multiplies the adaptive concurrency by this, once per cascade."""
START_CONCURRENCY, MAX_CONCURRENCY = 32, 256
"""Where nothing is stated: doubled per round of answers until the first loss, then one more per round."""
SILENT_S = 2.0
"""A worker that has not exchanged for so long is dead, or sends nothing until it has."""
STORM_AFTER = 5
"""Rounds of failures, with no answer between, after which one request at a time probes whether it is over. A
round is what was sent before its first failure was known."""
PAUSE_S, MAX_PAUSE_S = 1.0, 10.0
"""The pause after a 429 without Retry-After, doubled for each cascade in a row."""
REJECTED_AT_FIRST = 20
"""So many rejected requests before any answer mean that the recipe is wrong, not the rows."""


class Meter:
    """One rate: a level that refills continuously up to a burst, and lets a request through while above
    zero."""

    def __init__(self, per_minute: float, now: float) -> None:
        self.per_minute = per_minute
        self.level = 0.0
        self._at = now

    def refill(self, now: float, scale: float) -> None:
        rate = self.per_minute / 60.0 * SAFETY
        self.level = min(rate * BURST_S, self.level + rate * scale * max(0.0, now - self._at))
        self._at = max(self._at, now)

    def empty(self, until: float) -> None:
        """Save nothing up before `until`; a debt stays."""
        self.level = min(self.level, 0.0)
        self._at = max(self._at, until)


@dataclass
class Seat:
    """A worker at the table."""

    run_id: str
    assigned: int = 0
    """Slots it may use, as of the last grant."""
    held: int = 0
    """Slots it may be using: a grant lowers it only once the next report shows that it has arrived."""
    in_flight: int = 0
    wanted: int = 0
    seen: float = 0.0
    counters: Counters = Counters()


@dataclass
class RunState:
    """A run that asks through this pool."""

    terms: RunTerms
    teacher: str = ""
    """That was asked last, as errors name it."""
    stop: Stop | None = None
    left: Counters = Counters()
    """Of workers that have left."""
    answers: int = 0
    rejected: int = 0
    seen: float = 0.0


class Pool:
    """The limits of one account and pool, shared by all workers of all runs. Not thread-safe: one owner
    calls it."""

    def __init__(self, limits: Limits, now: float, rng: random.Random) -> None:
        self.stated = limits
        self._rng = rng
        self._meters: dict[Dimension, Meter] = {}
        self._scale, self._scaled_at, self._lowered_at = 1.0, now, float("-inf")
        self.hold_until = now
        self._slots = float(limits.concurrency or START_CONCURRENCY)
        self._max_slots = limits.concurrency or MAX_CONCURRENCY
        self._slowest_s = 0.0
        self._lost, self._fewer_at = False, float("-inf")
        self._seats: dict[str, Seat] = {}
        self._runs: dict[str, RunState] = {}
        self._rounds_failed, self._failed_at = 0, float("-inf")
        self._pauses_in_a_row = 0
        self._silent_since: float | None = None
        self._only_unsent = True
        self._set_rate("requests", limits.requests_per_minute, now)
        self._set_rate("tokens", limits.tokens_per_minute, now)

    @property
    def storm(self) -> bool:
        return self._rounds_failed >= STORM_AFTER

    def open_run(self, terms: RunTerms, limits: Limits, now: float) -> None:
        """Let a run ask. Where runs, or teachers of one, state different limits for the pool, the lowest
        holds."""
        self._runs[terms.run_id] = RunState(terms, seen=now)
        self.stated = lowest(self.stated, limits)
        self._set_rate("requests", self.stated.requests_per_minute, now)
        self._set_rate("tokens", self.stated.tokens_per_minute, now)
        if self.stated.concurrency is not None:
            self._max_slots = self.stated.concurrency
            self._slots = min(self._slots, float(self._max_slots))

    def close_run(self, run_id: str, now: float) -> bool:
        """End a run; True if no other run uses the pool. A run that was silent for its request timeout is
        gone."""
        self._runs.pop(run_id, None)
        for name in [name for name, seat in self._seats.items() if seat.run_id == run_id]:
            del self._seats[name]
        return not any(now - run.seen < run.terms.request_timeout_s for run in self._runs.values())

    def stop_run(self, run_id: str, reason: str) -> None:
        """Have a run's workers stop within one exchange; the first reason stays."""
        self._stop(run_id, Stop(reason, failed=False))

    def exchange(self, report: Report, now: float) -> Grant:
        """Take a worker's report and say what it may do next. Never waits."""
        run = self._runs.get(report.run_id)
        if run is None:
            return Grant(0, 0, None, stop=Stop("the run has ended", failed=False))
        run.seen, run.teacher = now, report.teacher
        seat = self._take_seat(report, now)
        self._recover(now)
        self._return_unused(report, now)
        self._learn(report.limits, now)
        self._note_answers(run, report.answers)
        self._slowest_s = max(self._slowest_s, report.slowest_s)
        for failure in report.failures:
            self._note_failure(run, failure, now)
        if report.leaving:
            run.left += replace(report.counters, in_flight=0)
            del self._seats[report.worker]
        if report.leaving or run.stop:
            return Grant(0, 0, None, stop=run.stop)
        return self._grant(report, seat, now)

    @property
    def seen(self) -> float:
        """When a run, or a worker of one, was last heard of."""
        return max((run.seen for run in self._runs.values()), default=float("-inf"))

    def snapshot(self, run_id: str, now: float) -> tuple[Counters, float, Stop | None]:
        """A run's counters, for how long the pool pauses, and why it stops, if it does. Renews the run."""
        run = self._runs.get(run_id)
        if run is None:
            return Counters(), 0.0, None
        run.seen = now
        seats = (seat.counters for seat in self._seats.values() if seat.run_id == run_id)
        return sum(seats, run.left), max(0.0, self.hold_until - now), run.stop

    # Rates

    def _set_rate(self, dimension: Dimension, per_minute: float | None, now: float) -> None:
        if per_minute is None:
            return
        meter = self._meters.setdefault(dimension, Meter(per_minute, now))
        meter.per_minute = per_minute

    def _learn(self, limits: Mapping[Dimension, HeaderLimit], now: float) -> None:
        """Follow the newest headers, read as per minute; a limit stated in the registry is never exceeded."""
        for dimension, header in limits.items():
            if dimension not in ("requests", "tokens"):
                continue
            stated = getattr(self.stated, f"{dimension}_per_minute")
            self._set_rate(dimension, min(header.limit, stated or header.limit), now)

    def _recover(self, now: float) -> None:
        """Raise a lowered rate smoothly and refill the meters; nothing is saved up during a pause."""
        since = max(self._scaled_at, min(self.hold_until, now))
        self._scale = min(1.0, self._scale + RECOVERY_PER_S * max(0.0, now - since))
        self._scaled_at = max(self._scaled_at, now)
        for meter in self._meters.values():
            meter.refill(now, self._scale)

    def _return_unused(self, report: Report, now: float) -> None:
        unused: dict[Dimension, int] = {"requests": report.unused_requests, "tokens": report.unused_tokens}
        for dimension, meter in self._meters.items():
            meter.level += unused[dimension]
            if now < self.hold_until:
                meter.empty(self.hold_until)

    # What happened

    def _note_answers(self, run: RunState, answers: int) -> None:
        if not answers:
            return
        run.answers += answers
        self._rounds_failed = self._pauses_in_a_row = 0
        self._silent_since, self._only_unsent = None, True
        if self._in_flight() >= self._slots / 2:  # an idle teacher proves nothing about a higher limit
            self._slots = min(self._max_slots, self._slots + (answers / self._slots if self._lost else answers))

    def _note_failure(self, run: RunState, failure: Failure, now: float) -> None:
        sent_at = now - failure.age_s
        if failure.outcome == "unauthorised":
            self._fail(run, f"unauthorised ({failure.error}): check the key and the account")
        elif failure.outcome == "rejected":
            run.rejected += 1
            if not run.answers and run.rejected >= REJECTED_AT_FIRST:
                self._fail(run, f"{failure.error} (to each of the first {run.rejected} requests); check the recipe")
        elif failure.outcome in ("rate_limited", "overloaded", "timeout", "connection"):
            self._note_trouble(run, failure, sent_at, now)

    def _note_trouble(self, run: RunState, failure: Failure, sent_at: float, now: float) -> None:
        if sent_at > self._failed_at:
            self._rounds_failed, self._failed_at = self._rounds_failed + 1, now
        self._silent_since = sent_at if self._silent_since is None else self._silent_since
        self._only_unsent &= not failure.sent
        if failure.outcome == "rate_limited":
            self._lower(failure, sent_at, now)
        if failure.outcome in ("overloaded", "timeout") or (failure.outcome == "rate_limited" and not self._meters):
            self._have_fewer(sent_at, now)
        if failure.outcome == "overloaded" and (failure.retry_after_s or self.storm):
            self._pause(failure.retry_after_s, now)
        if failure.outcome == "connection" and self.storm:
            self._pause(None, now, most=2.0)  # refused connections cost the teacher nothing; look often
        self._lose_patience(run, failure, now)

    def _lower(self, failure: Failure, sent_at: float, now: float) -> None:
        """Pause for as long as the server says, and go on slower; once for all requests sent before."""
        cascade = sent_at <= self._lowered_at
        if not cascade:
            self._lowered_at = now
            self._scale *= LOWERED
        if failure.retry_after_s is not None or not cascade:
            self._pause(failure.retry_after_s, now)

    def _pause(self, retry_after_s: float | None, now: float, most: float = MAX_PAUSE_S) -> None:
        if retry_after_s is None:
            if now < self.hold_until:
                return
            pause = min(most, PAUSE_S * 2.0 ** min(self._pauses_in_a_row, 10)) * self._rng.uniform(0.5, 1.0)
            self._pauses_in_a_row += 1
        else:
            pause = retry_after_s * self._rng.uniform(1.0, 1.05)  # a minimum; not everybody back at one instant
        self.hold_until = max(self.hold_until, now + pause)
        for meter in self._meters.values():
            meter.empty(self.hold_until)

    def _have_fewer(self, sent_at: float, now: float) -> None:
        if sent_at > self._fewer_at:
            self._lost, self._fewer_at = True, now
            self._slots = max(1.0, self._slots * FEWER)

    def _lose_patience(self, run: RunState, failure: Failure, now: float) -> None:
        silent = now - (self._silent_since if self._silent_since is not None else now)
        wait, why = self.hold_until - now, failure.error
        if self._only_unsent and silent >= run.terms.unreachable_after_s:
            self._fail(run, f"has been unreachable for {silent:.0f} s ({why}): start it, or correct base_url")
        elif silent >= run.terms.patience_s:
            self._fail(run, f"has answered nothing for {silent:.0f} s ({why}): run again later")
        elif wait > run.terms.patience_s:
            self._fail(run, f"asks to wait for {wait:.0f} s ({why}): run again after that")

    def _fail(self, run: RunState, what: str) -> None:
        self._stop(run.terms.run_id, Stop(f"{run.teacher} {what}", failed=True))

    def _stop(self, run_id: str, stop: Stop) -> None:
        if run_id in self._runs and self._runs[run_id].stop is None:
            self._runs[run_id].stop = stop

    # Who may do what

    def _take_seat(self, report: Report, now: float) -> Seat:
        seat = self._seats.setdefault(report.worker, Seat(report.run_id))
        seat.in_flight, seat.seen, seat.counters = report.in_flight, now, report.counters
        seat.wanted = report.in_flight + report.ready + len(report.wants)
        seat.held = max(seat.assigned, report.in_flight)
        for name, other in list(self._seats.items()):
            if now - other.seen > SILENT_S:
                self._give_up(name, other, now)
        return seat

    def _give_up(self, name: str, seat: Seat, now: float) -> None:
        """Free the slots of a worker that fell silent once the teacher must be done with its requests.

        It sends nothing more by then, but up to all of its slots may be in use, and the teacher may go on
        with a dead client's requests: they count for twice as long as the slowest answer so far.
        """
        run = self._runs.get(seat.run_id)
        seat.wanted = 0
        longest = run.terms.request_timeout_s if run else 0.0
        if now - seat.seen > SILENT_S + min(longest, 2 * self._slowest_s or longest):
            if run:
                run.left += replace(seat.counters, in_flight=0)
            del self._seats[name]

    def _in_flight(self) -> int:
        return sum(seat.in_flight for seat in self._seats.values())

    def _grant(self, report: Report, seat: Seat, now: float) -> Grant:
        hold = max(0.0, self.hold_until - now)
        slots = self._assign(seat)
        wants = () if hold else report.wants
        if self.storm:
            wants = wants[:1]
        granted = self._permit(wants)
        expires = LEASE_S if self._meters else None
        return Grant(granted, slots, expires, hold, self.storm)

    def _assign(self, seat: Seat) -> int:
        """A fair share of the slots that others cannot be using."""
        limit = 1 if self.storm else int(self._slots)
        others = [other for other in self._seats.values() if other is not seat]
        free = limit - sum(other.held for other in others)
        askers = 1 + sum(1 for other in others if other.wanted)
        unwanted = sum(max(0, limit // askers - other.wanted) for other in others if other.wanted)
        share = max(1, -(-limit // askers) + unwanted)
        before, seat.assigned = seat.assigned, max(0, min(share, free, seat.wanted))
        seat.held = max(seat.assigned, before, seat.in_flight)
        return seat.assigned

    def _permit(self, wants: tuple[int, ...]) -> int:
        for index, tokens in enumerate(wants):
            if any(meter.level <= 0.0 for meter in self._meters.values()):
                return index
            for dimension, meter in self._meters.items():
                meter.level -= tokens if dimension == "tokens" else 1
        return len(wants)
