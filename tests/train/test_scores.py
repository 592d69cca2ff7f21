"""Counting right answers, with an interval that is honest near 0 and 1."""

import pytest

from tasks.train.scores import compare, compare_families, wilson


@pytest.mark.parametrize(
    ("right", "asked", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_intervals_are_those_of_the_literature(right: int, asked: int, low: float, high: float) -> None:
    # The last is Newcombe 1998, table I, method 3; the others follow from the closed form.
    assert wilson(right, asked) == pytest.approx((low, high), abs=1e-4)


def test_nothing_asked_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert compare([], []) is None
    assert compare_families([], []) == {}


def test_families_are_compared_before_and_after() -> None:
    before = [("sums", False), ("sums", True), ("words", False)]
    after = [("sums", True), ("sums", True), ("words", False)]
    families = compare_families(before, after)
    assert {name: (found.prompts, found.before, found.after) for name, found in families.items()} == {
        "sums": (2, 0.5, 1.0),
        "words": (1, 0.0, 0.0),
    }
    overall = compare(before, after)
    assert overall is not None and overall.prompts == 3 and overall.after == pytest.approx(2 / 3)
