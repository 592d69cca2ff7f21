"""How many candidates a round asks for."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.ask.target import Target, first_candidates, next_candidates


def rounds(target: Target, rate: float, seed: int) -> list[tuple[int, int]]:
    """(candidates, kept) of each round, if each candidate is kept by chance."""
    rng = random.Random(seed)
    luck: list[bool] = []
    candidates, found = first_candidates(target), []
    while True:
        luck += [rng.random() < rate for _ in range(candidates - len(luck))]
        found.append((candidates, sum(luck)))
        more = next_candidates(target, candidates, sum(luck))
        if more == candidates:
            return found
        candidates = more


def test_the_first_round_is_never_too_many() -> None:
    assert first_candidates(Target(kept=1000)) == 1000
    assert rounds(Target(kept=1000), 1.0, seed=1) == [(1000, 1000)]


@settings(max_examples=60, deadline=None)
@given(kept=st.integers(1, 400), rate=st.floats(0.05, 1.0), seed=st.integers(0, 10**6))
def test_rounds_reach_the_target_and_ask_for_little_more_than_it_takes(kept: int, rate: float, seed: int) -> None:
    last, found = rounds(Target(kept=kept), rate, seed)[-1]
    assert found >= kept
    assert last <= 2 * max(kept, 10) / rate + 60


def test_a_keep_rate_of_eighty_per_cent_takes_two_or_three_rounds_and_few_rows_over() -> None:
    ran = [rounds(Target(kept=1000), 0.8, seed) for seed in range(100)]
    assert max(map(len, ran)) <= 4
    assert sum(len(one) == 2 for one in ran) >= 80, "nine of ten second rounds are to be enough"
    assert sum(one[-1][1] - 1000 for one in ran) / len(ran) < 15


def test_nothing_kept_yet_doubles_the_candidates_and_no_more() -> None:
    assert next_candidates(Target(kept=100), 100, 0) == 200


def test_the_cap_on_candidates_is_a_cap() -> None:
    capped = Target(kept=100, max_candidates=130)
    assert next_candidates(capped, 100, 50) == 130
    assert next_candidates(capped, 130, 60) == 130


def test_a_cap_below_the_target_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_candidates 9 is below kept 10"):
        Target(kept=10, max_candidates=9)
