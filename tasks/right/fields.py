"""The kinds of fields that registry files are made of: strict, frozen, one line each (pure)."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Purpose = Literal["ask", "publish", "train"]
TermsOf = Literal["weights", "route"]

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\r\n]+$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Day = Annotated[date, Field(ge=date(2000, 1, 1), lt=date(3000, 1, 1))]
Count = Annotated[int, Field(ge=1, le=2**53 - 1)]  # RFC 8785 has no larger whole numbers
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2, or `EU` for all of the Union."""


class Frozen(BaseModel):
    """Strict about fields, frozen once made."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
