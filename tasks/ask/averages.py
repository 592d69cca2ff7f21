"""What one teacher's answers have shown so far (pure), for charging the next ones."""

from dataclasses import dataclass

from tasks.ask.exchange import Report

UNKNOWN_ANSWERS = 2
"""Of full length that a teacher is taken to have given before its first."""
MEMORY = 200
"""Answers after which the mean of their lengths has half forgotten what came before."""


@dataclass
class Averages:
    """Their mean length, and the prompt's tokens per estimated one."""

    answers: float
    tokens: float
    estimated: float = 0.0
    counted: float = 0.0

    @classmethod
    def unknown(cls, max_tokens: int) -> "Averages":
        """As if a few answers of full length had come: the short ones come first."""
        return cls(UNKNOWN_ANSWERS, UNKNOWN_ANSWERS * max_tokens)

    def note(self, report: Report) -> None:
        keep = 0.5 ** (report.answers / MEMORY)
        self.answers = self.answers * keep + report.answers
        self.tokens = self.tokens * keep + report.answer_tokens
        self.estimated = self.estimated * keep + report.prompt_tokens[0]
        self.counted = self.counted * keep + report.prompt_tokens[1]

    @property
    def mean(self) -> float:
        return self.tokens / self.answers

    @property
    def prompt_scale(self) -> float:
        """Until there are answers, the estimate as it is."""
        return (self.counted + 100) / (self.estimated + 100) if self.estimated else 1.0
