"""Virtual time moves when it is told to, and what is due happens in order at its own time."""

from functools import partial

import pytest

from infra.simulated_teacher.clock import VIRTUAL_EPOCH, VirtualClock


def test_what_is_due_happens_in_order_at_its_own_time() -> None:
    clock, seen = VirtualClock(), list[tuple[str, float]]()

    def see(name: str) -> None:
        seen.append((name, clock.now()))

    clock.call_later(2.0, partial(see, "late"))
    clock.call_later(1.0, partial(see, "early"))
    clock.call_later(1.0, partial(see, "early too"))
    clock.call_later(9.0, partial(see, "not yet"))
    assert clock.advance(3.0) == 3
    assert seen == [("early", 1.0), ("early too", 1.0), ("late", 2.0)]
    assert (clock.now(), clock.wall(), clock.pending()) == (3.0, VIRTUAL_EPOCH + 3.0, 1)


def test_what_comes_due_on_the_way_may_ask_for_more() -> None:
    clock, seen = VirtualClock(), list[float]()

    def tick() -> None:
        seen.append(clock.now())
        clock.call_later(1.0, tick)

    clock.call_later(1.0, tick)
    clock.advance(3.5)
    assert seen == [1.0, 2.0, 3.0] and clock.next_in() == 0.5


def test_what_is_cancelled_does_not_happen() -> None:
    clock, seen = VirtualClock(), list[str]()
    clock.call_later(1.0, partial(seen.append, "x")).cancel()
    assert clock.next_in() is None and clock.advance(5.0) == 0 and not seen


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_time_does_not_go_back_or_for_ever(seconds: float) -> None:
    with pytest.raises(ValueError, match="time moves on"):
        VirtualClock().advance(seconds)
