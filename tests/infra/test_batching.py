"""A server of one's own: a batch that shares its speed, a line that waits, and no work made or lost."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.simulated_teacher.batching import Batch
from infra.simulated_teacher.clock import VirtualClock
from infra.simulated_teacher.switches import Switches


def run(switches: Switches, jobs: list[tuple[float, int]]) -> list[float]:
    """When each of the jobs (arrival, tokens) is done."""
    clock = VirtualClock()
    batch, done = Batch(switches, clock), [0.0] * len(jobs)

    def finish(number: int) -> None:
        done[number] = clock.now()

    for number, (at, tokens) in sorted(enumerate(jobs), key=lambda job: job[1][0]):
        clock.advance(max(0.0, at - clock.now()))
        batch.start(batch.work(switches.latency, tokens), 10, partial(finish, number))
    while clock.next_in() is not None:
        clock.advance(clock.next_in() or 0.0)
    assert batch.running == batch.waiting == 0
    return done


def test_alone_an_answer_is_written_at_full_speed() -> None:
    assert run(Switches(tokens_per_second=100, latency=0.5, slots=4), [(0.0, 200)]) == pytest.approx([2.5])


def test_a_batch_shares_its_speed_evenly() -> None:
    switches = Switches(tokens_per_second=100, batch_tokens_per_second=100, slots=2)
    # Both at 50 a second until the short one is done at 2 s, the long one then alone at 100.
    assert run(switches, [(0.0, 100), (0.0, 200)]) == pytest.approx([2.0, 3.0])


def test_who_finds_no_slot_waits_in_line_and_is_served_in_order() -> None:
    switches = Switches(tokens_per_second=100, slots=1)
    assert run(switches, [(0.0, 100), (0.1, 100), (0.2, 100)]) == pytest.approx([1.0, 2.0, 3.0])


@given(
    jobs=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 300)), min_size=1, max_size=40),
    slots=st.integers(1, 8),
    whole=st.sampled_from([0.0, 50.0, 250.0]),
)
@settings(max_examples=100, deadline=None)
def test_no_server_makes_more_than_its_speed(jobs: list[tuple[float, int]], slots: int, whole: float) -> None:
    done = run(Switches(tokens_per_second=100, batch_tokens_per_second=whole, slots=slots), jobs)
    speed = min(whole or 1e9, 100 * slots)
    first, tokens = min(at for at, _ in jobs), sum(count for _, count in jobs)
    assert max(done) - first >= tokens / speed - 1e-3
    assert all(end - at >= count / 100 - 1e-3 for end, (at, count) in zip(done, jobs, strict=True))
    # It is never idle while there is work: with one slot the end is exactly known.
    if slots == 1:
        free = 0.0
        for at, count in sorted(jobs, key=lambda job: job[0]):
            free = max(free, at) + count / min(100.0, whole or 100.0)
        assert max(done) == pytest.approx(free, abs=1e-2)


def test_a_client_that_goes_away_gives_its_slot_to_the_next() -> None:
    clock, over = VirtualClock(), list[str]()
    batch = Batch(Switches(tokens_per_second=100, slots=1), clock)
    first = batch.start(100, 10, partial(over.append, "first"))
    batch.start(100, 10, partial(over.append, "second"))
    third = batch.start(100, 10, partial(over.append, "third"))
    clock.advance(0.5)
    first.cancel()
    third.cancel()
    assert (batch.running, batch.waiting) == (1, 0)
    clock.advance(1.01)
    assert over == ["second"]
    first.cancel()
    assert batch.running == 0


def test_the_cache_holds_the_prompts_and_what_was_written() -> None:
    clock = VirtualClock()
    batch = Batch(Switches(tokens_per_second=100, slots=4, kv_cache_tokens=1000), clock)
    for _ in range(2):
        batch.start(400, 50, lambda: None)
    clock.advance(1.0)
    assert batch.cache_used() == pytest.approx((2 * 50 + 2 * 100) / 1000)
    clock.advance(10.0)
    assert batch.cache_used() == 0.0


def test_more_slots_in_mid_run_take_from_the_line() -> None:
    clock = VirtualClock()
    batch = Batch(Switches(tokens_per_second=100, slots=1), clock)
    for _ in range(3):
        batch.start(100, 10, lambda: None)
    batch.change(Switches(tokens_per_second=100, slots=3))
    assert (batch.running, batch.waiting) == (3, 0)
