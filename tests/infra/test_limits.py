"""Limits are strict, continuously refilled, and never read a clock."""

import random
from collections import deque
from collections.abc import Iterator

import pytest

from infra.simulated_teacher.headers import go_duration, limit_headers
from infra.simulated_teacher.limits import Limits, Refusal, charge
from infra.simulated_teacher.question import parse_question
from infra.simulated_teacher.referee import Referee, SlidingMinute
from infra.simulated_teacher.switches import Switches


def admitted(limits: Limits, times: Iterator[float], tokens: int = 1) -> list[float]:
    return [now for now in times if limits.admit(tokens, now) is None]


def test_a_full_bucket_admits_its_burst_and_no_more() -> None:
    limits = Limits(Switches(rpm=600, burst_seconds=2.0), now=0.0)
    assert len(admitted(limits, iter([0.0] * 50))) == 20


def test_who_waits_exactly_as_told_is_admitted() -> None:
    limits = Limits(Switches(rpm=60, tpm=6000, burst_seconds=1.0), now=0.0)
    now, refused = 0.0, 0
    for _ in range(200):
        refusal = limits.admit(90, now)
        if refusal:
            refused += 1
            now += refusal.wait
            assert limits.admit(90, now) is None
    assert refused == 199


def test_a_patient_client_gets_the_whole_rate() -> None:
    limits = Limits(Switches(rpm=600, burst_seconds=1.0), now=0.0)
    assert len(admitted(limits, (n * 0.1 for n in range(6000)))) == 6000


def test_no_sliding_minute_holds_more_than_the_rate_and_one_burst() -> None:
    rng = random.Random(1)
    limits = Limits(Switches(rpm=300, burst_seconds=3.0), now=0.0)
    now, window, most = 0.0, deque[float](), 0
    for _ in range(20_000):
        now += rng.expovariate(8.0)
        if limits.admit(1, now) is None:
            window.append(now)
        while window and window[0] <= now - 60:
            window.popleft()
        most = max(most, len(window))
    assert most <= 300 + 15


def test_a_refused_request_costs_a_request() -> None:
    hammering = Limits(Switches(rpm=60, burst_seconds=1.0), now=0.0)
    assert len(admitted(hammering, (n * 0.25 for n in range(240)))) == 1


def test_a_request_larger_than_a_bucket_waits_for_a_full_one_and_leaves_a_debt() -> None:
    limits = Limits(Switches(tpm=6000, burst_seconds=1.0), now=0.0)
    assert limits.admit(1000, 0.0) is None
    refusal = limits.admit(1, 0.0)
    assert refusal is not None and refusal.kind == "tokens"
    assert refusal.wait == pytest.approx(9.01, abs=0.001)


def test_concurrency_is_capped_until_a_request_is_over() -> None:
    limits = Limits(Switches(concurrency=2), now=0.0)
    assert limits.admit(1, 0.0) is None and limits.admit(1, 0.0) is None
    refusal = limits.admit(1, 0.0)
    assert refusal is not None and refusal.kind == "concurrency"
    limits.release(0, 0.0)
    assert limits.admit(1, 0.0) is None


def test_a_storm_lasts_for_its_count_and_its_time() -> None:
    limits = Limits(Switches(), now=0.0)
    limits.change(Switches(storm_count=2), 0.0, frozenset({"storm_count"}))
    assert [limits.admit(1, 0.0) is None for _ in range(3)] == [False, False, True]
    limits.change(Switches(storm_seconds=5.0), 10.0, frozenset({"storm_seconds"}))
    assert [limits.admit(1, now) is None for now in (12.0, 14.9, 15.0)] == [False, False, True]


def test_a_changed_limit_acts_at_once_and_keeps_the_level() -> None:
    limits = Limits(Switches(rpm=6000, burst_seconds=1.0), now=0.0)
    assert len(admitted(limits, iter([0.0] * 90))) == 90
    limits.change(Switches(rpm=60, burst_seconds=60.0), 0.0)
    assert len(admitted(limits, iter([0.0] * 20))) == 10
    limits.change(Switches(), 0.0)
    assert len(admitted(limits, iter([0.0] * 500))) == 500


def test_output_is_charged_when_it_was_produced() -> None:
    limits = Limits(Switches(tpm=600, burst_seconds=60.0, charge="actual"), now=0.0)
    assert limits.admit(100, 0.0) is None
    limits.release(500, 0.0)
    assert limits.admit(1, 0.0) is not None


@pytest.mark.parametrize(
    ("rule", "cap", "expected"),
    [("max_of", 512, 512), ("max_of", 10, 26), ("max_of", None, 26), ("sum", 512, 536), ("actual", 512, 24)],
)
def test_a_request_is_charged_by_the_providers_rule(rule: str, cap: int | None, expected: int) -> None:
    assert charge(rule, prompt_tokens=24, characters=101, cap=cap) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.12, "120ms"), (1, "1s"), (6.5, "6.5s"), (360, "6m0s"), (61.25, "1m1.25s")],
)
def test_a_reset_is_written_as_openai_writes_it(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


def test_headers_name_only_the_limits_that_exist() -> None:
    assert limit_headers(Limits(Switches(), 0.0), 0.0, 0.0) == ()
    headers = dict(limit_headers(Limits(Switches(rpm=120, burst_seconds=1.0), 0.0), 0.0, 0.0))
    assert headers == {
        "x-ratelimit-limit-requests": "120",
        "x-ratelimit-remaining-requests": "2",
        "x-ratelimit-reset-requests": "0ms",
    }


def test_the_sliding_minute_finds_the_fullest_sixty_seconds() -> None:
    rng = random.Random(2)
    minute, times = SlidingMinute(), sorted(rng.uniform(0, 600) for _ in range(1500))
    for now in times:
        minute.add(now, 0, 1)
    exact = max(sum(now - 60 < other <= now for other in times) for now in times)
    assert abs(minute.most[0] - exact) <= 2
    assert len(minute.slots) <= 6001


@pytest.mark.parametrize(("arrives", "violations"), [(0.7, 0), (0.8, 1), (2.0, 0)])
def test_who_comes_back_before_retry_after_is_counted(arrives: float, violations: int) -> None:
    referee = Referee()
    body = b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}'
    referee.received(parse_question(body, "a"), 0.0)
    referee.refuse(Refusal("storm", 2.0, "wait"), 0.0)
    referee.received(parse_question(body, "b"), arrives)
    assert referee.violations["before_retry_after"] == violations
