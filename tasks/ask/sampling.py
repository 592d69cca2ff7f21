"""What a recipe says about asking (pure): the wording, the sampling fields, and the budget."""

from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from tasks.ask.spend import Ceiling
from warehouse.records import content_id

PLACEHOLDER = "{prompt}"
OURS = frozenset(
    ["model", "messages", "temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop"]
    + ["reasoning_effort", "n", "stream", "stream_options"]
)
"""Fields of the chat request that `extra_body` may not set: most are fields of the recipe, and `n`,
`stream` or a second cap would break the one answer a request, the journal or the budget."""


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty: write a text, or leave the field out")
    return text


Text = Annotated[str, AfterValidator(_not_blank)]
StopString = Annotated[str, Field(min_length=1)]  # a line break is a fine one


class Example(BaseModel):
    """One few-shot example: a question, worded by the template like every other, and the answer to show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Text
    answer: Text


class Ask(BaseModel):
    """How a question becomes messages.

    `template` puts the question where `{prompt}` stands; every other character, braces too, is sent as it
    is written, and a question that itself contains `{prompt}` is not expanded again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: Text | None = Field(None, description="System prompt, for rows that bring none of their own.")
    template: Text = Field(
        PLACEHOLDER,
        description="Put around each question; {prompt} is the question, other braces are literal.",
    )
    examples: tuple[Example, ...] = Field((), description="Few-shot examples, asked and answered before the question.")

    @model_validator(mode="before")
    @classmethod
    def _no_examples(cls, data: Any) -> Any:
        """`examples: null` in a recipe means none."""
        if isinstance(data, dict) and data.get("examples", ()) is None:
            return {**data, "examples": ()}
        return data

    @model_validator(mode="after")
    def _has_placeholder(self) -> "Ask":
        if self.template.count(PLACEHOLDER) != 1:
            raise ValueError(
                f"template must contain {PLACEHOLDER} exactly once, found {self.template.count(PLACEHOLDER)}"
            )
        return self


class Sampling(BaseModel):
    """The sampling fields of a chat request. A field left null is not sent, so that the server's default
    rules.

    Only `max_tokens` is always sent: without a cap no worst case is known, and a budget could not be a
    ceiling.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float | None = Field(None, ge=0, le=2, description="0 to 2; null: the server's default.")
    top_p: float | None = Field(None, gt=0, le=1, description="Above 0, up to 1; null: the server's default.")
    max_tokens: int = Field(2048, ge=1, le=1_000_000, description="Cap on reasoning and answer together, per sample.")
    seed: int | None = Field(None, ge=0, le=2**31 - 1, description="Sample i of a prompt is sent seed + i.")
    caps: Literal["off", "measured"] = Field(
        "off",
        description="measured: ask with a lower cap than max_tokens where the provider reserves it and the lengths are"
        " known, and ask again for what that cuts off; may shorten the data, see docs/caps.md.",
    )
    stop: tuple[StopString, ...] | None = Field(
        None, min_length=1, max_length=4, description="Up to four stop strings."
    )
    stream: bool = Field(False, description="Have answers streamed: for traces that take longer than a few minutes.")
    reasoning_effort: Text | None = Field(None, description="As the server names it, e.g. low, medium, high.")
    extra_body: dict[str, Any] = Field(default_factory=dict, description="More request fields, sent as they are.")

    @model_validator(mode="before")
    @classmethod
    def _as_people_write_it(cls, data: Any) -> Any:
        """A single stop string may stand without a list; `extra_body: null` means none; YAML reads `off` as false."""
        if not isinstance(data, dict):
            return data
        stop, extra = data.get("stop"), data.get("extra_body")
        given = {name: value for name, value in data.items() if name != "extra_body" or extra is not None}
        given |= {"caps": "off"} if data.get("caps") is False else {}
        return {**given, "stop": [stop]} if isinstance(stop, str) else given

    @field_validator("extra_body")
    @classmethod
    def _extra_body_is_extra(cls, extra: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(OURS & extra.keys()):
            raise ValueError(f"may not set {', '.join(taken)}: use the recipe's own field, or leave it out")
        try:
            is_exact = orjson.loads(orjson.dumps(extra)) == extra
        except TypeError as error:
            raise ValueError(f"cannot be sent as JSON ({error})") from None
        if not is_exact:
            raise ValueError("cannot be sent as JSON: it holds nan, an infinity, or a value that is not JSON")
        return extra


def prompt_class(ask: Ask, sampling: Sampling, family: str | None) -> str:
    """The name of requests whose answers' lengths are looked at together: worded alike, sampled alike (reasoning effort
    and `extra_body` included), and of one family of prompts where the source has families."""
    unlike = sampling.model_dump_json(exclude={"max_tokens", "caps", "seed", "stream"})
    return content_id("prompt class", ask.model_dump_json(), unlike, family)


class Budget(BaseModel):
    """Ceilings over everything ever billed for a recipe's dataset; a ceiling left null does not apply."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tokens: int | None = Field(None, ge=1, description="Prompt and completion tokens together.")
    requests: int | None = Field(None, ge=1, description="HTTP requests, failed ones too.")
    usd: float | None = Field(None, gt=0, description="US dollars; needs teachers with a known price.")

    @property
    def ceiling(self) -> Ceiling:
        """As the book knows it."""
        return Ceiling(self.requests, self.tokens, self.usd)
