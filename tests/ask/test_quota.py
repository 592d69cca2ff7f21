"""A pool in virtual time: what it lets through, when it pauses, and when it gives up."""

import random
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ask.charge import Cost, Want
from tasks.ask.exchange import Charging, Counters, Failure, Grant, Limits, Report, RunTerms
from tasks.ask.headers import HeaderLimit
from tasks.ask.meter import HORIZON_S, LATE_S
from tasks.ask.quota import STORM_AFTER, Pool
from tasks.ask.seats import SILENT_S
from tasks.ask.slots import SLOW_START, START_CONCURRENCY


def rates(requests: float | None = None, tokens: float | None = None, concurrency: int | None = None) -> Limits:
    stated = {"requests": requests, "tokens": tokens}
    return Limits({name: limit for name, limit in stated.items() if limit is not None}, concurrency)  # type: ignore[misc]


@dataclass
class Virtual:
    """A pool whose clock is moved by hand, and the workers at it."""

    limits: Limits = Limits()
    terms: RunTerms = RunTerms("run-1")
    charging: Charging = Charging()
    now: float = 1000.0
    let_through: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pool = Pool(self.limits, self.now, random.Random(3), self.charging)
        self.pool.open_run(self.terms, self.limits, self.now)

    def exchange(self, wants: int = 0, tokens: int = 100, worker: str = "a", **more: Any) -> Grant:
        """`tokens` is what each of the wants is charged: all of it is max_tokens."""
        more.setdefault("left", wants)
        report = Report(worker, "run-1", "teacher 'x' at http://x", (Want(0, 0, tokens),) * wants, **more)
        grant = self.pool.exchange(report, self.now)
        self.let_through += [
            (self.now + due_s, cost.tokens) for cost, due_s in zip(grant.charged, grant.due_s, strict=True)
        ]
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


def a_strict_provider_refuses(events: list[tuple[float, int]], per_minute: float, quantum_s: float) -> list[float]:
    """When a provider that refills a bucket of `quantum_s` of its rate would have said 429: an independent count."""
    size, rate = max(1.0, per_minute / 60 * quantum_s), per_minute / 60
    level, last, refused = size, events[0][0] if events else 0.0, []
    for at, amount in events:
        level = min(size, level + (at - last) * rate)
        last = at
        if level + 1e-6 < min(amount, size):
            refused.append(at)
        level -= amount
    return refused


@settings(max_examples=80, deadline=None)
@given(
    rpm=st.integers(6, 60_000),
    tpm=st.integers(1000, 2_000_000),
    quantum_s=st.sampled_from([0.5, 1.0, 2.0, 10.0]),
    steps=st.lists(
        st.tuples(st.floats(0.01, 3.0), st.integers(0, 80), st.integers(1, 4000), st.sampled_from("abc")),
        min_size=20,
        max_size=120,
    ),
)
def test_a_provider_that_counts_strictly_over_its_quantum_refuses_nothing(
    rpm: int, tpm: int, quantum_s: float, steps: list[tuple[float, int, int, str]]
) -> None:
    pool = Virtual(rates(rpm, tpm), charging=Charging("sum", quantum_s))
    for wait, wants, tokens, worker in steps:
        pool.now += wait
        pool.exchange(wants, tokens, worker)
    assert not a_strict_provider_refuses([(at, 1) for at, _ in pool.let_through], rpm, quantum_s)
    assert not a_strict_provider_refuses(pool.let_through, tpm, quantum_s)


@settings(max_examples=40, deadline=None)
@given(
    rpm=st.integers(600, 60_000),
    tokens=st.integers(1, 400),
    late=st.lists(st.floats(0.0, LATE_S), min_size=50, max_size=50),
)
def test_nor_does_it_when_every_send_is_as_late_as_a_send_may_be(rpm: int, tokens: int, late: list[float]) -> None:
    pool = Virtual(rates(rpm, rpm * 200), charging=Charging("sum", 1.0))
    pool.run(20, wants=500, tokens=tokens)
    sent = sorted((at + late[n % 50], amount) for n, (at, amount) in enumerate(pool.let_through))
    assert not a_strict_provider_refuses([(at, 1) for at, _ in sent], rpm, 1.0)
    assert not a_strict_provider_refuses(sent, rpm * 200, 1.0)


