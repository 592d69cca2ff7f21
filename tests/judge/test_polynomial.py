"""What is called equal is equal, and sympy says so too."""

import random
from typing import Any

import pytest
import sympy
from sympy import E, I, Integer, Rational, pi, sqrt

from tasks.judge.polynomial import are_equal, polynomial

X, Y = sympy.symbols("x y", real=True)


def unevaluated(kind: Any, *parts: Any) -> Any:
    return kind(*parts, evaluate=False)


SAME = [
    ((X + Y) ** 3, X**3 + 3 * X**2 * Y + 3 * X * Y**2 + Y**3),
    (unevaluated(sympy.Mul, 3, 2 * pi, Rational(1, 3)), 2 * pi),
    (-unevaluated(sympy.Add, 0, -(5 + 2 * sqrt(2))), 5 + 2 * sqrt(2)),
    (unevaluated(sympy.Pow, Integer(28), Rational(1, 2)) / 2, sqrt(7)),
    (unevaluated(sympy.Pow, Rational(1, 2), Rational(1, 2)), sqrt(2) / 2),
    (unevaluated(sympy.Pow, Integer(9), Rational(1, 2)), Integer(3)),
    (X / unevaluated(sympy.Add, 2, 1), X / 3),
    ((X + I * E) * (X + Y), X**2 + X * Y + I * E * X + I * E * Y),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_is_the_same_polynomial_is_equal_and_is_so_to_sympy(one: Any, other: Any) -> None:
    assert are_equal(one, other)
    assert sympy.simplify(one - other) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (X, Y), (X, sympy.Symbol("x")), (X + 1, X + 2), (pi, Rational(355, 113)), (sqrt(2), sqrt(3)), (X**2, X),
        (sqrt(X**2), X), (X / X, Integer(2)), (sympy.Float(0.5), Rational(1, 2)), (1 / X, 1 / Y),
        (sympy.nan, sympy.nan), (sympy.oo, sympy.oo), (sympy.sin(X), X), (Integer(10) ** 80, Integer(10) ** 80),
        ((X + I * E) ** 2, X**2 + 2 * I * E * X + I**2 * E**2),
        (unevaluated(sympy.Pow, 0, -1), Integer(0)), (unevaluated(sympy.Pow, Integer(-4), Rational(1, 2)), Integer(2)),
    ],
)  # fmt: skip
def test_what_is_not_the_same_or_is_not_read_is_not_called_equal(one: Any, other: Any) -> None:
    assert not are_equal(one, other)


def test_random_products_are_equal_to_what_they_are_written_out_and_to_nothing_else() -> None:
    draws = random.Random(5)
    for _ in range(40):
        factors = [draws.randrange(-9, 10) * X + draws.randrange(-9, 10) * Y + draws.randrange(1, 10) for _ in range(3)]
        product = sympy.Mul(*factors)
        assert are_equal(product, sympy.expand(product))
        assert not are_equal(product, sympy.expand(product) + 1)


def test_what_is_nested_too_deep_is_not_called_equal() -> None:
    deep = X
    for _ in range(3000):
        deep = unevaluated(sympy.Mul, 1, deep)
    assert not are_equal(deep, X)


def test_what_grows_too_long_is_not_read() -> None:
    symbols = sympy.symbols("a b c d e f g h")
    assert polynomial(sum(symbols) ** 8) is None
    assert polynomial(unevaluated(sympy.Pow, X, Integer(10**9))) is None
    assert polynomial(unevaluated(sympy.Pow, unevaluated(sympy.Pow, X, Integer(30)), Integer(30))) is None
