"""A pool in virtual time: what it lets through, when it pauses, and when it gives up."""

import random
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ask.exchange import Counters, Failure, Grant, Limits, Report, RunTerms
from tasks.ask.quota import BURST_S, LEASE_S, MAX_CONCURRENCY, SAFETY, SILENT_S, START_CONCURRENCY, STORM_AFTER, Pool
from tasks.ask.reply import HeaderLimit


@dataclass
class Virtual:
    """A pool whose clock is moved by hand, and the workers at it."""

    limits: Limits = Limits()
    terms: RunTerms = RunTerms("run-1")
    now: float = 1000.0
    let_through: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pool = Pool(self.limits, self.now, random.Random(3))
        self.pool.open_run(self.terms, self.limits, self.now)

    def exchange(self, wants: int = 0, tokens: int = 100, worker: str = "a", **more: Any) -> Grant:
        report = Report(worker, "run-1", "teacher 'x' at http://x", (tokens,) * wants, **more)
        grant = self.pool.exchange(report, self.now)
        self.let_through += [(self.now, tokens)] * grant.requests
        return grant

    def run(self, seconds: float, wants: int = 50, step: float = 0.1, tokens: int = 100, worker: str = "a") -> int:
        before = len(self.let_through)
        end = self.now + seconds
        while self.now < end:
            self.now += step
            self.exchange(wants, tokens, worker)
        return len(self.let_through) - before

    def fails(self, outcome: str, count: int = 1, **more: Any) -> Grant:
        failure = Failure(outcome, more.pop("age_s", 0.0), **more)  # type: ignore[arg-type]
        return self.exchange(failures=(failure,) * count)


def most_in(events: list[tuple[float, int]], window: float) -> tuple[int, int]:
    """The most requests and tokens let through in any window of that length."""
    most_requests = most_tokens = start = tokens = 0
    for end, (at, amount) in enumerate(events):
        tokens += amount
        while events[start][0] <= at - window:
            tokens -= events[start][1]
            start += 1
        most_requests, most_tokens = max(most_requests, end - start + 1), max(most_tokens, tokens)
    return most_requests, most_tokens


@settings(max_examples=60, deadline=None)
@given(
    rpm=st.integers(6, 6000),
    tpm=st.integers(1000, 2_000_000),
    steps=st.lists(
        st.tuples(st.floats(0.01, 3.0), st.integers(0, 80), st.integers(1, 4000), st.sampled_from("abc")),
        min_size=20,
        max_size=120,
    ),
)
def test_no_window_ever_sees_more_than_rate_and_burst_and_one_request(
    rpm: int, tpm: int, steps: list[tuple[float, int, int, str]]
) -> None:
    pool = Virtual(Limits(rpm, tpm))
    for wait, wants, tokens, worker in steps:
        pool.now += wait
        pool.exchange(wants, tokens, worker)
    for window in (1.0, 10.0, 60.0):
        requests, tokens = most_in(pool.let_through, window)
        largest = max((amount for _, amount in pool.let_through), default=0)
        assert requests <= rpm / 60 * (window + BURST_S) + 1
        assert tokens <= tpm / 60 * (window + BURST_S) + largest


@pytest.mark.parametrize(("limits", "tokens", "share"), [
    (Limits(requests_per_minute=600), 10, lambda n: n / 600),
    (Limits(tokens_per_minute=60_000), 400, lambda n: n * 400 / 60_000),
    (Limits(6000, 60_000), 1500, lambda n: n * 1500 / 60_000),
])  # fmt: skip
def test_in_steady_state_nearly_all_of_the_rate_is_used(limits: Limits, tokens: int, share: Any) -> None:
    pool = Virtual(limits)
    pool.run(10, tokens=tokens)
    assert 0.96 <= share(pool.run(60, tokens=tokens)) <= 1.0


def test_a_new_authority_begins_without_a_burst() -> None:
    pool = Virtual(Limits(requests_per_minute=6000))
    assert pool.exchange(50).requests == 0


def test_a_request_larger_than_the_burst_goes_through_and_is_paid_off() -> None:
    pool = Virtual(Limits(tokens_per_minute=6000))
    pool.run(1, wants=1, tokens=3000)
    assert len(pool.let_through) == 1
    assert pool.run(25, wants=1, tokens=3000) == 0
    assert pool.run(10, wants=1, tokens=3000) == 1


def test_permission_that_was_not_used_comes_back() -> None:
    pool = Virtual(Limits(requests_per_minute=600))
    pool.now += 1.0
    granted = pool.exchange(50).requests
    assert granted >= 4
    assert pool.exchange(50).requests == 0
    assert pool.exchange(50, unused_requests=granted).requests == granted


def test_a_429_pauses_everybody_for_as_long_as_the_server_says() -> None:
    pool = Virtual(Limits(requests_per_minute=6000))
    pool.run(5)
    pool.fails("rate_limited", retry_after_s=7.0)
    held = pool.exchange(50, worker="b")
    assert held.requests == 0 and 7.0 <= held.hold_s <= 7.4
    assert pool.run(6.9, worker="b") == 0
    assert pool.run(2.0, worker="b") > 0


