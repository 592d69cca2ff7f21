"""What a probe's replies say of a teacher (pure): each thing that would spoil a run is one clear line.

Only what is definite stops a run. A limit that is used up, a server that is overloaded or a reply that got
lost says nothing about the recipe: it is noted as undecided, and the run's own patience deals with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from tasks.ask.reply import Reply
from tasks.ask.sampling import Sampling
from tasks.right.terms import Teacher
from warehouse.errors import BadInput

PROBE_QUESTION = "Reply with the one word: ready"
PROBE_TOKENS = 16
"""Enough to see how a server names reasoning; a cut-off answer is as good as a whole one."""
CONTEXT_NAMES = ("max_model_len", "context_length", "context_window", "max_context_length")
"""What vLLM and SGLang, OpenRouter and Together, Groq, and Mistral call a model's context in their list of
models."""
LISTED = 5


@dataclass(frozen=True)
class Preflight:
    """What was learned of a teacher before a run. The probe is a row of the ledger; its answer is no trace, and
    is not judged."""

    teacher: str
    asked: bool
    """False: nothing is to be asked, or no budget is free for a probe, so none was sent."""
    context_tokens: int | None = None
    """Of the model, where the server says so."""
    served_model: str | None = None
    reasoning: Literal["field", "tags", "none", "unknown"] = "unknown"
    """Where the server puts reasoning; `unknown` where the probe was cut off before it could show."""
    usage_reported: bool | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """What the probe was billed, where reported."""
    undecided: str | None = None
    """Why there was no answer to the probe, where that does not speak against the run."""


@dataclass(frozen=True)
class Model:
    """One entry of a server's list of models."""

    id: str
    context_tokens: int | None


def read_models(body: bytes) -> tuple[Model, ...]:
    """The models that a server lists; empty where it has no such list."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ()
    entries = document.get("data") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        return ()
    return tuple(
        Model(entry["id"], _context(entry))
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    )


def _context(entry: dict[str, Any]) -> int | None:
    lengths = (entry.get(name) for name in CONTEXT_NAMES)
    return next((length for length in lengths if isinstance(length, int) and length > 0), None)


def check_models(teacher: Teacher, models: Sequence[Model], sampling: Sampling, longest_prompt: int) -> int | None:
    """The context of the teacher's model, where listed. BadInput: it is not served, or `max_tokens` cannot
    fit."""
    model = next((model for model in models if model.id == teacher.model), None)
    if models and model is None:
        others = [other.id for other in models]
        shown = ", ".join(others[:LISTED]) + (", ..." if len(others) > LISTED else "")
        raise BadInput(
            f"{_named(teacher)} does not serve model {teacher.model!r}: it serves {shown}; correct the entry"
        )
    context = model.context_tokens if model else None
    if context is not None and longest_prompt + sampling.max_tokens > context:
        room = max(0, context - longest_prompt)
        raise BadInput(
            f"sampling.max_tokens {sampling.max_tokens} does not fit {_named(teacher)}: its context is"
            f" {context} tokens and the longest prompt takes about {longest_prompt}; set it to at most {room}"
        )
    return context


def check_access(teacher: Teacher, status: int, api_key: str | None) -> None:
    """BadInput where the server refuses the key."""
    if status not in (401, 403):
        return
    variable = teacher.api_key_env
    if variable is None:
        raise BadInput(f"{_named(teacher)} wants a key ({status}): name its variable as api_key_env in the entry")
    given = "refuses the key in" if api_key else "wants a key, and none is in"
    raise BadInput(f"{_named(teacher)} {given} {variable} ({status}): set it to a key that may use {teacher.model!r}")


def check_reply(teacher: Teacher, status: int, reply: Reply) -> None:
    """BadInput where the probe shows that this recipe cannot be asked of this teacher."""
    line = reply.error or f"{status}"
    if status == 404:
        raise BadInput(
            f"{_named(teacher)} does not know model {teacher.model!r} or the path ({line}): correct the entry"
        )
    if reply.outcome == "unauthorised":
        raise BadInput(f"{_named(teacher)} does not let this account ask ({line}): see to the account, then run again")
    if reply.outcome == "rejected" and "context" in line.lower():
        raise BadInput(f"{_named(teacher)} has too short a context ({line}): lower sampling.max_tokens")
    if reply.outcome == "rejected":
        raise BadInput(f"{_named(teacher)} refuses the request ({line}): correct sampling in the recipe")
    if reply.served_model and teacher.expected_models and reply.served_model not in teacher.expected_models:
        expected = ", ".join(teacher.expected_models)
        raise BadInput(
            f"{_named(teacher)} answers as model {reply.served_model!r}, not as {expected}: ask the"
            " server for the right model, or review the entry's expected_models"
        )
    if teacher.reasoning == "raw" and _reasoning(reply) == "none":
        raise BadInput(
            f"{_named(teacher)} should show its reasoning and shows none: start the server with a reasoning"
            " parser, or write reasoning: none in the entry"
        )


def summary(teacher: Teacher, context: int | None, reply: Reply) -> Preflight:
    """What a reply to the probe shows."""
    if reply.error is not None:
        return Preflight(teacher.name, True, context, undecided=reply.error)
    return Preflight(
        teacher=teacher.name,
        asked=True,
        context_tokens=context,
        served_model=reply.served_model,
        reasoning=_reasoning(reply),
        usage_reported=reply.usage is not None,
        prompt_tokens=reply.usage.prompt if reply.usage else 0,
        completion_tokens=reply.usage.completion if reply.usage else 0,
    )


def _reasoning(reply: Reply) -> Literal["field", "tags", "none", "unknown"]:
    """A cut-off text without any sign of reasoning may still be reasoning: some templates open the tag
    unseen."""
    if reply.reasoning_source == "none" and reply.outcome != "ok":
        return "unknown"
    return reply.reasoning_source


def _named(teacher: Teacher) -> str:
    return f"teacher {teacher.name!r} at {teacher.base_url}"