@settings(max_examples=60, deadline=None)
@given(
    rpm=st.integers(60, 60_000),
    steps=st.lists(st.tuples(st.floats(0.01, 1.0), st.integers(0, 60), st.booleans()), min_size=20, max_size=80),
)
def test_nor_does_it_when_permission_comes_back_unused(rpm: int, steps: list[tuple[float, int, bool]]) -> None:
    pool, sent, back = Virtual(rates(rpm), charging=Charging("sum", 1.0)), [], Cost()
    for wait, wants, is_used in steps:
        pool.now += wait
        grant = pool.exchange(wants, 1, back=back)
        back = Cost() if is_used else Cost(len(grant.charged), len(grant.charged))
        sent += [(pool.now + due_s, 1) for due_s in grant.due_s if is_used]
    assert not a_strict_provider_refuses(sent, rpm, 1.0)


@pytest.mark.parametrize(("limits", "tokens", "share"), [
    (rates(600), 10, lambda n: n / 600),
    (rates(tokens=60_000), 400, lambda n: n * 400 / 60_000),
    (rates(6000, 60_000), 300, lambda n: n * 300 / 60_000),
    (rates(60_000), 10, lambda n: n / 60_000),
])  # fmt: skip
@pytest.mark.parametrize("workers", ["a", "abcdefgh"])
def test_in_steady_state_all_of_the_rate_but_the_safety_is_used(
    limits: Limits, tokens: int, share: Any, workers: str
) -> None:
    pool = Virtual(limits)
    rng = random.Random(5)
    waits = {worker: rng.uniform(0.1, 0.2) for worker in workers}
    before = None
    while pool.now < 1070.0:
        worker = min(waits, key=lambda name: waits[name])
        pool.now = 1000.0 + waits[worker]
        waits[worker] += rng.uniform(0.1, 0.2)
        pool.exchange(400, tokens, worker)
        if before is None and pool.now >= 1010.0:
            before = len(pool.let_through)
    assert 0.98 <= share(len(pool.let_through) - (before or 0)) <= 1.0


def test_a_new_authority_begins_without_a_burst() -> None:
    pool = Virtual(rates(6000))
    grant = pool.exchange(50)
    assert len(grant.charged) <= 6000 / 60 * HORIZON_S
    assert grant.due_s[-1] >= 0.9 * len(grant.charged) / 100, "one after another, not at once"


def test_a_request_larger_than_the_burst_goes_through_and_is_paid_off() -> None:
    pool = Virtual(rates(tokens=6000))
    pool.run(1, wants=1, tokens=3000)
    assert len(pool.let_through) == 1
    assert pool.run(28, wants=1, tokens=3000) == 0
    assert pool.run(4, wants=1, tokens=3000) == 1


def test_nobody_overtakes_a_large_request() -> None:
    pool = Virtual(rates(tokens=60_000))
    pool.run(1, wants=1, tokens=3000)
    wants = (Want(0, 0, 3000), *(Want(0, 0, 1) for _ in range(50)))
    pool.now += 0.5
    assert pool.pool.exchange(Report("b", "run-1", "teacher", wants), pool.now).charged == ()


def test_permission_that_was_not_used_comes_back() -> None:
    pool = Virtual(rates(600))
    pool.now += 1.0
    granted = pool.exchange(50).charged
    assert len(granted) >= 5
    assert len(pool.exchange(50).charged) == 0
    back = Cost(len(granted), sum(cost.tokens for cost in granted))
    assert len(pool.exchange(50, back=back).charged) == 3, "as far as it may be saved up"


@pytest.mark.parametrize(("rule", "expected"), [
    ("max_of", 500), ("sum", 600), ("unknown", 600), ("as_produced", 100 + 500),
])  # fmt: skip
def test_each_rule_charges_as_its_provider_does(rule: Any, expected: int) -> None:
    pool = Virtual(charging=Charging(rule))
    grant = pool.pool.exchange(Report("a", "run-1", "teacher", (Want(100, 400, 500),)), pool.now)
    assert grant.charged[0].tokens == expected


def test_what_is_charged_as_produced_follows_the_mean_of_the_answers() -> None:
    pool = Virtual(charging=Charging("as_produced"))
    long = Report("a", "run-1", "teacher 'x' at http://x", (Want(100, 400, 2048),))
    assert pool.pool.exchange(long, pool.now).charged[0].output_tokens == 2048
    pool.exchange(answers=200, answer_tokens=200 * 50)
    assert 50 <= pool.pool.exchange(long, pool.now).charged[0].output_tokens <= 65


