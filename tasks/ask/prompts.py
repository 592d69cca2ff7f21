"""Prompts: what a recipe says about its source, and what each row of it becomes (pure).

Every row is checked before anything is asked; an error names the file and the line or row, the column, and
what to do. A question's text is kept exactly as the source gives it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tasks.ask.sources import GENERATOR, Row, read_rows
from tasks.judge.snippet import TestsUnusable, stated_tests
from warehouse.errors import BadInput
from warehouse.records import content_id

Verifier = Literal["exact", "numeric", "math", "reasoning-gym", "code", "none"]
VERIFIERS: tuple[str, ...] = ("exact", "numeric", "math", "reasoning-gym", "code", "none")
NEEDS_REFERENCE = frozenset({"exact", "numeric", "math"})
ROLES = ("system", "user", "assistant")
OUR_COLUMNS = ("prompt", "messages", "reference", "system", "family", "verifier", "metadata")


@dataclass(frozen=True)
class Prompt:
    """One question to ask: a row of `prompts`."""

    prompt_id: str
    """Content hash of messages, reference and verifier."""
    question: str
    """The last user message, as the source gives it."""
    messages: tuple[dict[str, str], ...]
    """The row's own messages, before template, recipe's system prompt and examples."""
    reference: str | None
    verifier: str
    family: str | None
    metadata: str | None
    """JSON; for the verifier reasoning-gym `{"task": name, "entry": {question, answer, metadata}}`, for code
    `{"tests": ...}`."""
    source: str
    source_row: int
    license: str


class PromptSource(BaseModel):
    """Where prompts come from, and how its columns map to ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(
        min_length=1,
        description="A .jsonl, .csv or .parquet file, a folder or glob of them, a `datasets` folder,"
        " or reasoning-gym:TASK.",
    )
    columns: dict[str, str] = Field(
        default_factory=lambda: {"prompt": "prompt"},
        description=f"ours: theirs. Ours are {', '.join(OUR_COLUMNS)}; prompt or messages is needed.",
    )
    verifier: Verifier = Field("none", description="Checks answers, for rows that name none of their own.")
    no_reference: Literal["refuse", "vote"] = Field(
        "refuse",
        description="Of rows without the reference that their verifier needs: refuse them, or let the samples of such a"
        " prompt vote (exact, numeric and math).",
    )
    reference_pattern: str | None = Field(
        None,
        description=r"Regular expression that finds the reference in its column, e.g. '####\s*(.+)';"
        " its group 1 is taken if it has one.",
    )
    license: str = Field(min_length=1, description="SPDX expression of the prompts' licence.")
    limit: int | None = Field(None, ge=1, description="Read at most this many rows.")
    seed: int = Field(0, ge=0, description="Of a generator.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="A generator's own options; of a `datasets` folder: config, split."
    )

    @field_validator("columns")
    @classmethod
    def _columns_are_ours(cls, columns: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(columns.keys() - set(OUR_COLUMNS)):
            raise ValueError(f"unknown column of ours {unknown}: known are {', '.join(OUR_COLUMNS)} (ours: theirs)")
        if not columns.keys() & {"prompt", "messages"}:
            raise ValueError("map prompt or messages, e.g. {prompt: question}")
        return columns

    @field_validator("reference_pattern")
    @classmethod
    def _pattern_compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"is no regular expression ({error})") from None
        return pattern

    @model_validator(mode="before")
    @classmethod
    def _generator_has_a_scorer(cls, data: Any) -> Any:
        """A generator's answers are checked by its own scorer unless the recipe says otherwise."""
        if isinstance(data, dict) and str(data.get("source", "")).startswith(GENERATOR):
            return {"verifier": "reasoning-gym", **data}
        return data

    @model_validator(mode="after")
    def _fits_the_generator(self) -> "PromptSource":
        if self.is_generator and self.columns != {"prompt": "prompt"}:
            raise ValueError(f"columns mean nothing for {self.source}: leave them out")
        if self.is_generator and self.limit is None:
            raise ValueError(f"{self.source} never ends: set limit")
        if not self.is_generator and self.seed:
            raise ValueError(f"seed means nothing for {self.source}: leave it out")
        if self.reference_pattern is not None and "reference" not in self.columns:
            raise ValueError("reference_pattern needs a reference column: map one")
        return self

    @property
    def is_generator(self) -> bool:
        return self.source.startswith(GENERATOR)

    @property
    def mapping(self) -> dict[str, str]:
        """ours: theirs, also for a generator, whose rows already use our words."""
        return (
            {name: name for name in ("prompt", "reference", "family", "metadata")}
            if self.is_generator
            else self.columns
        )


