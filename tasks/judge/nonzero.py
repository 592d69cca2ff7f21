"""Show that an expression is not zero everywhere by its value at one point, with a bound of the error (pure).

sympy's `simplify` takes tens of milliseconds to find that a difference does not vanish. One value does, if it is
larger than all that floating point can have lost on the way: a difference that is not zero somewhere is not zero.
Nothing is concluded from a value that may be zero, nor from what is not read here.
"""

import cmath
import math
from typing import Any

_POINT = (1.2837, 0.7419, 2.1931, 1.6183, 0.5477, 2.7013, 1.1127, 0.8631)
"""Of the symbols in alphabetical order; positive, as a real symbol may be, and with no relation to each other."""
_ROUNDED = 2.0**-50
_MOST_POWER, _MOST = 64.0, 1e100
_CLEAR = 1e4
"""How many times the bound of its error a value must be: no expression of a few hundred operations comes near."""
_LEAST = 1e-9
"""A factor that is smaller is not multiplied: math-verify takes what is below 1e-15 for nothing."""

Value = tuple[complex, float]
"""A value, and how far off it may be."""


class _Unread(Exception):
    """Something that is not read here, or a value that is no number."""


def are_clearly_apart(one: Any, other: Any) -> bool:
    """Whether the difference of two sympy expressions has a value that cannot be zero."""
    names = sorted(set().union(*(getattr(each, "free_symbols", ()) for each in (one, other))), key=str)
    if len(names) > len(_POINT):
        return False
    point = dict(zip(names, _POINT, strict=False))
    try:
        subtracted, its_error = _value(other, point)
        value, error = _sum([_value(one, point), (-subtracted, its_error)])
    except (_Unread, OverflowError, ZeroDivisionError, ValueError, RecursionError):
        return False
    return abs(value) > _CLEAR * error + _LEAST


def _value(expression: Any, point: dict[Any, float]) -> Value:
    if expression.is_Symbol:
        return point[expression], 0.0
    if expression.is_Rational:
        return _constant(complex(expression.p / expression.q if expression.q else math.nan))
    if expression.is_Number or expression.is_NumberSymbol:
        return _constant(complex(expression))
    kind = type(expression).__name__
    if kind == "ImaginaryUnit":
        return 1j, 0.0
    if kind == "UnevaluatedExpr":
        return _value(expression.args[0], point)
    if kind in ("Add", "Mul", "Pow"):
        parts = [_value(part, point) for part in expression.args]
        return {"Add": _sum, "Mul": _product, "Pow": _power}[kind](parts)
    raise _Unread


def _constant(value: complex) -> Value:
    if not cmath.isfinite(value) or abs(value) > _MOST:
        raise _Unread
    return value, abs(value) * _ROUNDED


def _sum(parts: list[Value]) -> Value:
    value = sum(part for part, _ in parts)
    return value, sum(error + abs(part) * _ROUNDED * len(parts) for part, error in parts)


def _product(parts: list[Value]) -> Value:
    value, error = 1 + 0j, 0.0
    if any(0 < abs(part) < _LEAST for part, _ in parts):
        raise _Unread
    for part, its in parts:
        error = abs(value) * its + abs(part) * error + error * its
        value *= part
        error += abs(value) * _ROUNDED
    if abs(value) > _MOST:
        raise _Unread
    return value, error


def _power(parts: list[Value]) -> Value:
    """The principal value, as sympy's is; near its cut, at a base or an exponent that may be zero, nothing is said."""
    (base, its), (exponent, of_it) = parts
    if abs(exponent) > _MOST_POWER or abs(base) <= _CLEAR * its or not 1e-9 < abs(base) < 1e9:
        raise _Unread
    is_whole = of_it <= abs(exponent) * _ROUNDED and exponent.imag == 0 and exponent.real == int(exponent.real)
    if not is_whole and base.real < 0 and base.imag != 0 and abs(base.imag) <= _CLEAR * its:
        raise _Unread
    value = base ** int(exponent.real) if is_whole else cmath.exp(exponent * cmath.log(base))
    relative = (
        abs(exponent) * its / abs(base) + of_it * abs(math.log(abs(base)) + 7) + 16 * (1 + abs(exponent)) * _ROUNDED
    )
    if abs(value) > _MOST or relative > 0.1:
        raise _Unread
    return value, 2 * abs(value) * relative