def test_prompts_are_charged_as_the_server_counts_them() -> None:
    pool = Virtual(charging=Charging("sum"))
    pool.exchange(1)
    pool.exchange(answers=50, prompt_tokens=(10_000, 12_000))
    grant = pool.pool.exchange(Report("a", "run-1", "teacher 'x' at http://x", (Want(1000, 400, 10),)), pool.now)
    assert 1195 <= grant.charged[0].input_tokens <= 1200


def test_a_429_pauses_everybody_for_as_long_as_the_server_says() -> None:
    pool = Virtual(rates(6000))
    pool.run(5)
    pool.fails("rate_limited", retry_after_s=7.0)
    held = pool.exchange(50, worker="b")
    assert len(held.charged) == 0 and 7.0 <= held.hold_s <= 7.4
    assert pool.run(6.9, worker="b") == 0
    assert pool.run(2.0, worker="b") > 0


def test_after_a_pause_nothing_has_been_saved_up() -> None:
    pool = Virtual(rates(6000))
    pool.run(5)
    pool.fails("rate_limited", retry_after_s=30.0)
    pool.now = pool.pool.hold_until
    assert len(pool.exchange(500).charged) <= 6000 / 60 * HORIZON_S


def test_the_rate_is_lowered_once_for_all_that_was_sent_before_and_recovers_smoothly() -> None:
    once, often = Virtual(rates(6000)), Virtual(rates(6000))
    for pool, count in ((once, 1), (often, 20)):
        for _ in range(3):
            pool.run(2)
            pool.fails("rate_limited", count, retry_after_s=0.0, age_s=0.5)
    first = [once.run(1) for _ in range(16)]
    assert first == [often.run(1) for _ in range(16)]
    assert 70 <= first[1] <= 84 and first[15] >= 97
    assert all(later >= earlier - 1 for earlier, later in zip(first[1:], first[2:], strict=False))


def test_the_first_cascades_at_a_known_limit_shorten_the_burst_and_a_further_one_lowers_the_rate() -> None:
    pool, quanta, paces = Virtual(rates(6000)), [], []
    for _ in range(4):
        pool.run(2)
        pool.fails("rate_limited", retry_after_s=0.0)
        quanta.append(pool.pool._pace.quantum_s)
        paces.append(pool.run(1))
    assert quanta == [0.5, 0.5, 0.5, 0.5], "below that nothing is saved up at all"
    assert paces[0] >= 97 and 76 <= paces[1] <= 84 and paces[2] < paces[1]


def test_without_retry_after_the_pauses_double() -> None:
    pool = Virtual(rates(6000))
    pauses = []
    for _ in range(6):
        pool.now = pool.pool.hold_until + 0.1
        pauses.append(pool.fails("rate_limited").hold_s)
    assert all(0.5 * 2**n <= pause <= 2**n for n, pause in enumerate(pauses[:4]))
    assert max(pauses) <= 10.0


def test_headers_lower_the_rate_at_once_and_never_raise_it_above_the_registry() -> None:
    pool = Virtual(rates(600))
    pool.run(5)
    pool.exchange(limits={"requests": HeaderLimit(60.0)})
    assert pool.run(60) <= 62
    pool.exchange(limits={"requests": HeaderLimit(6000.0)})
    pool.run(2)
    assert 580 <= pool.run(60) <= 600


def test_a_limit_that_nobody_stated_is_learned_from_the_first_headers() -> None:
    pool = Virtual()
    assert not pool.exchange(200).metered
    pool.exchange(limits={"requests": HeaderLimit(120.0)})
    assert pool.exchange(200).metered
    assert pool.run(60) <= 121


def test_of_two_teachers_on_one_account_the_lower_limit_holds() -> None:
    pool = Virtual(rates(600))
    pool.pool.open_run(RunTerms("run-2"), rates(60, concurrency=4), pool.now)
    pool.run(2)
    assert pool.run(60) <= 61
    assert pool.exchange(50).slots <= 4


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(1, 40),
    steps=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 30), st.booleans()), min_size=30, max_size=150),
)
def test_slots_in_use_never_exceed_the_limit(limit: int, steps: list[tuple[str, int, bool]]) -> None:
    pool = Virtual(rates(concurrency=limit))
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
    pool = Virtual(rates(concurrency=40))
    assert pool.exchange(100, worker="a").slots == 40
    assert pool.exchange(100, worker="b").slots == 0
    assert pool.exchange(100, worker="a", in_flight=40).slots == 20
    assert pool.exchange(100, worker="a", in_flight=20).slots == 20
    assert pool.exchange(100, worker="b").slots == 20
    pool.exchange(worker="a", leaving=True)
    assert pool.exchange(100, worker="b", in_flight=20).slots == 40