def read_prompts(source: PromptSource, folder: Path) -> Iterator[Prompt]:
    """The prompts of a source in source order, one at a time; a repeated row is yielded each time it occurs.

    Raises BadInput at the first row that cannot be used, after the last row if a mapped column never
    occurred, and if there was no row at all. `folder` is the recipe's: relative sources start there.
    """
    mapping = source.mapping
    unseen = set(mapping)
    columns: tuple[str, ...] = ()
    row = None
    for row in read_rows(source.source, folder, frozenset(mapping.values()), source.seed, source.limit, source.options):
        if unseen:
            unseen -= {ours for ours, theirs in mapping.items() if theirs in row.columns}
            columns = columns or tuple(row.columns)
        yield _prompt(row, mapping, source)
    if row is None:
        raise BadInput(f"prompts.source {source.source} holds no rows: nothing to ask")
    if unseen:
        ours = min(unseen)
        raise BadInput(
            f"{source.source}: no row has a column {mapping[ours]!r} for {ours}: the first has {_listed(columns)}"
        )


def _prompt(row: Row, mapping: Mapping[str, str], source: PromptSource) -> Prompt:
    verifier = _text(row, mapping, "verifier") or source.verifier
    if verifier not in VERIFIERS:
        raise BadInput(f"{row.place}: unknown verifier {verifier!r}: known are {', '.join(VERIFIERS)}")
    messages = _messages(row, mapping)
    reference = _reference(row, mapping, verifier, source)
    return Prompt(
        prompt_id=content_id("prompt", orjson.dumps(messages), reference, verifier),
        question=messages[-1]["content"],
        messages=messages,
        reference=reference,
        verifier=verifier,
        family=_text(row, mapping, "family"),
        metadata=_metadata(row, mapping, verifier),
        source=row.source,
        source_row=row.number,
        license=source.license,
    )


def _messages(row: Row, mapping: Mapping[str, str]) -> tuple[dict[str, str], ...]:
    """The row's own conversation where it has one, else its question as one user message."""
    conversation = _value(row, mapping, "messages")
    if conversation is not None:
        messages = _conversation(row, mapping["messages"], conversation)
    else:
        messages = ({"role": "user", "content": _question(row, mapping)},)
    system = _text(row, mapping, "system")
    if system is None:
        return messages
    if messages[0]["role"] == "system":
        raise BadInput(f"{row.place}: a system prompt in {mapping['system']!r} and in the messages: leave one out")
    return ({"role": "system", "content": system}, *messages)


def _question(row: Row, mapping: Mapping[str, str]) -> str:
    ours = "prompt" if "prompt" in mapping else "messages"
    theirs = mapping[ours]
    if theirs not in row.columns:
        raise BadInput(
            f"{row.place}: no column {theirs!r} for {ours}: it has {_listed(row.columns)}; set prompts.columns"
        )
    question = _text(row, mapping, ours)
    if question is None:
        raise BadInput(f"{row.place}: {theirs!r} is empty: every row needs a question")
    return question


