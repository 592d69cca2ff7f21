"""What the meters admit never exceeds the stated rule over any window, and no unit of budget is lost unseen."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.simulated_teacher.meters import Bucket, Meter, Window

Admitted = list[tuple[float, float]]

# Times in 1/16 s and rates in whole units keep every sum exact.
GAPS = st.lists(st.tuples(st.integers(0, 80), st.integers(1, 40)), min_size=1, max_size=120)
PER_MINUTE = st.integers(60, 6000)
QUANTUM = st.sampled_from([1.0, 2.0, 10.0, 60.0])
SHARE = st.sampled_from([0.0, 0.25, 0.5])


def ask(meter: Meter, requests: list[tuple[int, int]]) -> tuple[Admitted, float]:
    """Each request comes so many sixteenths of a second after the last and is admitted if it is covered."""
    admitted, now = [], 0.0
    for gap, amount in requests:
        now += gap / 16
        meter.refill(now)
        if meter.wait(amount) == 0:
            meter.take(amount)
            admitted.append((now, amount))
    return admitted, now


def most_in(admitted: Admitted, seconds: float) -> float:
    """The most that any half-open window of this length holds, the slow and plain way."""
    return max(
        (sum(amount for at, amount in admitted if end - seconds < at <= end) for end, _ in admitted), default=0.0
    )


@pytest.mark.parametrize("kind", [Bucket, Window])
@given(
    requests=GAPS, per_minute=PER_MINUTE, quantum=QUANTUM, share=SHARE, seconds=st.sampled_from([0.5, 1, 2, 7, 60, 90])
)
@settings(max_examples=200, deadline=None)
def test_no_window_holds_more_than_the_rule(
    kind: type[Meter], requests: list[tuple[int, int]], per_minute: int, quantum: float, share: float, seconds: float
) -> None:
    meter = kind(per_minute, quantum, share, 0.0)
    admitted, _ = ask(meter, requests)
    # A window that is shared admits a larger request while the tenant's part is still there, so each may hold one.
    often = math.ceil(seconds / quantum) + 1 if kind is Window and share else 1
    oversize = often * max(0.0, max(amount for _, amount in requests) - meter.size)
    assert most_in(admitted, seconds) <= meter.bound(seconds) + oversize + 1e-6


@given(requests=GAPS, per_minute=PER_MINUTE, quantum=QUANTUM)
@settings(max_examples=200, deadline=None)
def test_no_fixed_window_holds_more_than_its_budget(
    requests: list[tuple[int, int]], per_minute: int, quantum: float
) -> None:
    meter = Window(per_minute, quantum, 0.0, 0.0)
    admitted, end = ask(meter, requests)
    debt, size = 0.0, per_minute / 60 * quantum
    for number in range(math.floor(end / quantum) + 1):
        held = sum(amount for at, amount in admitted if number <= at / quantum < number + 1)
        largest = max((amount for at, amount in admitted if number <= at / quantum < number + 1), default=0.0)
        assert held + debt <= max(size, largest) + debt + 1e-6
        assert held == 0 or debt < size
        debt = max(0.0, held + debt - size)


@given(requests=GAPS, per_minute=PER_MINUTE, quantum=QUANTUM, share=SHARE)
@settings(max_examples=200, deadline=None)
def test_what_a_bucket_was_given_is_charged_held_or_idle(
    requests: list[tuple[int, int]], per_minute: int, quantum: float, share: float
) -> None:
    bucket = Bucket(per_minute, quantum, share, 0.0)
    start = bucket.level
    admitted, end = ask(bucket, requests)
    charged = sum(amount for _, amount in admitted)
    given_out = start + bucket.allowed(0.0, end)
    assert given_out == pytest.approx(charged + bucket.level + bucket.idle.within(0.0, end), abs=1e-4)


@given(requests=GAPS, per_minute=PER_MINUTE, quantum=QUANTUM)
@settings(max_examples=200, deadline=None)
def test_what_a_window_held_at_its_end_is_idle(
    requests: list[tuple[int, int]], per_minute: int, quantum: float
) -> None:
    window = Window(per_minute, quantum, 0.0, 0.0)
    admitted, end = ask(window, requests)
    window.refill(end + 100 * quantum)
    charged, windows = sum(amount for _, amount in admitted), round((window.began) / quantum)
    assert windows * window.size == pytest.approx(charged + window.idle.within(0.0, window.began), abs=1e-3)


@pytest.mark.parametrize("kind", [Bucket, Window])
@given(amounts=st.lists(st.integers(1, 200), min_size=1, max_size=60), quantum=QUANTUM, share=SHARE)
@settings(max_examples=100, deadline=None)
def test_who_waits_as_long_as_told_is_admitted_then(
    kind: type[Meter], amounts: list[int], quantum: float, share: float
) -> None:
    meter, now = kind(600, quantum, share, 0.0), 0.0
    for amount in amounts:
        meter.refill(now)
        now += meter.wait(amount)
        meter.refill(now)
        assert meter.wait(amount) == 0.0
        meter.take(amount)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 600), (0.3, 420)])
def test_a_second_tenant_leaves_the_rest(share: float, expected: int) -> None:
    bucket = Bucket(600, 1.0, share, 0.0)
    admitted, _ = ask(bucket, [(1, 1)] * (16 * 120))
    late = [at for at, _ in admitted if at > 60]
    assert len(late) == pytest.approx(expected, abs=2)
    assert bucket.allowed(60, 120) == pytest.approx(expected)


def test_a_second_tenant_shows_in_what_remains_of_a_window() -> None:
    window = Window(6000, 60.0, 0.3, 0.0)
    window.refill(30.0)
    assert window.level == pytest.approx(6000 - 0.3 * 3000)


def test_output_is_taken_as_it_is_produced() -> None:
    bucket = Bucket(6000, 1.0, 0.0, 0.0)
    bucket.produce(150.0, 0.0)
    bucket.refill(1.0)
    assert bucket.level == pytest.approx(50.0)
    bucket.refill(3.0)
    assert bucket.level == pytest.approx(-50.0), "answers that are being written go on, and leave a debt"
    bucket.produce(-150.0, 3.0)
    bucket.refill(3.5)
    assert bucket.level == pytest.approx(0.0) and bucket.idle.within(0.0, 3.5) == 0.0


def double(meter: Meter) -> None:
    meter.change(1200, meter.quantum, 0.0, 30.0)


def halve(meter: Meter) -> None:
    meter.change(300, meter.quantum, 0.0, 30.0)


@pytest.mark.parametrize(("change", "left"), [(double, 1000.0), (halve, 100.0)])
def test_a_changed_window_keeps_what_is_used(change: Callable[[Meter], None], left: float) -> None:
    window = Window(600, 60.0, 0.0, 0.0)
    window.refill(1.0)
    window.take(200)
    change(window)
    assert window.level == pytest.approx(left)
    assert window.allowed(0.0, 60.0) == pytest.approx(30 * 10 + 30 * window.rate)


def test_idle_counts_the_part_of_an_interval_that_lies_in_the_span() -> None:
    bucket = Bucket(600, 1.0, 0.0, 0.0)
    bucket.refill(10.0)
    assert bucket.idle.within(0.0, 10.0) == pytest.approx(100.0)
    assert bucket.idle.within(4.0, 6.0) == pytest.approx(20.0)