def test_after_a_pause_nothing_has_been_saved_up() -> None:
    pool = Virtual(Limits(requests_per_minute=6000))
    pool.run(5)
    pool.fails("rate_limited", retry_after_s=30.0)
    pool.now = pool.pool.hold_until
    assert pool.exchange(500).requests <= 1


def test_the_rate_is_lowered_once_for_all_that_was_sent_before_and_recovers_smoothly() -> None:
    once, often = Virtual(Limits(requests_per_minute=6000)), Virtual(Limits(requests_per_minute=6000))
    for pool, count in ((once, 1), (often, 20)):
        pool.run(5)
        pool.fails("rate_limited", count, retry_after_s=0.0, age_s=0.5)
    first = [once.run(1) for _ in range(16)]
    assert first == [often.run(1) for _ in range(16)]
    assert 70 <= first[1] <= 84 and first[15] >= 97
    assert all(later >= earlier - 1 for earlier, later in zip(first[1:], first[2:], strict=False))


def test_a_second_cascade_lowers_it_again() -> None:
    pool = Virtual(Limits(requests_per_minute=6000))
    for _ in range(2):
        pool.run(1)
        pool.fails("rate_limited", retry_after_s=0.0)
    assert 55 <= pool.run(1) <= 72


def test_without_retry_after_the_pauses_double() -> None:
    pool = Virtual(Limits(requests_per_minute=6000))
    pauses = []
    for _ in range(6):
        pool.now = pool.pool.hold_until + 0.1
        pauses.append(pool.fails("rate_limited").hold_s)
    assert all(0.5 * 2**n <= pause <= 2**n for n, pause in enumerate(pauses[:4]))
    assert max(pauses) <= 10.0


def test_headers_lower_the_rate_at_once_and_never_raise_it_above_the_registry() -> None:
    pool = Virtual(Limits(requests_per_minute=600))
    pool.run(5)
    pool.exchange(limits={"requests": HeaderLimit(60.0)})
    assert pool.run(60) <= 62
    pool.exchange(limits={"requests": HeaderLimit(6000.0)})
    pool.run(2)
    assert 580 <= pool.run(60) <= 600


def test_a_limit_that_nobody_stated_is_learned_from_the_first_headers() -> None:
    pool = Virtual()
    assert pool.exchange(200).expires_in_s is None
    pool.exchange(limits={"requests": HeaderLimit(120.0)})
    assert pool.exchange(200).expires_in_s == LEASE_S
    assert pool.run(60) <= 121


def test_of_two_teachers_on_one_account_the_lower_limit_holds() -> None:
    pool = Virtual(Limits(requests_per_minute=600))
    pool.pool.open_run(RunTerms("run-2"), Limits(requests_per_minute=60, concurrency=4), pool.now)
    pool.run(2)
    assert pool.run(60) <= 61
    assert pool.exchange(50).slots <= 4


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(1, 40),
    steps=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 30), st.booleans()), min_size=30, max_size=150),
)
def test_slots_in_use_never_exceed_the_limit(limit: int, steps: list[tuple[str, int, bool]]) -> None:
    pool = Virtual(Limits(concurrency=limit))
    slots, busy = dict.fromkeys("abcd", 0), dict.fromkeys("abcd", 0)
    for worker, wants, is_finished in steps:
        pool.now += 0.1
        if is_finished:
            busy[worker] = max(0, busy[worker] - wants)
        reported = busy[worker]
        grant_first = slots[worker]
        busy[worker] = max(busy[worker], min(grant_first, busy[worker] + wants))  # it goes on while it asks
        slots[worker] = pool.exchange(wants, worker=worker, in_flight=reported).slots
        busy[worker] = max(busy[worker], min(slots[worker], busy[worker] + wants))
        assert sum(busy.values()) <= limit


def test_slots_are_shared_when_a_second_worker_comes_and_come_back_when_it_leaves() -> None:
    pool = Virtual(Limits(concurrency=40))
    assert pool.exchange(100, worker="a").slots == 40
    assert pool.exchange(100, worker="b").slots == 0
    assert pool.exchange(100, worker="a", in_flight=40).slots == 20
    assert pool.exchange(100, worker="a", in_flight=20).slots == 20
    assert pool.exchange(100, worker="b").slots == 20
    pool.exchange(worker="a", leaving=True)
    assert pool.exchange(100, worker="b", in_flight=20).slots == 40


def test_slots_of_a_worker_that_fell_silent_come_back_once_the_teacher_must_be_done() -> None:
    pool = Virtual(Limits(concurrency=10), RunTerms("run-1", request_timeout_s=60.0))
    pool.exchange(100, worker="dead", in_flight=6)
    pool.now += SILENT_S + 59.9
    assert pool.exchange(100, worker="b").slots == 0, "it may have used all of its slots after its last word"
    pool.now += 0.2
    assert pool.exchange(100, worker="b").slots == 10


