"""The k of many that differ most."""

import itertools

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from tasks.judge.diverse import spread_out
from tasks.judge.sketch import PERMUTATIONS


def digests(*shares: tuple[int, float]) -> npt.NDArray[np.uint32]:
    """One row for each (group, share): rows of one group have that share of their hashes in common."""
    rows = []
    for number, (group, share) in enumerate(shares):
        row = np.arange(PERMUTATIONS, dtype=np.uint32) + 1000 * (number + 1) * 1000
        common = int(share * PERMUTATIONS)
        row[:common] = np.arange(common, dtype=np.uint32) + 7_000_000 * (group + 1)
        rows.append(row)
    return np.stack(rows)


def test_the_first_is_the_best_and_the_next_is_the_one_least_like_it() -> None:
    right = np.ones(4, dtype=bool)
    assert spread_out(digests((0, 0.7), (0, 0.7), (0, 0.7), (1, 0.7)), right, 2) == [0, 3]
    assert spread_out(digests((0, 0.7), (0, 0.7), (1, 0.7), (1, 0.7)), right, 3) == [0, 2, 1]


def test_wrong_ones_come_after_all_right_ones() -> None:
    right = np.array([True, True, False, False])
    assert spread_out(digests((0, 0.9), (0, 0.9), (1, 0.9), (2, 0.9)), right, 3) == [0, 1, 2]


def test_nothing_to_choose_from_is_nothing_chosen() -> None:
    assert spread_out(np.empty((0, PERMUTATIONS), dtype=np.uint32), np.empty(0, dtype=bool), 3) == []


@given(st.lists(st.integers(0, 3), min_size=2, max_size=7), st.integers(2, 4))
def test_the_nearest_two_chosen_are_at_least_half_as_far_apart_as_in_the_best_choice(groups: list[int], k: int) -> None:
    matrix = digests(*((group, 0.2 + 0.15 * group) for group in groups))
    chosen = spread_out(matrix, np.ones(len(groups), dtype=bool), k)
    assert len(chosen) == len(set(chosen)) == min(k, len(groups))

    def closest(rows: tuple[int, ...]) -> float:
        return min(1 - float((matrix[a] == matrix[b]).mean()) for a, b in itertools.combinations(rows, 2))

    if len(groups) >= k:
        best = max(closest(rows) for rows in itertools.combinations(range(len(groups)), k))
        assert closest(tuple(chosen)) >= best / 2
