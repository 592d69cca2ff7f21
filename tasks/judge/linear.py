"""Tell linear equations apart by their coefficients, exactly (pure)."""

from fractions import Fraction
from itertools import combinations
from typing import Any

Coefficients = dict[Any, Fraction]
"""Of each symbol, and of 1, what it is multiplied by."""


def are_different_lines(one: Any, other: Any) -> bool:
    """Whether two sympy equations are linear with rational coefficients, and none a multiple of the other: then they
    have different solutions. False where that is not so, and where it cannot be told."""
    left, right = _equation(one), _equation(other)
    if left is None or right is None:
        return False
    keys = {**left, **right}
    return any(left.get(a, 0) * right.get(b, 0) != left.get(b, 0) * right.get(a, 0) for a, b in combinations(keys, 2))


def _equation(equation: Any) -> Coefficients | None:
    """Left side less right side; None where no symbol is left."""
    if type(equation).__name__ != "Equality":
        return None
    left, right = (_coefficients(side) for side in equation.args)
    if left is None or right is None:
        return None
    found = _sum([left, {key: -value for key, value in right.items()}])
    return found if any(found[key] for key in found if key != 1) else None


def _coefficients(expression: Any) -> Coefficients | None:
    if expression.is_Symbol:
        return {expression: Fraction(1)}
    if expression.is_Rational:
        return {1: Fraction(int(expression.p), int(expression.q))}
    parts = [_coefficients(part) for part in expression.args]
    known = [part for part in parts if part is not None]
    if not parts or len(known) < len(parts):
        return None
    kind = type(expression).__name__
    if kind == "Add":
        return _sum(known)
    return _product(known) if kind == "Mul" else _inverse(known) if kind == "Pow" else None


def _sum(parts: list[Coefficients]) -> Coefficients:
    total: Coefficients = {}
    for part in parts:
        for key, value in part.items():
            total[key] = total.get(key, Fraction(0)) + value
    return total


def _product(parts: list[Coefficients]) -> Coefficients | None:
    """Of numbers and at most one that holds symbols."""
    total: Coefficients = {1: Fraction(1)}
    for part in parts:
        if set(total) - {1} and set(part) - {1}:
            return None
        number, rest = (part[1], total) if set(part) == {1} else (total.get(1, Fraction(0)), part)
        total = {key: value * number for key, value in rest.items()}
    return total


def _inverse(parts: list[Coefficients]) -> Coefficients | None:
    """1 / a number, which is how sympy writes a division."""
    base, exponent = parts
    if set(base) == set(exponent) == {1} and exponent[1] == -1 and base[1] != 0:
        return {1: 1 / base[1]}
    return None
