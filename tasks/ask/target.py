"""Exactly N: how many candidates it takes until N rows are kept (pure).

A candidate is one sample of the plan, counted in plan order: every prompt of the source with its
`samples_per_prompt` samples, and then further samples, one of every prompt after the other.
"""

import math

from pydantic import BaseModel, ConfigDict, Field, model_validator

CONFIDENCE_Z = 1.28
"""A round asks for so many that in nine of ten cases enough are kept (90 % of a normal distribution lie below
1.28 standard deviations)."""
MOST_GROWTH = 2
"""A round at most doubles the candidates: the first rounds measure the keep rate, and measure it again."""


class Target(BaseModel):
    """How many rows a version holds, and what may be asked for them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kept: int = Field(ge=1, le=10_000_000, description="Rows of the published version: exactly so many.")
    max_candidates: int | None = Field(None, ge=1, description="Samples that may be asked for them; null: no such cap.")
    max_samples_per_prompt: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Once every prompt has its samples_per_prompt: up to so many of each; null: no further ones.",
    )

    @model_validator(mode="after")
    def _can_be_met(self) -> "Target":
        if self.max_candidates is not None and self.max_candidates < self.kept:
            raise ValueError(f"max_candidates {self.max_candidates} is below kept {self.kept}: no rule keeps more")
        return self


def first_candidates(target: Target) -> int:
    """Of the first round: if every rule keeps every row it is enough, and never too many."""
    return target.kept


def next_candidates(target: Target, candidates: int, kept: int) -> int:
    """Of the round after one in which `kept` of `candidates` were kept; as many as before if nothing more may be
    asked.

    The keep rate p is (kept + 1) / (candidates + 2), Laplace's rule of succession, so that a round without any
    row still says something. The n more candidates solve n p - z sqrt(n p (1 - p)) = missing: the mean less z
    standard deviations of a binomial distribution.
    """
    missing = target.kept - kept
    if missing <= 0:
        return candidates
    rate = (kept + 1) / (candidates + 2)
    spread = CONFIDENCE_Z * math.sqrt(1 - rate)
    more = math.ceil(((spread + math.sqrt(spread**2 + 4 * missing)) / 2) ** 2 / rate)
    return min(candidates + more, candidates * MOST_GROWTH, target.max_candidates or candidates + more)
