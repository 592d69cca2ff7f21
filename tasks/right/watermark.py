"""A watermark that a teacher declares, with all that it takes to see it (pure)."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DeclaredWatermark(BaseModel):
    """The green lists of Kirchenbauer et al. 2023 (KGW, arXiv 2301.10226), as `transformers` draws them on a CPU.
    Nothing that decides has a default: with another key or another rule every text looks unmarked."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    status: Literal["declared"]
    scheme: Literal["kgw"]
    tokenizer: str = Field(min_length=1)
    """Folder of the teacher's own tokenizer, from the folder of the entry."""
    hashing_key: int = Field(ge=0, le=2**53 - 1, repr=False, exclude=True)
    """Whoever has it can write marked text; it is not copied into the warehouse."""
    gamma: float = Field(gt=0, lt=1)
    """Share of the vocabulary that is green."""
    seeding_scheme: Literal["lefthash", "selfhash"]
    context_width: int = Field(ge=1, le=16)
    vocab_size: int | None = Field(default=None, ge=2)
    """Of the model, where it has more tokens than its tokenizer; `vocab_size` in its config.json."""

    def beside(self, folder: Path) -> "DeclaredWatermark":
        """The same with the whole path of the tokenizer; an absolute one stays as it is."""
        return self.model_copy(update={"tokenizer": str(folder / self.tokenizer)})
