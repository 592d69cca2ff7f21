"""Grades an answer where it is asked to: a judge's request names a question and an answer to check. Pure.

What it knows of such requests are headings at the start of a line: `Question:`, `Reference answer:`, `Answer to
check:`; what follows each is taken up to the next heading, less lines that only mark where a text begins and ends.
"""

from __future__ import annotations

import re

from infra.simulated_teacher.solver import solve
from infra.simulated_teacher.steps import Solution

_HEADING = re.compile(r"^(Question|Reference answer|Answer to check):[ \t]*\n", re.MULTILINE)
_MARK = re.compile(r"^(?:<<\w+|\w+>>)$", re.MULTILINE)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def grade(text: str) -> Solution | None:
    """Whether the last number of the answer is the reference's last, or that of the question as solved here; `unsure`
    where neither is known. None for a text that asks for no grading."""
    parts = _HEADING.split(text)
    found = {name: _MARK.sub("", body).strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    if not {"Question", "Answer to check"} <= found.keys():
        return None
    solution = solve(found["Question"])
    known = _last(found.get("Reference answer", "")) or (solution.answer if solution else None)
    given = _last(found["Answer to check"].rpartition("\n\n")[0] or found["Answer to check"])
    if known is None:
        return Solution("grade", ("I cannot work this one out.",), "unsure")
    said = "correct" if given == known else "incorrect"
    return Solution("grade", (f"It should be {known}.", f"The answer says {given}."), said)


def _last(text: str) -> str | None:
    numbers = _NUMBER.findall(text.replace(",", ""))
    return numbers[-1] if numbers else None
