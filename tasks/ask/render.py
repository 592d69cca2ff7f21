"""From a prompt to the body of a chat request, and the key under which its answer is found again (pure).

A prompt that is one user message (with or without a system message before it) is a *question*: the template
words it and the examples precede it. Anything longer is a *conversation* and is sent as it is. Either way
the recipe's system prompt comes first only if the prompt brings none. What a prompt is follows from its
messages alone, never from the column they came from, because `prompt_id` is the hash of the messages and
must lead to one request.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from tasks.ask.prompts import Prompt
from tasks.ask.sampling import PLACEHOLDER, Ask, Sampling
from warehouse.records import content_id

Message = dict[str, str]
UNASKED = frozenset({"max_tokens", "stream", "stream_options"})
"""Fields of a request that do not change what is asked."""


def render(prompt: Prompt, ask: Ask, sampling: Sampling, model: str, sample_index: int) -> dict[str, Any]:
    """The chat request for one sample. Sampling fields that are null are absent; sample i is sent seed +
    i."""
    return request(render_messages(prompt.messages, ask), sampling, model, sample_index)


def render_messages(own: Sequence[Mapping[str, str]], ask: Ask) -> list[Message]:
    """The messages that are sent for a prompt's own messages."""
    messages = [{"role": m["role"], "content": m["content"]} for m in own]
    system = [m for m in messages[:1] if m["role"] == "system"]
    turns = messages[len(system) :]
    if not system and ask.system is not None:
        system = [{"role": "system", "content": ask.system}]
    if len(turns) != 1:
        return system + turns
    shown = [m for e in ask.examples for m in _turn(_word(ask, e.prompt), e.answer)]
    return [*system, *shown, {"role": "user", "content": _word(ask, turns[0]["content"])}]


def request(messages: list[Message], sampling: Sampling, model: str, sample_index: int) -> dict[str, Any]:
    """A chat request around messages that are already rendered."""
    body: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": sampling.max_tokens}
    fields = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": None if sampling.seed is None else sampling.seed + sample_index,
        "stop": None if sampling.stop is None else list(sampling.stop),
        "reasoning_effort": sampling.reasoning_effort,
    }
    body.update({name: value for name, value in fields.items() if value is not None})
    if sampling.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body | sampling.extra_body


def request_key(model: str, revision: str | None, route: str, body: Mapping[str, Any], sample_index: int) -> str:
    """The name of an answer: what was asked, of which model version, over which route, as which sample.

    `max_tokens` is left out, so that a raised cap finds the answers that finished, and so is `stream`, since it
    changes how an answer travels and not what it says; where the server lives
    is not part of it, so that moving a server buys nothing twice. Key order in the body does not matter, a
    value's type does (1 is not 1.0).
    """
    asked = {name: value for name, value in body.items() if name not in UNASKED}
    return content_id("request", model, revision, route, canonical(asked), sample_index)


def canonical(body: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys and no spaces: equal bodies give equal bytes."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def _turn(question: str, answer: str) -> list[Message]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _word(ask: Ask, question: str) -> str:
    return ask.template.replace(PLACEHOLDER, question)
