"""What a rule sees, what it says, and what a rule is (pure)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from tasks.judge import words
from tasks.judge.policy import JudgePolicy
from tasks.judge.tokens import count_tokens

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

    @property
    def text(self) -> str:
        """What duplicates, length and repetition are measured on: all that the teacher wrote."""
        return whole_text(self.reasoning, self.answer)

    @cached_property
    def reasoning_tokens(self) -> int:
        return count_tokens(self.reasoning)

    @cached_property
    def tokens(self) -> int:
        """Of reasoning and answer, each counted by itself."""
        return self.reasoning_tokens + count_tokens(self.answer)

    @cached_property
    def words(self) -> words.Hashes:
        return words.words(self.text)


def whole_text(reasoning: str, answer: str) -> str:
    return f"{reasoning}\n{answer}" if reasoning else answer


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
