"""An answer book: worked solutions for questions that cannot be solved from their text by rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import orjson

from infra.simulated_teacher.steps import Solution

_CALCULATION = re.compile(r"<<[^<>]*>>")
_LABEL = re.compile(r"^\w+:\s*")


class BadBook(ValueError):
    """The answer book cannot be read; the message names the file and the line."""


def _key(question: str) -> str:
    return " ".join(question.split()).casefold()


def worked_solution(answer: str) -> Solution:
    """A GSM8K-style answer: the steps, then the final answer after `####`; `<<...>>` marks are dropped."""
    steps, mark, final = _CALCULATION.sub("", answer).rpartition("####")
    if not mark or not final.strip():
        raise ValueError("no final answer after ####")
    return Solution("book", (steps.strip(),), final.strip())


def read_book(path: Path) -> dict[str, Solution]:
    """JSON lines with `question` and `answer`. BadBook names the file and line of the first malformed row."""
    book: dict[str, Solution] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BadBook(f"answer book {path}: {error.strerror}: give a readable JSONL file") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
            book[_key(row["question"])] = worked_solution(row["answer"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadBook(
                f"answer book {path} line {number}: {error!r}: each line needs `question`, and `answer`"
                " ending in `#### x`"
            ) from error
    return book


def look_up(book: Mapping[str, Solution], text: str) -> Solution | None:
    """The solution for the question that `text` is, or that one of its lines is (also `Question: ...`)."""
    if not book:
        return None
    for candidate in (text, *reversed(text.splitlines())):
        found = book.get(_key(candidate)) or book.get(_key(_LABEL.sub("", candidate.strip())))
        if found:
            return found
    return None
