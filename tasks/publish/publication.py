"""What a recipe says of publishing, and what a publication hands on."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Form = Literal["field", "inline"]
Reasoning = Literal["auto", "field", "inline"]


class Publish(BaseModel):
    """How kept traces become a version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation_fraction: float = Field(
        default=0.02,
        ge=0.0,
        lt=1.0,
        description="share of question clusters whose prompts are held out for validation",
    )
    shard_rows: int = Field(default=50_000, ge=1, description="most rows in one Parquet file")
    reasoning: Reasoning = Field(
        default="auto",
        description="'field': reasoning_content beside content; 'inline': <think> inside content; "
        "'auto': whichever the student's chat template keeps, inline without a student",
    )


@dataclass(frozen=True)
class Published:
    """A version that exists."""

    version: str
    """`dataset@YYYY.MM.DD.N`"""
    folder: str
    """Absolute path of its folder."""
    is_new: bool
    """False when the same content had been published before: nothing was written."""
    rows: int
    train_rows: int
    validation_rows: int
    heldout_prompts: int
    merged_across_sides: int = 0
    """Kept rows left out of train because their question's cluster reaches into validation."""
    not_admitted: int = 0
    """Kept rows left out because no decision allows publishing them."""
    over_target: int = 0
    """Kept rows left out because the target was reached without them."""
