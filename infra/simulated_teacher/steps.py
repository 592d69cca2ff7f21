"""The words in which a solution is written: one operation, one short sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Solution:
    """A question solved: `kind` is sum, sequence, story or book; `steps` are whole sentences, in order."""

    kind: str
    steps: tuple[str, ...]
    answer: str

    @property
    def reasoning(self) -> str:
        return " ".join(self.steps)


def step(left: int, operator: str, right: int) -> tuple[str, int]:
    """`47 + 85 = 132.` and 132. ValueError where a division has no whole result."""
    if operator == "+":
        result = left + right
    elif operator == "-":
        result = left - right
    elif operator == "*":
        result = left * right
    elif right != 0 and left % right == 0:
        result = left // right
    else:
        raise ValueError(f"{left} / {right} has no whole result")
    return f"{left} {operator} {right} = {result}.", result


def shift(left: int, by: int) -> tuple[str, int]:
    """`left + by`, written as a subtraction where `by` is negative."""
    return step(left, "+", by) if by >= 0 else step(left, "-", -by)
