"""Make math-verify several times faster, without changing what it says: its parser, its
numbers, its `simplify`, its differences of sets.

Its ANTLR grammar is parsed with full-context prediction, whose results ANTLR does not keep from one text to the next.
ANTLR's documented way out has two stages. Prediction in SLL mode, which is kept, gives the tree that LL mode would
give, or a syntax error (ANTLR's documentation of PredictionMode.SLL); after an error, the parse is done again in LL
mode. That holds for texts that are parsed to their end, so a text of which something is left is done again too.
"""

import functools
import re
from typing import Any

from tasks.judge.linear import are_different_lines
from tasks.judge.nonzero import is_clearly_not_zero
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


class _Read:
    """A parser that is done: it gives the tree it has read."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree

    def math(self) -> Any:
        return self._tree


def install() -> None:
    """Change how math-verify parses, reads numbers, simplifies and compares sets in this process; a second call does
    nothing."""
    from latex2sympy2_extended.latex2sympy2 import _Latex2Sympy
    from math_verify import grader
    from sympy import Set

    if hasattr(_Latex2Sympy.create_parser, "__wrapped__"):
        return
    _Latex2Sympy.create_parser = _two_stages(_Latex2Sympy.create_parser)
    _Latex2Sympy.parse_number = _at_once(_Latex2Sympy.parse_number)
    grader.simplify = _unless_clear(grader.simplify)
    Set.symmetric_difference = _unless_spans(Set.symmetric_difference)
    grader.sympy_solve_and_compare = _unless_lines(grader.sympy_solve_and_compare)


def _two_stages(full: Any) -> Any:
    @functools.wraps(full)
    def create_parser(self: Any, latex: str) -> Any:
        for text in dict.fromkeys((latex, grouped(latex))):
            if (tree := _tree(full(self, text))) is not None:
                return _Read(tree)
        return full(self, latex)

    return create_parser


_POWER = re.compile(
    r"(?P<symbol>\\(?:pi|alpha|beta|gamma|delta|theta|lambda|mu|phi|omega)|(?<![_d\\])[a-cf-hj-zA-DF-HJ-Z])"
    r"\s*(?P<power>\^\s*(?:\d+|\{\s*\d+\s*\}))(?!\s*(?:[(_'!\[\d.]|\\left|\\[lb]))|\\[A-Za-z]+"
)


def grouped(latex: str) -> str:
    """`x^2` as `{x}^2`. The grammar knows the first in two ways, as a power and as a symbol with something above it
    (which it then takes for a power), and SLL mode stumbles over that; the second in one."""
    return _POWER.sub(lambda found: f"{{{found['symbol']}}}{found['power']}" if found["symbol"] else found[0], latex)


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


def _tree(parser: Any) -> Any:
    """The tree of a text that SLL mode reads to its end, else None."""
    from antlr4 import PredictionMode, Token
    from antlr4.error.Errors import ParseCancellationException
    from antlr4.error.ErrorStrategy import BailErrorStrategy

    for recognizer in (parser, parser.getTokenStream().tokenSource):
        recognizer.removeErrorListeners()
        recognizer.addErrorListener(_stop())
    parser._interp.predictionMode = PredictionMode.SLL
    parser._errHandler = BailErrorStrategy()
    try:
        tree = parser.math()
    except ParseCancellationException:
        return None
    return tree if parser.getTokenStream().LA(1) == Token.EOF else None


@functools.cache
def _stop() -> Any:
    """A listener that ends the parse at the first error, of the lexer too."""
    from antlr4.error.ErrorListener import ErrorListener
    from antlr4.error.Errors import ParseCancellationException

    class Stop(ErrorListener):  # type: ignore[misc]
        def syntaxError(self, *error: Any) -> None:
            raise ParseCancellationException

    return Stop()
