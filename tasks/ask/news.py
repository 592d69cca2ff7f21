"""What a worker has to tell its pool at the next exchange (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.ask.charge import Cost
from tasks.ask.exchange import Failure
from tasks.ask.headers import HeaderLimit
from tasks.ask.providers import MeterName


@dataclass
class News:
    """What has happened since the pool was last told."""

    back: Cost = Cost()
    prompt_tokens: tuple[int, int] = (0, 0)
    answers: int = 0
    answer_tokens: int = 0
    answer_s: float = 0.0
    slowest_s: float = 0.0
    failures: list[tuple[Failure, float]] = field(default_factory=list)
    limits: Mapping[MeterName, HeaderLimit] = field(default_factory=dict)

    def joined(self, later: "News") -> "News":
        """What may not have been told, with what came after it. What would come back counts as told: told twice, it
        would let through more than the limit."""
        owed = Cost(*(min(0, part) for part in self.back))
        return News(
            owed.plus(later.back),
            (self.prompt_tokens[0] + later.prompt_tokens[0], self.prompt_tokens[1] + later.prompt_tokens[1]),
            self.answers + later.answers,
            self.answer_tokens + later.answer_tokens,
            self.answer_s + later.answer_s,
            max(self.slowest_s, later.slowest_s),
            [*self.failures, *later.failures],
            later.limits or self.limits,
        )
