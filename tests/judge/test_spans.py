"""Sets of numbers are compared as sympy compares them."""

import random
from typing import Any

import pytest
from sympy import EmptySet, FiniteSet, Float, Interval, Rational, Reals, Set, Symbol, Union, oo, pi

from tasks.judge.spans import spans


def piece(draws: random.Random) -> Set:
    low, high = sorted(draws.sample([-oo, -2, -1, 0, Rational(1, 2), 1, 2, 3, oo], 2))
    kind = draws.randrange(4)
    if kind == 0:
        return FiniteSet(*draws.sample([-2, -1, 0, Rational(1, 2), 1, 2, 3], draws.randrange(1, 4)))
    return Interval(low, high, draws.random() < 0.5, draws.random() < 0.5)


def drawn(draws: random.Random) -> Set:
    pieces = [piece(draws) for _ in range(draws.randrange(1, 4))]
    return Union(*pieces, evaluate=draws.random() < 0.5) if len(pieces) > 1 else pieces[0]


def test_two_sets_have_the_same_spans_where_sympy_finds_no_difference() -> None:
    draws, equal = random.Random(5), 0
    for _ in range(60):
        one, other = drawn(draws), drawn(draws)
        other = draws.choice((other, Union(other, one), one.union(EmptySet)))
        is_same = bool(one.symmetric_difference(other).is_empty)
        assert (spans(one) == spans(other)) == is_same, (one, other)
        equal += is_same
    assert 10 < equal < 50


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Union(Interval.Ropen(0, 1), FiniteSet(1), evaluate=False), Interval(0, 1)),
        (Union(Interval(0, 1), Interval.Lopen(1, 2), evaluate=False), Interval(0, 2)),
        (Union(Interval(-oo, 0), Interval(0, oo), evaluate=False), Interval(-oo, oo)),
        (EmptySet, Interval.open(1, 1)),
    ],
)
def test_a_set_has_one_form_however_it_is_put_together(one: Set, other: Set) -> None:
    assert spans(one) == spans(other) is not None


def test_a_hole_of_one_point_is_seen() -> None:
    assert spans(Union(Interval.Ropen(0, 1), Interval.Lopen(1, 2))) != spans(Interval(0, 2))


@pytest.mark.parametrize("other", [FiniteSet(pi), FiniteSet(Float(0.5)), Interval(0, Symbol("x")), Reals, Symbol("x")])
def test_what_holds_anything_but_rational_numbers_is_left_to_sympy(other: Any) -> None:
    assert spans(other) is None
