"""What one account's pool allows (pure): rates, slots, pauses, and when to give up. The clock is an argument."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tasks.ask.averages import Averages
from tasks.ask.charge import Cost, Want, charge
from tasks.ask.exchange import UNKNOWN, Charging, Counters, Failure, Grant, Limits, Report, RunTerms, Stop, lowest
from tasks.ask.meter import HORIZON_S, LATE_S
from tasks.ask.pace import Pace
from tasks.ask.providers import MeterName
from tasks.ask.seats import Seat, Table
from tasks.ask.slots import SLOW_START, START_CONCURRENCY, Slots

STORM_AFTER = 5
"""Rounds of failures, with no answer between, after which one request at a time probes whether it is over. A
round is what was sent before its first failure was known."""
PAUSE_S, MAX_PAUSE_S = 1.0, 10.0
"""The pause after a 429 without Retry-After, doubled for each cascade in a row."""
REJECTED_AT_FIRST = 20
"""So many rejected requests before any answer mean that the recipe is wrong, not the rows."""
OF_A_DAY: frozenset[MeterName] = frozenset({"requests_per_day", "tokens_per_day"})
AHEAD_S = 1.5
"""A batch that will be sent in less than this is running dry: its lane may begin the next one."""


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


@dataclass(frozen=True)
class Snapshot:
    """How a run is."""

    counters: Counters = Counters()
    held_s: float = 0.0
    stop: Stop | None = None
    dry: frozenset[str] = frozenset()
    """Workers whose batch is as good as sent."""


class Pool:
    """The limits of one account and pool, shared by all workers of all runs. Not thread-safe: one owner
    calls it."""

    def __init__(self, limits: Limits, now: float, rng: random.Random, charging: Charging = UNKNOWN) -> None:
        self.stated, self.charging = limits, charging
        self._rng = rng
        self._pace = Pace(charging, now)
        self._slots = Slots(limits.concurrency, START_CONCURRENCY if charging.rule == "concurrency" else SLOW_START)
        self._table = Table()
        self._averages: dict[str, Averages] = {}
        self._runs: dict[str, RunState] = {}
        self._learning_until = float("-inf")
        self.hold_until = now
        self._rounds_failed, self._failed_at = 0, float("-inf")
        self._pauses_in_a_row = 0
        self._silent_since: float | None = None
        self._unreached_since: float | None = None
        """When the first connection failed after the last request that reached the teacher."""
        self._set_stated()

    @property
    def storm(self) -> bool:
        return self._rounds_failed >= STORM_AFTER

    def open_run(self, terms: RunTerms, limits: Limits, now: float) -> None:
        """Let a run ask. Where runs, or teachers of one, state different limits for the pool, the lowest
        holds."""
        self._runs[terms.run_id] = RunState(terms, seen=now)
        self.stated = lowest(self.stated, limits)
        self._set_stated()

    def clash(self, charging: Charging, now: float) -> str | None:
        """Why a run that counts the limits by another rule cannot share them now; None if it can."""
        users = self._users(now)
        if charging.rule == self.charging.rule or not users:
            return None
        return (
            f"run {users[0]} counts the same limits by the rule '{self.charging.rule}', and this one's registry says "
            f"'{charging.rule}': correct quota.charge or provider in one of the entries, or wait for that run to end"
        )

    def close_run(self, run_id: str, now: float) -> bool:
        """End a run; True if no other run uses the pool."""
        self._runs.pop(run_id, None)
        for seat in self._table:
            if seat.run_id == run_id:
                self._table.leave(seat)
        return not self._users(now)

    def _users(self, now: float) -> list[str]:
        """The runs that use the pool, the first opened first; one that was silent for its request timeout is gone."""
        return [run_id for run_id, run in self._runs.items() if now - run.seen < run.terms.request_timeout_s]

    def stop_run(self, run_id: str, reason: str) -> None:
        """Have a run's workers stop within one exchange; the first reason stays."""
        self._stop(run_id, Stop(reason, failed=False))

    def exchange(self, report: Report, now: float) -> Grant:
        """Take a worker's report and say what it may do next. Never waits."""
        run = self._runs.get(report.run_id)
        if run is None:
            return Grant(stop=Stop("the run has ended", failed=False))
        run.seen, run.teacher = now, report.teacher
        seat = self._table.take(report, now)
        self._forget_the_dead(now)
        self._pace.advance(now, self.hold_until)
        self._pace.give_back(report.back)
        if now < self.hold_until:
            self._pace.hold(self.hold_until)
        self._pace.learn(report.limits, self.stated.rates, now)
        if self._pace.per_minute:
            self._slots.set_paced()
        self._note_answers(run, report)
        for failure in report.failures:
            self._note_failure(run, failure, now)
        if report.leaving:
            run.left += replace(report.counters, in_flight=0)
            self._table.leave(seat)
        if report.leaving or run.stop:
            return Grant(stop=run.stop)
        return self._grant(report, seat, now)

    def note_queue(self, waiting: float, running: float, now: float) -> None:
        """What a self-hosted server's own metrics say of its queue."""
        self._slots.note_queue(waiting, running, now)

    @property
    def seen(self) -> float:
        """When a run, or a worker of one, was last heard of."""
        return max((run.seen for run in self._runs.values()), default=float("-inf"))

    def snapshot(self, run_id: str, now: float) -> Snapshot:
        """A run's counters, for how long the pool pauses, why it stops if it does. Renews the run."""
        run = self._runs.get(run_id)
        if run is None:
            return Snapshot()
        run.seen = now
        seats = [seat for seat in self._table if seat.run_id == run_id]
        counters = sum((seat.counters for seat in seats), run.left)
        dry = frozenset(seat.worker for seat in seats if seat.is_dry(AHEAD_S))
        return Snapshot(counters, max(0.0, self.hold_until - now), run.stop, dry)

    # A restart

    def state(self, now: float) -> dict[str, Any]:
        """What a restarted authority must know, as JSON: the runs, who may be using slots, and what was learned."""
        return {
            "runs": [asdict(run) for run in self._runs.values()],
            "seats": [(seat.worker, seat.run_id, seat.held) for seat in self._table],
            "slowest_s": self._table.slowest_s,
            "hold_s": max(0.0, self.hold_until - now),
            "stated": asdict(self.stated),
            "pace": self._pace.state(),
            "slots": self._slots.state(),
            "averages": {teacher: asdict(known) for teacher, known in self._averages.items()},
        }

    def restore(self, state: Mapping[str, Any], now: float) -> None:
        """Go on after a restart. What the last authority has granted may still be on its way, so nothing new is
        granted until that has expired; and the slots that a worker held count as its own until it says what it has in
        flight, or is dead."""
        self.stated = lowest(self.stated, Limits(**state["stated"]))
        self._set_stated()
        self._pace.restore(state["pace"])
        self._slots.restore(state["slots"])
        self._averages = {teacher: Averages(**known) for teacher, known in state["averages"].items()}
        self._learning_until = now + HORIZON_S + LATE_S
        self.hold_until = now + state["hold_s"]
        self._pace.hold(max(self._learning_until, self.hold_until))
        for run in state["runs"]:
            terms, stop = RunTerms(**run["terms"]), Stop(**run["stop"]) if run["stop"] else None
            left = Counters(**run["left"])
            self._runs[terms.run_id] = RunState(
                terms, run["teacher"], stop, left, run["answers"], run["rejected"], seen=now
            )
        self._table.slowest_s = state["slowest_s"]
        for worker, run_id, held in state["seats"]:
            self._table.remember(worker, run_id, held, now)

    def _set_stated(self) -> None:
        self._pace.follow(self.stated.rates)
        self._slots.set_stated(self.stated.concurrency)
        if self._pace.per_minute:
            self._slots.set_paced()

    # What happened

    def _note_answers(self, run: RunState, report: Report) -> None:
        if not report.answers:
            return
        run.answers += report.answers
        self._rounds_failed = self._pauses_in_a_row = 0
        self._silent_since = self._unreached_since = None
        if known := self._averages.get(report.teacher):
            known.note(report)
        # What is paced by a rate does not come faster by more slots, so there is no step to judge.
        tokens = 0 if self._pace.per_minute else report.answer_tokens
        self._slots.note_answers(report.answers, report.answer_s, tokens, self._table.in_flight)

    def _note_failure(self, run: RunState, failure: Failure, now: float) -> None:
        sent_at = now - failure.age_s
        if failure.outcome == "unauthorised":
            self._fail(run, f"unauthorised ({failure.error}): check the key, the account and the model")
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
        if not failure.sent:
            self._unreached_since = sent_at if self._unreached_since is None else self._unreached_since
        elif self._unreached_since is not None and sent_at > self._unreached_since:
            self._unreached_since = None  # what was in flight when the teacher went away says nothing of it now
        if failure.outcome == "rate_limited":
            self._lower(failure, sent_at, now)
        if failure.outcome in ("overloaded", "timeout") or (
            failure.outcome == "rate_limited" and not self._pace.per_minute
        ):
            self._slots.note_loss(sent_at, now)
        if failure.outcome == "overloaded" and (failure.retry_after_s or self.storm):
            self._pause(failure.retry_after_s, now)
        if failure.outcome == "connection" and self.storm:
            self._pause(None, now, most=2.0)  # refused connections cost the teacher nothing; look often
        self._lose_patience(run, failure, now)

    def _lower(self, failure: Failure, sent_at: float, now: float) -> None:
        """Pause for as long as the server says, and go on slower; once for all requests sent before."""
        is_news = self._pace.slow_down(sent_at, now)
        if failure.retry_after_s is not None or is_news:
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
        self._pace.hold(self.hold_until)

    def _lose_patience(self, run: RunState, failure: Failure, now: float) -> None:
        silent = now - (self._silent_since if self._silent_since is not None else now)
        unreached = now - (self._unreached_since if self._unreached_since is not None else now)
        wait, why = self.hold_until - now, failure.error
        if unreached >= run.terms.unreachable_after_s:
            self._fail(run, f"has been unreachable for {unreached:.0f} s ({why}): start it, or correct base_url")
        elif silent >= run.terms.patience_s:
            self._fail(run, f"has answered nothing for {silent:.0f} s ({why}): run again later")
        elif failure.about in OF_A_DAY and failure.retry_after_s is None:
            self._fail(run, f"has given all that it gives in a day ({why}): run again tomorrow")
        elif wait > run.terms.patience_s:
            self._fail(run, f"asks to wait for {wait:.0f} s ({why}): run again after that")

    def _fail(self, run: RunState, what: str) -> None:
        self._stop(run.terms.run_id, Stop(f"{run.teacher} {what}", failed=True))

    def _stop(self, run_id: str, stop: Stop) -> None:
        if run_id in self._runs and self._runs[run_id].stop is None:
            self._runs[run_id].stop = stop

    # Who may do what

    def _forget_the_dead(self, now: float) -> None:
        longest = max(run.terms.request_timeout_s for run in self._runs.values())
        for seat in self._table.dead(now, longest):
            owner = self._runs.get(seat.run_id)
            if owner:
                owner.left += replace(seat.counters, in_flight=0)
            self._table.leave(seat)

    def _grant(self, report: Report, seat: Seat, now: float) -> Grant:
        hold = max(0.0, self.hold_until - now)
        if now < self._learning_until:
            return Grant(slots=report.in_flight, metered=self._pace.is_limited, hold_s=hold)
        slots = self._table.assign(seat, 1 if self.storm else self._slots.limit)
        wants = () if hold else report.wants[: 1 if self.storm else self._room(report, slots)]
        costs = self._costs(report.teacher, wants)
        times = self._pace.plan(costs, now)
        seat.note_granted(len(times), now)
        due = tuple(max(0.0, at - now) for at in times)
        return Grant(tuple(costs[: len(times)]), due, slots, self._pace.is_limited, hold, self.storm)

    def _room(self, report: Report, slots: int) -> int:
        """Requests that will find a slot in time: unused permission comes back later, and would be a burst in the
        making. Where no rate is limited nothing is charged, so there nothing comes back."""
        if not self._pace.is_limited:
            return len(report.wants)
        free = slots - report.in_flight - report.ready
        return max(0, free + self._table.turnover(slots, HORIZON_S + LATE_S))

    def _costs(self, teacher: str, wants: Sequence[Want]) -> list[Cost]:
        if not wants:
            return []
        known = self._averages.setdefault(teacher, Averages.unknown(max(want.max_tokens for want in wants)))
        return [charge(self.charging.rule, want, known.prompt_scale, known.mean) for want in wants]