def test_slots_of_a_dead_worker_come_back_sooner_where_answers_are_quick() -> None:
    pool = Virtual(Limits(concurrency=10))
    pool.exchange(100, worker="dead", in_flight=10, slowest_s=3.0, counters=Counters(sent=9, answered=9))
    pool.now += SILENT_S + 5.9
    assert pool.exchange(100, worker="b").slots == 0
    pool.now += 0.2
    assert pool.exchange(100, worker="b").slots == 10
    assert pool.pool.snapshot("run-1", pool.now)[0].answered == 9


def test_unknown_concurrency_starts_low_doubles_and_falls_at_the_first_loss() -> None:
    pool = Virtual()
    slots = pool.exchange(1000).slots
    assert slots == START_CONCURRENCY
    for _ in range(8):
        pool.now += 0.2
        slots = pool.exchange(1000, in_flight=slots, answers=slots).slots
    assert slots == MAX_CONCURRENCY
    pool.fails("overloaded", 5, age_s=0.1)
    assert pool.exchange(1000).slots == MAX_CONCURRENCY * 3 // 4


def test_a_storm_lets_one_request_at_a_time_probe_and_an_answer_ends_it() -> None:
    pool = Virtual(Limits(requests_per_minute=60_000, concurrency=64))
    pool.run(1)
    assert not pool.fails("overloaded", 64).storm, "one cascade is not a storm"
    for _ in range(STORM_AFTER):
        pool.now += 0.1
        pool.fails("overloaded", 3)
    pool.now = pool.pool.hold_until + 0.1
    probe = pool.exchange(100)
    assert (probe.requests, probe.slots, probe.storm) == (1, 1, True)
    assert pool.exchange(100, worker="b", in_flight=0).slots == 0
    over = pool.exchange(100, answers=1)
    assert not over.storm and over.slots > 1


def test_a_storm_of_half_an_hour_ends_the_run_in_words() -> None:
    pool = Virtual(terms=RunTerms("run-1", patience_s=1800.0))
    probes = 0
    while (grant := pool.fails("overloaded", error="503: busy")).stop is None:
        pool.now = max(pool.now + 0.1, pool.pool.hold_until + 0.1)
        probes += 1
    assert grant.stop.failed and "http://x" in grant.stop.reason and "503: busy" in grant.stop.reason
    assert probes < 400, "it must not spin"
    assert pool.now >= 2800


def test_a_teacher_that_cannot_be_reached_ends_the_run_after_its_time() -> None:
    pool = Virtual(terms=RunTerms("run-1", unreachable_after_s=30.0))
    while (grant := pool.fails("connection", sent=False, error="refused")).stop is None:
        pool.now = max(pool.now + 0.5, pool.pool.hold_until)
    assert grant.stop.failed and "unreachable" in grant.stop.reason
    assert 1030 <= pool.now <= 1034


def test_a_pause_longer_than_the_patience_ends_the_run_at_once() -> None:
    pool = Virtual(terms=RunTerms("run-1", patience_s=1800.0))
    stop = pool.fails("rate_limited", retry_after_s=86_400.0).stop
    assert stop is not None and stop.failed


def test_unauthorised_stops_every_worker_of_the_run_and_no_other_run() -> None:
    pool = Virtual()
    pool.pool.open_run(RunTerms("run-2"), Limits(), pool.now)
    pool.fails("unauthorised", error="401: Incorrect API key provided")
    stop = pool.exchange(10, worker="b").stop
    assert stop is not None and stop.failed
    assert stop.reason.startswith("teacher 'x' at http://x") and "401" in stop.reason
    assert pool.pool.exchange(Report("c", "run-2", "teacher 'y'"), pool.now).stop is None


def test_rejected_from_the_start_stops_the_run_and_rejected_now_and_then_does_not() -> None:
    wrong, right = Virtual(), Virtual()
    right.exchange(answers=1)
    assert wrong.fails("rejected", 20, error="404: no such model").stop is not None
    assert right.fails("rejected", 500, error="400: too long").stop is None


def test_a_stop_reaches_a_worker_with_its_next_exchange_and_keeps_its_first_reason() -> None:
    pool = Virtual()
    pool.pool.stop_run("run-1", "cancelled")
    pool.pool.stop_run("run-1", "again")
    stop = pool.exchange(10).stop
    assert stop is not None and (stop.reason, stop.failed) == ("cancelled", False)


def test_a_worker_of_a_run_that_has_ended_is_told_to_stop() -> None:
    pool = Virtual()
    assert pool.pool.close_run("run-1", pool.now)
    assert pool.exchange(10).stop is not None


def test_a_snapshot_adds_up_workers_that_work_and_that_have_left() -> None:
    pool = Virtual()
    counters = Counters(sent=5, in_flight=2, answered=3)
    pool.exchange(worker="a", counters=counters)
    pool.exchange(worker="b", counters=counters)
    pool.exchange(worker="b", counters=replace(counters, in_flight=0, answered=5), leaving=True)
    total, _, _ = pool.pool.snapshot("run-1", pool.now)
    assert (total.sent, total.in_flight, total.answered) == (10, 2, 8)


def test_the_safety_margin_is_small() -> None:
    assert 0.98 <= SAFETY < 1.0
