"""What a rule sees, what it says, and what a rule is (pure)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from tasks.judge.policy import JudgePolicy
from tasks.judge.sketch import Measured, measured
from tasks.judge.words import Arrow, Hashes

Signal = dict[str, str | int | float | bool | None]


@dataclass(frozen=True)
class Trace:
    """What the rules may see of a trace and its prompt."""

    trace_id: str
    outcome: str
    finish_reason: str | None
    reasoning: str
    answer: str
    reference: str | None
    verifier: str
    metadata: str | None
    question: str = ""
    opinion: str | None = None
    """What an LLM judge replied about it; with the id of that reply, and who the judge is."""
    opinion_id: str | None = None
    opinion_by: str | None = None
    known: Measured | None = field(default=None, compare=False, repr=False)
    """What its words say, where a whole column of texts was measured at once."""

    @property
    def text(self) -> str:
        """What duplicates, length and repetition are measured on: all that the teacher wrote."""
        return whole_text(self.reasoning, self.answer)

    @cached_property
    def _measured(self) -> Measured:
        return self.known or measured(self.text)

    @property
    def words(self) -> Hashes:
        return self._measured.words

    @property
    def repeated(self) -> float:
        """The share of its runs of 8 words that occurred in it before."""
        return self._measured.repeated


def whole_text(reasoning: str, answer: str) -> str:
    return f"{reasoning}\n{answer}" if reasoning else answer


def whole_texts(reasoning: Arrow, answer: Arrow) -> Arrow:
    """The same of two columns; a null is an empty text."""
    reasoning, answer = (column.cast(pa.large_string()).fill_null("") for column in (reasoning, answer))
    has_none: Arrow = pc.equal(reasoning, pa.scalar("", pa.large_string()))
    if pc.all(has_none).as_py():
        return answer
    newline: Arrow = pa.scalar("\n", pa.large_string())
    return pc.if_else(has_none, answer, pc.binary_join_element_wise(reasoning, answer, newline))


@dataclass(frozen=True)
class Finding:
    """What one rule says of one trace."""

    outcome: Literal["pass", "reject", "undecided", "quarantine"]
    signal: Signal
    reason: str | None = None
    details: str = ""


@dataclass(frozen=True)
class Rule:
    """A named, versioned, pure check."""

    name: str
    version: int
    settings: tuple[str, ...]
    """The fields of the policy that it reads."""
    check: Callable[[Trace, JudgePolicy], Finding]


def passed(**signal: str | int | float | bool | None) -> Finding:
    return Finding("pass", signal)


def rejected(reason: str, details: str, **signal: str | int | float | bool | None) -> Finding:
    return Finding("reject", signal, reason, details)


def quarantined(reason: str, details: str, **signal: str | int | float | bool | None) -> Finding:
    """For a person to look at."""
    return Finding("quarantine", signal, reason, details)
