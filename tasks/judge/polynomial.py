"""Show that two expressions are equal by writing both out as polynomials, exactly (pure).

What is added and multiplied here are symbols, pi, e, i, and square roots of numbers, each of them taken for a thing of
its own: polynomials that are equal term by term are equal whatever these are. That they differ says nothing.
"""

from fractions import Fraction
from math import isqrt
from typing import Any

Monomial = tuple[tuple[str, Any, int], ...]
"""Factors in order: of which sort (`s`, or `r` for a root), the symbol or the number under the root, and its power."""
Polynomial = dict[Monomial, Fraction]
_MOST_TERMS, _MOST_POWER, _LARGEST = 60, 30, 10**60
_MOST_UNDER_ROOT = 10**6


def are_equal(one: Any, other: Any) -> bool:
    """Whether two sympy expressions are the same polynomial; False also where that cannot be told."""
    try:
        left = polynomial(one)
        return left is not None and left == polynomial(other)
    except RecursionError:
        return False


def polynomial(expression: Any) -> Polynomial | None:
    """A sympy expression as a polynomial with rational coefficients; None for what is none, and what is too long."""
    if expression.is_Rational:
        return _constant(Fraction(int(expression.p), int(expression.q)))
    kind = type(expression).__name__
    if expression.is_Symbol or expression.is_NumberSymbol or kind == "ImaginaryUnit":
        return {(("s", expression, 1),): Fraction(1)}
    if kind not in ("Add", "Mul", "Pow"):
        return None
    if kind == "Pow":
        return _power(*expression.args)
    parts = [polynomial(part) for part in expression.args]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return _sum(known) if kind == "Add" else _product(known)


def _constant(value: Fraction) -> Polynomial | None:
    if max(abs(value.numerator), value.denominator) > _LARGEST:
        return None
    return {(): value} if value else {}


def _sum(parts: list[Polynomial]) -> Polynomial | None:
    total: Polynomial = {}
    for part in parts:
        for monomial, value in part.items():
            total[monomial] = total.get(monomial, Fraction(0)) + value
    return _bounded(total)


def _product(parts: list[Polynomial]) -> Polynomial | None:
    total: Polynomial | None = {(): Fraction(1)}
    for part in parts:
        if total is None:
            return None
        product: Polynomial = {}
        for monomial, value in total.items():
            for other, factor in part.items():
                both = _joined(monomial, other)
                product[both] = product.get(both, Fraction(0)) + value * factor
        total = _bounded(product)
    return total


def _joined(one: Monomial, other: Monomial) -> Monomial:
    if not one or not other:
        return one or other
    powers: dict[tuple[str, Any], int] = {}
    for sort, of, power in (*one, *other):
        powers[sort, of] = powers.get((sort, of), 0) + power
    factors = sorted(powers.items(), key=lambda factor: (factor[0][0], str(factor[0][1]), hash(factor[0][1])))
    return tuple((sort, of, power) for (sort, of), power in factors)


def _bounded(terms: Polynomial) -> Polynomial | None:
    kept = {monomial: value for monomial, value in terms.items() if value}
    is_long = len(kept) > _MOST_TERMS or any(power > _MOST_POWER for monomial in kept for _, _, power in monomial)
    is_long |= any(max(abs(value.numerator), value.denominator) > _LARGEST for value in kept.values())
    return None if is_long else kept


def _power(base: Any, exponent: Any) -> Polynomial | None:
    """Of whole powers, of 1 / a number, and of the square root of a positive number."""
    terms = polynomial(base)
    if terms is None or not exponent.is_Rational:
        return None
    number = terms.get((), Fraction(0)) if set(terms) == {()} else None
    if exponent.q == 1 and 0 < exponent.p <= _MOST_POWER:
        return _product([terms] * int(exponent.p))
    if exponent == -1 and number:
        return {(): 1 / number}
    return _root(number) if (exponent.p, exponent.q) == (1, 2) and number is not None and number > 0 else None


def _root(number: Fraction) -> Polynomial | None:
    """The square root of p / q, as that of p q over q, with what is square in front of the root."""
    under = number.numerator * number.denominator
    if under > _MOST_UNDER_ROOT:
        return None
    before = next(size for size in range(isqrt(under), 0, -1) if under % (size * size) == 0)
    rest = under // (before * before)
    return {((("r", rest, 1),) if rest > 1 else ()): Fraction(before, number.denominator)}