def test_slots_of_a_worker_that_fell_silent_come_back_once_the_teacher_must_be_done() -> None:
    pool = Virtual(rates(concurrency=10), RunTerms("run-1", request_timeout_s=60.0))
    pool.exchange(100, worker="dead", in_flight=6)
    pool.now += SILENT_S + 59.9
    assert pool.exchange(100, worker="b").slots == 0, "it may have used all of its slots after its last word"
    pool.now += 0.2
    assert pool.exchange(100, worker="b").slots == 10


def test_slots_of_a_dead_worker_come_back_sooner_where_answers_are_quick() -> None:
    pool = Virtual(rates(concurrency=10))
    pool.exchange(100, worker="dead", in_flight=10, slowest_s=3.0, counters=Counters(sent=9, answered=9))
    pool.now += SILENT_S + 5.9
    assert pool.exchange(100, worker="b").slots == 0
    pool.now += 0.2
    assert pool.exchange(100, worker="b").slots == 10
    assert pool.pool.snapshot("run-1", pool.now).counters.answered == 9


def test_unknown_concurrency_starts_low_doubles_and_falls_at_the_first_loss() -> None:
    pool = Virtual()
    slots = pool.exchange(1000).slots
    assert slots == SLOW_START
    for _ in range(6):
        pool.now += 0.2
        slots = pool.exchange(1000, in_flight=slots, answers=slots).slots
    assert slots == 64 * SLOW_START
    pool.fails("overloaded", 5, age_s=0.1)
    assert pool.exchange(1000).slots == 48 * SLOW_START


def test_a_storm_lets_one_request_at_a_time_probe_and_an_answer_ends_it() -> None:
    pool = Virtual(rates(60_000, concurrency=64))
    pool.run(1)
    assert not pool.fails("overloaded", 64).storm, "one cascade is not a storm"
    for _ in range(STORM_AFTER):
        pool.now += 0.1
        pool.fails("overloaded", 3)
    pool.now = pool.pool.hold_until + 0.1
    probe = pool.exchange(100)
    assert (len(probe.charged), probe.slots, probe.storm) == (1, 1, True)
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


def test_what_was_in_flight_when_a_teacher_went_away_does_not_make_it_reachable() -> None:
    pool = Virtual(terms=RunTerms("run-1", unreachable_after_s=30.0))
    pool.fails("connection", 16, sent=True, age_s=0.4, error="reset")
    while (grant := pool.fails("connection", sent=False, error="refused")).stop is None:
        pool.now = max(pool.now + 0.5, pool.pool.hold_until)
        if pool.now > 1010:
            pool.fails("connection", sent=True, age_s=pool.now - 999.5, error="reset at last")
    assert grant.stop.failed and "unreachable" in grant.stop.reason
    assert 1030 <= pool.now <= 1034


def test_a_teacher_that_answers_with_errors_is_not_unreachable() -> None:
    pool = Virtual(terms=RunTerms("run-1", unreachable_after_s=30.0, patience_s=600.0))
    while pool.now < 1100:
        assert pool.fails("connection", sent=False, error="refused").stop is None
        pool.now = max(pool.now + 2.0, pool.pool.hold_until)
        assert pool.fails("overloaded", age_s=0.1, error="503").stop is None


@pytest.mark.parametrize(("wait_s", "is_over"), [(None, True), (40.0, False)])
def test_a_spent_day_ends_the_run_unless_the_provider_says_when_to_come_back(
    wait_s: float | None, is_over: bool
) -> None:
    pool = Virtual(terms=RunTerms("run-1", patience_s=1800.0))
    grant = pool.fails("rate_limited", retry_after_s=wait_s, about="requests_per_day", error="HTTP 429")
    assert (grant.stop is not None) is is_over
    assert grant.stop is None or "all that it gives in a day (HTTP 429): run again tomorrow" in grant.stop.reason


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
    total = pool.pool.snapshot("run-1", pool.now).counters
    assert (total.sent, total.in_flight, total.answered) == (10, 2, 8)


