"""Equations between whole numbers that a text states and that are not so (pure): a check that the line does not have.

It is here to say what would see spoiled reasoning in such plain texts as these. It reads `47 + 85 = 132` and nothing
more: no words, no units, no chains, no decimals.
"""

import operator
import re
from collections.abc import Callable, Mapping

_NOT_BEFORE = r"(?<![\d.,/*+=-])(?<![*/+=-] )"  # no part of a longer expression
_NOT_AFTER = r"(?![\d,/%]|\.\d| [-+*/])"
_EQUATION = re.compile(rf"{_NOT_BEFORE}(-?\d{{1,9}}) ([-+*]) (\d{{1,9}}) = (-?\d{{1,18}}){_NOT_AFTER}")
_OPERATORS: Mapping[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def false_equations(text: str) -> list[str]:
    """The equations in `text` that do not hold, as they are written."""
    return [
        found[0]
        for found in _EQUATION.finditer(text)
        if _OPERATORS[found[2]](int(found[1]), int(found[3])) != int(found[4])
    ]
