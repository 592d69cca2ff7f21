"""Make math-verify several times faster, without changing what it says: its parser, its
numbers, its `simplify`, its differences of sets."""

import functools
import re
from typing import Any

from tasks.judge.linear import are_different_lines
from tasks.judge.nonzero import is_clearly_not_zero
from tasks.judge.quick_parse import two_stages
from tasks.judge.spans import spans


def _unless_clear(full: Any) -> Any:
    """math-verify simplifies a difference only to ask whether it is zero."""
    from sympy import Expr, Integer

    @functools.wraps(full)
    def simplify(difference: Any) -> Any:
        is_apart = isinstance(difference, Expr) and is_clearly_not_zero(difference)
        return Integer(1) if is_apart else full(difference)

    return simplify


def _unless_lines(full: Any) -> Any:
    """math-verify solves two equations that it could not tell to be the same, to compare their solutions."""

    @functools.wraps(full)
    def solve_and_compare(gold: Any, pred: Any, *precision: int) -> bool:
        return not are_different_lines(gold, pred) and bool(full(gold, pred, *precision))

    return solve_and_compare


def _unless_spans(full: Any) -> Any:
    """math-verify takes the symmetric difference of two sets only to ask whether it is empty."""
    from sympy import EmptySet, FiniteSet

    @functools.wraps(full)
    def symmetric_difference(self: Any, other: Any) -> Any:
        mine, theirs = spans(self), spans(other)
        if mine is None or theirs is None:
            return full(self, other)
        return EmptySet if mine == theirs else FiniteSet(0)

    return symmetric_difference


def install() -> None:
    """Change how math-verify parses, reads numbers, simplifies and compares sets in this process; a second call does
    nothing."""
    from latex2sympy2_extended.latex2sympy2 import _Latex2Sympy
    from math_verify import grader
    from sympy import Set

    if hasattr(_Latex2Sympy.create_parser, "__wrapped__"):
        return
    _Latex2Sympy.create_parser = two_stages(_Latex2Sympy.create_parser)
    _Latex2Sympy.parse_number = _at_once(_Latex2Sympy.parse_number)
    grader.simplify = _unless_clear(grader.simplify)
    Set.symmetric_difference = _unless_spans(Set.symmetric_difference)
    grader.sympy_solve_and_compare = _unless_lines(grader.sympy_solve_and_compare)


_DIGITS = re.compile(r"[0-9]{1,300}")
_DECIMAL = re.compile(r"[0-9]{1,300}\.[0-9]{1,300}")


def _at_once(full: Any) -> Any:
    """`sympy.Number(text)` compiles and runs a Python program for each number; this makes what that program makes."""
    from sympy import Float, Integer

    @functools.wraps(full)
    def parse_number(self: Any, text: str) -> Any:
        plain = text.replace(",", "")
        if _DIGITS.fullmatch(plain):
            return Integer(int(plain))
        return Float(plain) if _DECIMAL.fullmatch(plain) else full(self, text)

    return parse_number