def test_a_limit_that_fell_is_kept_from_the_response_that_said_so_and_costs_no_further_decrease() -> None:
    pool = Virtual(rates())
    pool.exchange(limits={"requests": HeaderLimit(6000.0)})
    pool.run(5)
    failure = Failure("rate_limited", 0.3, retry_after_s=1.0)
    pool.exchange(limits={"requests": HeaderLimit(3000.0)}, failures=(failure,) * 5)
    pool.now = pool.pool.hold_until
    pool.run(2)
    assert 0.98 * 500 <= pool.run(10) <= 500


def test_a_limit_that_rose_is_used_at_once() -> None:
    pool = Virtual(rates())
    pool.exchange(limits={"requests": HeaderLimit(3000.0)})
    pool.run(5)
    pool.exchange(limits={"requests": HeaderLimit(6000.0)})
    assert pool.run(5, wants=200) >= 0.95 * 500


def test_another_tenant_is_seen_in_what_is_left_and_given_room() -> None:
    pool = Virtual(rates(6000))
    pool.exchange(limits={"requests": HeaderLimit(6000.0, 100.0)})
    pool.run(5)
    for _ in range(4):
        pool.exchange(limits={"requests": HeaderLimit(6000.0, 5.0)})
        pool.run(1)
    assert pool.run(1) <= 75
    pool.run(30)
    assert pool.run(1) >= 97


def test_a_request_that_uses_up_the_bucket_is_not_taken_for_another_tenant() -> None:
    pool = Virtual(rates(tokens=60_000))
    pool.exchange(limits={"tokens": HeaderLimit(60_000.0, 1000.0)})
    pool.run(1, wants=1, tokens=4000)
    pool.exchange(limits={"tokens": HeaderLimit(60_000.0, 0.0)})
    assert pool.pool._pace.scale == 1.0


def test_a_day_s_limit_is_a_stock_and_not_a_pace() -> None:
    pool = Virtual(rates(concurrency=5000))
    pool.exchange(limits={"requests_per_day": HeaderLimit(14_400.0, 300.0)})
    assert pool.run(2, wants=200) in range(300, 303)
    assert pool.run(10) <= 3, "then it comes back as slowly as a day goes"


def test_a_provider_that_refuses_sharp_ramps_is_begun_slowly() -> None:
    pool = Virtual(rates(6000), charging=Charging("sum", ramp_s=30.0))
    first = pool.run(1)
    pool.run(35)
    assert first <= 30 and pool.run(1) >= 97


def test_a_server_that_only_queues_is_not_asked_for_more_at_once() -> None:
    """Tokens a second stop growing at 100 in flight: each token takes longer in proportion."""
    pool, slots = Virtual(charging=Charging("concurrency")), START_CONCURRENCY
    for _ in range(60):
        pool.now += 1.0
        seconds = 0.01 * max(1.0, slots / 100)
        slots = pool.exchange(
            2000, in_flight=slots, answers=slots, answer_tokens=100 * slots, answer_s=100 * slots * seconds
        ).slots
    assert 64 <= slots <= 250


def test_a_queue_at_the_server_means_fewer_and_an_empty_one_more() -> None:
    pool = Virtual()
    slots = pool.exchange(1000, in_flight=START_CONCURRENCY).slots
    for second in range(5):
        pool.pool.note_queue(20.0, 32.0, pool.now + second)
    fewer = pool.exchange(1000, in_flight=slots).slots
    assert fewer == int(slots * 0.9**5)
    pool.pool.note_queue(0.0, 32.0, pool.now + 9)
    pool.now += 9
    assert pool.exchange(1000, in_flight=fewer, answers=3 * fewer).slots > fewer


def noted(pool: Virtual) -> dict[str, Any]:
    """What a restarted authority reads."""
    return dict(orjson.loads(orjson.dumps(pool.pool.state(pool.now))))


def restarted(pool: Virtual, limits: Limits | None = None) -> Virtual:
    again = Virtual(limits or Limits(), now=pool.now)
    again.pool.close_run("run-1", again.now)
    again.pool.restore(noted(pool), again.now)
    return again


