"""Solves a question from its text alone, in short regular steps. Pure.

Three kinds: expressions (`What is 47 + 85 + 19?`), sequences (`What comes next? 5, 9, 13, 17`) and stories
(`Mia has 42 pears. She buys 17 more. ...`). What it cannot solve it says it cannot solve.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from infra.simulated_teacher import sequences, stories
from infra.simulated_teacher.steps import Solution, step

# Ends where its sentence or line does: "30-50 years old" is no question, and neither are the halves of 3.5.
_EXPRESSION = re.compile(r"(?<![\w.,$)])(?:[-(]\s*)*\d[\d\s()+*/-]*?(?=\s*(?:=|\?|\.(?!\d)|$))", re.MULTILINE)
_TOKEN = re.compile(r"\d+|[-+*/()]")
_SAME_SIGN = str.maketrans({"−": "-", "×": "*", "·": "*", "÷": "/"})
_TIMES = re.compile(r"(?<=[\d)])\s+x\s+(?=[\d(-])")
_LONGEST = 400  # characters of one expression; bounds the parser's depth


@dataclass(slots=True)
class _Parser:
    """Reads one expression left to right; every operation it performs becomes a step."""

    tokens: list[str]
    steps: list[str]
    at: int = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def sum(self) -> int:
        total = self.product()
        while self.peek() in ("+", "-"):
            total = self.apply(total, self.take(), self.product())
        return total

    def product(self) -> int:
        total = self.unary()
        while self.peek() in ("*", "/"):
            total = self.apply(total, self.take(), self.unary())
        return total

    def unary(self) -> int:
        token = self.peek()
        if not token:
            raise ValueError("the expression ends early")
        self.take()
        if token == "-":
            return -self.unary()
        if token == "(":
            inside = self.sum()
            if self.peek() != ")":
                raise ValueError("a parenthesis stays open")
            self.take()
            return inside
        return int(token)  # ValueError for an operator out of place

    def apply(self, left: int, operator: str, right: int) -> int:
        text, result = step(left, operator, right)
        self.steps.append(text)
        return result


def solve_expression(text: str) -> Solution | None:
    """The last expression in `text`: + - * / and parentheses over whole numbers; / only where exact."""
    for found in reversed(_EXPRESSION.findall(_TIMES.sub(" * ", text.translate(_SAME_SIGN)))):
        parser = _Parser(_TOKEN.findall(found[:_LONGEST]), [])
        try:
            answer = parser.sum()
        except ValueError:
            continue
        if parser.at == len(parser.tokens) and parser.steps:
            return Solution("sum", tuple(parser.steps), str(answer))
    return None


def solve(text: str) -> Solution | None:
    """A worked solution, or None where the question is of no kind this solver knows."""
    return sequences.solve_sequence(text) or solve_expression(text) or stories.solve_story(text)