def _conversation(row: Row, column: str, value: object) -> tuple[dict[str, str], ...]:
    where = f"{row.place}: {column!r}"
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise BadInput(f"{where} is text that is not JSON ({error.msg}): write a list of messages") from None
    if not isinstance(value, list) or not value:
        raise BadInput(f"{where} is not a list of messages: write [{{role: user, content: ...}}]")
    messages = tuple(_message(f"{where} message {number}", message) for number, message in enumerate(value, 1))
    roles = [message["role"] for message in messages]
    if roles[-1] != "user":
        raise BadInput(f"{where} ends with a message from {roles[-1]!r}: the last must be from 'user'")
    if "system" in roles[1:]:
        raise BadInput(
            f"{where} has a system message at place {roles.index('system', 1) + 1}: only the first may be one"
        )
    return messages


def _message(where: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise BadInput(f"{where} is not an object: write {{role: ..., content: ...}}")
    role, content = value.get("role"), value.get("content")
    if role not in ROLES:
        raise BadInput(f"{where} has role {role!r}: known are {', '.join(ROLES)}")
    if not isinstance(content, str) or not content.strip():
        raise BadInput(f"{where} has no text as its content: only text messages can be asked")
    # a field that is present but null is how Arrow fills structs; a field with a value would be lost on the
    # way
    if extra := sorted(name for name in value.keys() - {"role", "content"} if value[name] is not None):
        raise BadInput(f"{where} has {_listed(extra)}, which would not be sent: keep role and content only")
    return {"role": role, "content": content}


def _reference(row: Row, mapping: Mapping[str, str], verifier: str, source: PromptSource) -> str | None:
    value = _value(row, mapping, "reference")
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise BadInput(f"{row.place}: {mapping['reference']!r} is a {_kind(value)}: a reference is text or a number")
    if value is None or not value.strip():
        if verifier in NEEDS_REFERENCE and source.no_reference == "refuse":
            raise BadInput(
                f"{row.place}: no reference, which the verifier {verifier!r} needs:"
                " map a reference column, let the samples vote (no_reference: vote), or use the verifier none"
            )
        return None
    pattern = source.reference_pattern
    if pattern is None:
        return value
    found = re.search(pattern, value)
    if found is None:
        raise BadInput(f"{row.place}: reference_pattern {pattern!r} finds nothing in {mapping['reference']!r}")
    return found[1] if found.re.groups else found[0]


def _metadata(row: Row, mapping: Mapping[str, str], verifier: str) -> str | None:
    value = _value(row, mapping, "metadata")
    metadata = value if value is None or isinstance(value, str) else orjson.dumps(value, default=str).decode()
    if verifier == "reasoning-gym" and not _names_a_task(metadata):
        raise BadInput(
            f"{row.place}: no metadata {{task, entry}}, which the verifier 'reasoning-gym' needs: map a metadata column"
        )
    if verifier == "code":
        try:
            stated_tests(metadata)
        except TestsUnusable as error:
            raise BadInput(
                f"{row.place}: the verifier 'code' needs tests: {error}: map a metadata column that has them"
            ) from None
    return metadata


def _names_a_task(metadata: str | None) -> bool:
    try:
        value = orjson.loads(metadata or "null")
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) and isinstance(value.get("task"), str) and isinstance(value.get("entry"), dict)


def _value(row: Row, mapping: Mapping[str, str], ours: str) -> Any:
    theirs = mapping.get(ours)
    return None if theirs is None else row.values.get(theirs)


def _text(row: Row, mapping: Mapping[str, str], ours: str) -> str | None:
    """Text of a column, exactly; None where it is missing, null or blank."""
    value = _value(row, mapping, ours)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadInput(f"{row.place}: {mapping[ours]!r} is a {_kind(value)}: {ours} must be text")
    return value if value.strip() else None


def _kind(value: object) -> str:
    names = {"dict": "object", "bool": "boolean", "int": "number", "float": "number"}
    return names.get(type(value).__name__, type(value).__name__)


def _listed(names: Any) -> str:
    shown = [repr(name) for name in list(names)[:8]]
    return ", ".join(shown) + (", ..." if len(names) > 8 else "") if shown else "nothing"