def test_a_restarted_authority_counts_the_slots_of_workers_it_has_not_heard() -> None:
    pool = Virtual(Limits(concurrency=24))
    pool.exchange(24, in_flight=0, worker="a")
    pool.exchange(24, in_flight=24, worker="a")
    again = restarted(pool, Limits(concurrency=24))
    again.now += HORIZON_S + LATE_S + 0.01
    assert again.exchange(24, worker="b").slots == 0, "they may all be in flight for the silent one"
    assert again.exchange(24, in_flight=4, worker="a").slots == 12
    assert again.exchange(24, in_flight=12, worker="a").slots == 12
    assert again.exchange(24, worker="b").slots == 12


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), away=st.integers(1, 30), deaths=st.sets(st.integers(5, 60), min_size=1, max_size=3))
def test_no_more_slots_are_used_than_there_are_however_often_the_authority_dies(
    seed: int, away: int, deaths: set[int]
) -> None:
    """Three workers at 24 slots, in steps of 0.1 s; a note every second; while it is away they use what they have."""
    limit, rng = 24, random.Random(seed)
    pool, back_at = Virtual(Limits(concurrency=limit)), -1
    state = noted(pool)
    slots, in_flight = dict.fromkeys("abc", 0), dict.fromkeys("abc", 0)
    for step in range(100):
        pool.now += 0.1
        if step in deaths and step > back_at:
            back_at = step + away
        if step == back_at:
            pool = Virtual(Limits(concurrency=limit), now=pool.now)
            pool.pool.close_run("run-1", pool.now)
            pool.pool.restore(state, pool.now)
        for worker in "abc":
            in_flight[worker] -= rng.randint(0, in_flight[worker])
            if step >= back_at:
                wants = rng.choice([0, 3, 30])
                slots[worker] = pool.exchange(wants, in_flight=in_flight[worker], worker=worker).slots
            is_trusted = step >= back_at or step < back_at - away + SILENT_S * 10
            if is_trusted:
                in_flight[worker] = max(in_flight[worker], rng.randint(0, slots[worker]))
            assert sum(in_flight.values()) <= limit
        if step >= back_at and step % 10 == 0:
            state = noted(pool)


def test_a_restarted_authority_goes_on_with_a_pause_a_stop_and_what_is_left_of_the_day() -> None:
    pool = Virtual(Limits({"requests_per_day": 100.0}, concurrency=80))
    pool.exchange(60)
    pool.pool.stop_run("run-1", "somebody said so")
    pool.pool.hold_until = pool.now + 30.0
    again = restarted(pool, Limits({"requests_per_day": 100.0}))
    assert again.pool.hold_until == pool.now + 30.0
    grant = again.exchange(1)
    assert grant.stop is not None and grant.stop.reason == "somebody said so"
    assert 39 <= again.pool.state(again.now)["pace"]["stocks"]["requests_per_day"] <= 41


def test_a_restarted_authority_goes_on_with_the_slots_that_a_server_bears() -> None:
    pool = Virtual()
    for _ in range(5):
        pool.exchange(100, in_flight=32, failures=(Failure("overloaded", age_s=0.1),))
        pool.now += 1.0
    assert 1 <= pool.pool.state(pool.now)["slots"][0] < 10
    assert restarted(pool).pool.state(pool.now)["slots"] == pool.pool.state(pool.now)["slots"]


def test_a_restarted_authority_knows_the_runs_and_the_limits_and_waits_for_what_was_granted() -> None:
    pool = Virtual()
    pool.exchange(limits={"requests": HeaderLimit(6000.0)}, in_flight=30)
    pool.run(5)
    again = Virtual(now=pool.now)
    again.pool.close_run("run-1", again.now)
    again.pool.restore(noted(pool), again.now)
    first = again.exchange(50, in_flight=30)
    assert first.stop is None and (first.charged, first.slots) == ((), 30)
    again.now += HORIZON_S + LATE_S + 0.01
    second = again.exchange(50, in_flight=30)
    assert second.metered and 1 <= len(second.charged) <= 26
    assert 97 <= again.run(1, wants=100) <= 100


def test_a_batch_is_dry_when_what_is_left_is_sent_in_a_moment() -> None:
    pool = Virtual(rates(600))
    pool.run(5)
    pool.exchange(50, left=200)
    assert pool.pool.snapshot("run-1", pool.now).dry == frozenset()
    pool.exchange(8, left=8)
    assert pool.pool.snapshot("run-1", pool.now).dry == {"a"}
