"""Work out plain arithmetic, exactly, and say whether two sides of an equation agree (pure).

Values are whole numbers and fractions; there are no powers, so that a side of 64 tokens of at most 24 digits stays
small. What is not plainly arithmetic raises `Unclear`.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

Value = int | Fraction

_MOST_TOKENS = 64
_MOST_DIGITS = 24
_ROUNDED_OPERAND = re.compile(
    r"\.(?:33+|66+|6+7|16+|16*7|83+|11+|22+|44+|5+6|7+8|88+|8+9|14\d*|28\d*|29|42\d*|43|57\d*|71\d*|85\d*|86)(?!\d)"
)
"""Decimals that may stand for a third, a sixth, a ninth, a seventh or pi."""
_ROUNDED_AWAY = Fraction(1, 50)
"""What 0.17 for 1/6, the coarsest of these, is off by."""
_UNITS = frozenset({3, 4, 7, 12, 16, 24, 30, 36, 52, 60, 100, 365, 1000, 1440, 2000, 3600})
"""How many of a common unit make another: feet, quarts, days, inches, hours, minutes, cents, grams, pounds, seconds."""

_UNNAMED = frozenset({100, 1000})


class Unclear(ValueError):
    """The text is not plainly arithmetic."""


class Side(NamedTuple):
    """One side of an equation."""

    tokens: Sequence[str]
    value: Value
    """With percent signs left away."""
    operators: str
    """All its operators; none where it is a number."""
    decimals: int
    """Of a side that is a number: how many it is written with."""
    first: Value
    """Its first number."""
    of_hundred: Value | None
    """Its value where percent are hundredths; None without a percent sign."""
    divides_twice: bool
    """What is divided is a quotient: of 1/2 / 1/4 it is not clear which division comes first."""

    @property
    def text(self) -> str:
        spaced = "".join(f" {token} " if token in "+-*/" else token for token in self.tokens)
        return " ".join(spaced.split())


def side(tokens: Sequence[str]) -> Side:
    """The side that tokens spell: numbers, `+ - * / ( ) %`. Raises Unclear."""
    if not 0 < len(tokens) <= _MOST_TOKENS:
        raise Unclear
    if len(tokens) == 1:
        value = number(tokens[0])
        return Side(tokens, value, "", len(tokens[0].partition(".")[2]), value, None, False)
    if len(tokens) % 2 and "(" not in tokens and "%" not in tokens:
        return _flat(tokens)
    reader = _Reader(tokens, 1)
    value = reader.whole()
    operators = "".join([token for token in tokens if token in "+-*/"])
    is_signed = tokens[0] == "-" and len(operators) == 1
    decimals = len(tokens[-1 if tokens[-1] != "%" else -2].partition(".")[2]) if not operators or is_signed else 0
    hundredths = _Reader(tokens, 100).whole() if "%" in tokens else None
    return Side(tokens, value, "" if is_signed else operators, decimals, reader.first, hundredths, reader.divides_twice)


def _flat(tokens: Sequence[str]) -> Side:
    """`3 + 4 * 5`: a number, and then an operator and a number each time; most sides are so."""
    first = product = number(tokens[0])
    total: Value = 0
    is_divided = divides_twice = False
    for sign, digits in zip(tokens[1::2], tokens[2::2], strict=True):
        value = number(digits)
        if sign == "*":
            product = product * value
        elif sign == "/":
            product, divides_twice, is_divided = _divided(product, value), divides_twice or is_divided, True
        elif sign in ("+", "-"):
            total, product, is_divided = total + product, value if sign == "+" else -value, False
        else:
            raise Unclear
    return Side(tokens, total + product, "".join(tokens[1::2]), 0, first, None, divides_twice)


def number(digits: str) -> Value:
    """`1,234.50` exactly. Raises Unclear where it is no number, or a long one."""
    if digits.isdecimal() and len(digits) <= _MOST_DIGITS:
        return int(digits)
    whole, point, part = digits.replace(",", "").partition(".")
    together = whole + part
    if not together.isdecimal() or len(together) > _MOST_DIGITS:
        raise Unclear
    return _plain(Fraction(int(together), 10 ** len(part))) if point else int(together)


def _plain(value: Value) -> Value:
    return value.numerator if value.denominator == 1 else value


class _Reader:
    """Reads sums of products of atoms, from left to right."""

    def __init__(self, tokens: Sequence[str], hundred: int) -> None:
        self._tokens, self._at, self._hundred = [*tokens, ""], 0, hundred
        self.first: Value = 0
        self.divides_twice = self._seen = False

    def whole(self) -> Value:
        value = self._sum()
        if self._at != len(self._tokens) - 1:
            raise Unclear
        return value

    def _taken(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _sum(self) -> Value:
        is_negative = self._tokens[self._at] == "-"
        self._at += is_negative
        total = self._product()
        total = -total if is_negative else total
        while (sign := self._tokens[self._at]) in ("+", "-"):
            self._at += 1
            term = self._product()
            total = total + term if sign == "+" else total - term
        return total

    def _product(self) -> Value:
        value, is_divided = self._atom(), False
        while (sign := self._tokens[self._at]) in ("*", "/", "("):
            if sign == "(":
                if is_divided:  # whether 1/2(3) is 3/2 or 1/6 is not agreed upon
                    raise Unclear
                value = value * self._atom()
                continue
            self._at += 1
            value = value * self._atom() if sign == "*" else _divided(value, self._atom())
            self.divides_twice |= is_divided and sign == "/"
            is_divided |= sign == "/"
        return value

    def _atom(self) -> Value:
        token = self._taken()
        if token == "(":
            value = self._sum()
            if self._taken() != ")":
                raise Unclear
            return value
        if token == "-":
            return -self._atom()
        value = number(token)
        if not self._seen:
            self.first, self._seen = value, True
        if self._tokens[self._at] != "%":
            return value
        self._at += 1
        return _divided(value, self._hundred)


def _divided(value: Value, by: Value) -> Value:
    if by == 0:
        raise Unclear
    if isinstance(value, int) and isinstance(by, int) and value % by == 0:
        return value // by
    return _plain(Fraction(value) / by)


def agree(left: Side, right: Side) -> bool | None:
    """Whether an equation holds; None where that depends on how it is meant."""
    if left.value == right.value or _is_rounded(left, right) or _is_rounded(right, left):
        return True
    if left.of_hundred is not None or right.of_hundred is not None:
        return _agree_in_percent(left, right)
    is_running = left.value == right.first and right.operators  # 3 + 4 = 7 + 5 = 12
    is_unclear = left.divides_twice or right.divides_twice
    return None if is_running or is_unclear or _may_be_rounded(left, right) else False


def _is_rounded(exact: Side, shown: Side) -> bool:
    """The shown number is the exact value cut or rounded, up or down, to the decimals that it shows."""
    if shown.operators or exact.value.denominator == 1:
        return False
    unit = 10**shown.decimals
    return bool(unit % exact.value.denominator) and bool(abs(exact.value - shown.value) * unit < 1)


def _agree_in_percent(left: Side, right: Side) -> bool | None:
    """With percent as hundredths or as plain numbers, as a share or of a hundred; sums with percent are not judged."""
    values: list[Value] = [left.value]
    if left.of_hundred is not None:
        values.append(left.of_hundred)
    if right.value in values or right.of_hundred in values:
        return True
    hundredfold: list[Value] = [100 * value for value in values]
    if any(_is_rounded(left._replace(value=value), right) for value in values + hundredfold):
        return True
    return None if set(left.operators + right.operators) & set("+-") else False


def _may_be_rounded(left: Side, right: Side) -> bool:
    """A number on the way was rounded: 0.67 * 300 = 200, or 10 / 3 + 1 = 3.33 + 1."""
    exact = Fraction(left.value)
    is_near = abs(exact - right.value) <= _ROUNDED_AWAY * abs(exact)
    is_inexact = bool(left.operators and right.operators) and ("." in left.text or "." in right.text)
    return is_near and (is_inexact or bool(_ROUNDED_OPERAND.search(left.text + " " + right.text)))


def in_another_unit(left: Side, right: Side, is_named: bool) -> bool:
    """One side may be the other in another unit: 90 minutes, 1.5 hours. Where none is named, it may still be dollars
    for cents, or thousands."""
    if not left.value or not right.value:
        return False
    ratio = Fraction(left.value) / right.value
    return not {ratio, 1 / ratio}.isdisjoint(_UNITS if is_named else _UNNAMED)
