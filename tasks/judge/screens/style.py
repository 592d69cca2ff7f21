"""How a trace is written, in numbers; and has the way a teacher writes changed? (pure)

The features follow what is known to change when outputs are spoiled: PART takes self-talk away and puts conclusions
first (arXiv 2510.11545), trace rewriting asks for a dense, technical lexicon (2602.15143); a temperature, a
watermark or another model shift words, lengths and marks.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.judge.screens import smirnov
from tasks.judge.screens.smirnov import Values

FEATURES = (
    "reasoning_tokens",
    "answer_tokens",
    "think_marks",
    "self_talk",
    "first_answer",
    "list_lines",
    "code_fences",
    "punctuation",
    "word_length",
    "distinct_words",
    "function_words",
    "compression",
)
"""Names of `features`' numbers, in their order."""

QUESTION_FEATURES = ("question_characters", "question_digits", "question_punctuation", "question_word_length")
"""Names of `question_features`' numbers."""
ALL_FEATURES = FEATURES + QUESTION_FEATURES
UNREAD = (0.0,) * len(ALL_FEATURES)
"""In place of a trace's numbers, where it is only counted."""
_READ = 20_000
"""Characters of a text that are looked at; lengths are of the whole."""
_DISTINCT_OF = 200
"""Words among which distinct ones are counted: their share falls with the length of a text."""
_WORD = re.compile(r"[^\W\d_]+")
_THINK = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)
_TALK = re.compile(
    r"\b(?:wait|hmm+|let me|let's|actually|okay|ok|alright|maybe|hold on|double[- ]check|i think|i need|so i)\b",
    re.IGNORECASE,
)
_LISTED = re.compile(r"^\s*(?:[-*\u2022]|\d{1,3}[.)])\s", re.MULTILINE)
_MARKS = re.compile(r"[^\w\s]")
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        "the of and to a in is that it for as was with be by on not he i this are or his from at which but have an had "
        "they you were their one all we can her has there been if more when will would who so no",
    )
)


def features(reasoning: str, answer: str) -> tuple[float, ...]:
    """One number for each of FEATURES. Shares are of words, lines or characters; `first_answer` is how far into the
    text the last number or word of the answer first occurs, from 0 to 1."""
    whole = f"{reasoning}\n{answer}" if reasoning else answer
    text = whole[:_READ]
    words = [word.lower() for word in _WORD.findall(text)]
    count = max(1, len(words))
    raw = text.encode("utf-8", "replace")
    return (
        float(_tokens(reasoning)),
        float(_tokens(answer)),
        float(len(_THINK.findall(text))),
        len(_TALK.findall(text)) / count,
        _first_answer(text, answer),
        len(_LISTED.findall(text)) / (text.count("\n") + 1),
        float(text.count("```")),
        len(_MARKS.findall(text)) / max(1, len(text)),
        sum(map(len, words)) / count,
        len(set(words[:_DISTINCT_OF])) / max(1, len(words[:_DISTINCT_OF])),
        sum(word in _FUNCTION_WORDS for word in words) / count,
        len(raw) / len(zlib.compress(raw, 1)),
    )


def question_features(question: str) -> tuple[float, ...]:
    """One number for each of QUESTION_FEATURES: how the questions are, which a teacher cannot change."""
    text = question[:_READ]
    words, length = _WORD.findall(text), max(1, len(text))
    digits = sum(character.isdigit() for character in text)
    return (
        float(len(question)),
        digits / length,
        len(_MARKS.findall(text)) / length,
        sum(map(len, words)) / max(1, len(words)),
    )


def of_question(question: str) -> tuple[float, ...]:
    """ALL_FEATURES' numbers where only the question is looked at."""
    return (0.0,) * len(FEATURES) + question_features(question)


def _tokens(text: str) -> int:
    """An estimate: a quarter of the UTF-8 bytes, rounded up."""
    return -(-len(text.encode("utf-8", "replace")) // 4)


def _first_answer(text: str, answer: str) -> float:
    found = re.findall(r"[^\s.,;:!?*$(){}]+", answer[-200:])
    return text.find(found[-1]) / max(1, len(text)) if found and found[-1] in text else 1.0


@dataclass(frozen=True)
class Shift:
    """How far two sets of traces are apart."""

    feature: str
    """The one that differs most."""
    distance: float
    p: float
    """Of any feature, Holm's least: features x the p of that one (Holm 1979, Scand. J. Statist. 6, 65-70)."""
    medians: tuple[float, float]
    """Of that feature in the reference, and in the window."""
    n: int
    reference_n: int


def compare(window: Sequence[Values], reference: Sequence[Values], names: Sequence[str] = FEATURES) -> Shift:
    """The feature that differs most between two sets of rows, of ALL_FEATURES' numbers each; neither may be empty."""
    columns = [ALL_FEATURES.index(name) for name in names]
    now, then = (np.array(rows, np.float64)[:, columns] for rows in (window, reference))
    distances = [smirnov.distance(now[:, column], then[:, column]) for column in range(len(names))]
    most = int(np.argmax(distances))
    p = min(1.0, len(names) * smirnov.p_value(distances[most], len(now), len(then)))
    medians = (float(np.median(then[:, most])), float(np.median(now[:, most])))
    return Shift(names[most], distances[most], p, medians, len(now), len(then))


OTHER_QUESTIONS = 0.01
"""Where the questions themselves differ at this level, other answers say nothing of the teacher."""


def other_questions(window: Sequence[Values], reference: Sequence[Values]) -> str:
    """How the questions of two sets of rows differ; "" where they do not."""
    asked = compare(window, reference, QUESTION_FEATURES)
    return f"the questions differ too ({asked.feature}, p {asked.p:.2g})" if asked.p <= OTHER_QUESTIONS else ""


def balanced(
    window: Sequence[tuple[str, Values]], reference: Sequence[tuple[str, Values]]
) -> tuple[list[Values], list[Values]]:
    """Of both sets as many rows as make their families' shares equal: another mix of questions is no other style.

    Rows are (family, numbers); of a family those that come first are taken.
    """
    now, then = _by_family(window), _by_family(reference)
    times = max(1, len(reference) // max(1, len(window)))
    chosen_now: list[Values] = []
    chosen_then: list[Values] = []
    for family, rows in now.items():
        there = then.get(family, [])
        taken = min(len(rows), len(there) // times)
        chosen_now += rows[:taken]
        chosen_then += there[: taken * times]
    return chosen_now, chosen_then


def _by_family(rows: Sequence[tuple[str, Values]]) -> dict[str, list[Values]]:
    found: dict[str, list[Values]] = {}
    for family, numbers in rows:
        found.setdefault(family, []).append(numbers)
    return found
