"""Make math-verify several times faster, without changing what it says: its parser, its
numbers, its `simplify`, its differences of sets."""

import functools
import re
from collections.abc import Callable
from typing import Any

from tasks.judge.linear import are_different_lines
from tasks.judge.nonzero import are_clearly_apart
from tasks.judge.polynomial import are_equal
from tasks.judge.quick_parse import quicken_trees, two_stages
from tasks.judge.spans import spans

_MOST_MEMBERS = 20


@functools.lru_cache(maxsize=64)
def _decided(gold: Any, said: Any) -> bool | None:
    """Whether two expressions are equal for all values of their symbols; None where that is not plain to see."""
    if are_clearly_apart(gold, said):
        return False
    return are_equal(gold, said) or None


def _are_plain(gold: Any, said: Any) -> bool:
    from sympy import Expr, MatrixExpr

    return all(isinstance(one, Expr) and not isinstance(one, MatrixExpr) for one in (gold, said))


def _are_written_out(gold: Any, said: Any) -> bool:
    """Whether none is a number or a percentage: those math-verify compares to 15 digits in ways of its own."""
    from math_verify.grader import is_atomic_or_pct_atomic
    from sympy import Number

    return _are_plain(gold, said) and not any(is_atomic_or_pct_atomic(one, Number) for one in (gold, said))


def _unless_decided(full: Any, is_read: Callable[[Any, Any], bool]) -> Any:
    """math-verify asks whether a difference is zero to 15 digits, then whether it is simplified to zero; that one of
    the two is so is enough for it."""

    @functools.wraps(full)
    def are_the_same(gold: Any, said: Any, *precision: int) -> bool:
        found = _decided(gold, said) if is_read(gold, said) else None
        return bool(full(gold, said, *precision)) if found is None else found

    return are_the_same


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
        if isinstance(self, FiniteSet) and isinstance(other, FiniteSet) and _has_another(self, other):
            return FiniteSet(0)
        mine, theirs = spans(self), spans(other)
        if mine is None or theirs is None:
            return full(self, other)
        return EmptySet if mine == theirs else FiniteSet(0)

    return symmetric_difference


def _has_another(one: Any, other: Any) -> bool:
    """Whether a set has a member that is clearly none of the other's."""
    from sympy import Expr

    members = [*one.args, *other.args]
    if len(members) > _MOST_MEMBERS or not all(isinstance(member, Expr) for member in members):
        return False
    pairs = ((one.args, other.args), (other.args, one.args))
    return any(all(are_clearly_apart(a, b) for b in theirs) for mine, theirs in pairs for a in mine)


def install() -> None:
    """Change how math-verify parses, reads numbers, simplifies and compares sets in this process; a second call does
    nothing."""
    from latex2sympy2_extended.latex2sympy2 import _Latex2Sympy
    from math_verify import grader, parser
    from sympy import Set

    if hasattr(_Latex2Sympy.create_parser, "__wrapped__"):
        return
    _Latex2Sympy.create_parser = two_stages(_Latex2Sympy.create_parser)
    _Latex2Sympy.parse_number = _at_once(_Latex2Sympy.parse_number)
    quicken_trees()
    parser.extract_target_from_pred = _unless_formula(parser.extract_target_from_pred)
    grader.sympy_numeric_eq = _unless_decided(grader.sympy_numeric_eq, _are_written_out)
    grader.sympy_symbolic_eq = _unless_decided(grader.sympy_symbolic_eq, _are_plain)
    Set.symmetric_difference = _unless_spans(Set.symmetric_difference)
    grader.sympy_solve_and_compare = _unless_lines(grader.sympy_solve_and_compare)


_FORMULA = re.compile(r"^\$(?P<first_latexInlineDollar>[^$\n]*[^$\n\\])\$\Z")
_LOOKED_FOR = re.compile(r"answer|boxed", re.IGNORECASE)
"""What all patterns of math-verify ask for but those that it tries last, of which all look alike: priority 300."""
_LAST = 300


def _unless_formula(full: Any) -> Any:
    """math-verify looks for formulas with a dozen patterns. Where a text is one between dollars they find it too: its
    match is the longest, and the longest comes first. What they look for next, numbers, is looked for still."""

    @functools.wraps(full)
    def extract_target_from_pred(text: str, targets: Any, *mode: Any, **modes: Any) -> Any:
        if _FORMULA.match(text) and not _LOOKED_FOR.search(text):
            targets = [(_last_patterns(patterns, kind), kind) for patterns, kind in targets]
        return full(text, targets, *mode, **modes)

    return extract_target_from_pred


def _last_patterns(patterns: Any, kind: Any) -> Any:
    if type(kind).__name__ == "LatexExtractionConfig":
        return [(_FORMULA, _LAST)]
    return [(pattern, priority) for pattern, priority in patterns if priority == _LAST]


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
