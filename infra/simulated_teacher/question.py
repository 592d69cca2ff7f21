"""A chat request as a question: checked, with an identity that a retry shares. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from infra.simulated_teacher.tokens import count_prompt, count_tokens

_CAPS = ("max_completion_tokens", "max_tokens")
_STREAM = ("stream", "stream_options")
_CONTINUES = ("add_generation_prompt", "continue_final_message")


class BadRequest(ValueError):
    """A request the teacher will not take; `param` is the field at fault."""

    def __init__(self, message: str, param: str | None = None, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `identity` is the client's request id (if it sent one) and a hash of the body less max_tokens,
    what says whether to stream, and the beginning of an answer, so a retry, a second try with a higher cap, and a
    request to go on are the same question; `prompt` is a
    hash of the messages alone."""

    identity: str
    client_request_id: str
    prompt: str
    model: str
    text: str
    contents_length: int
    prompt_tokens: int
    cap: int | None
    stop: tuple[str, ...]
    stream: bool = False
    stream_usage: bool = False
    """A last chunk shall state the usage."""
    prefix: str | None = None
    """The beginning of an answer, to go on with; no part of what makes the question the same."""
    prefix_way: str = ""
    """By which fields that was asked for: a value of the switch `continues`."""

    @property
    def reach(self) -> int | None:
        """How long the answer may get, its beginning included; None without a cap."""
        if self.cap is None or self.prefix is None:
            return self.cap
        return self.cap + count_tokens(self.prefix.replace("<think>", "").replace("</think>", ""))


def _hash(value: object) -> str:
    return blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def _content(message: object) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        if len(parts) == len(content):
            content = "\n".join(str(part) for part in parts)
    if not isinstance(content, str):
        raise BadRequest("each message needs a role and a text content", "messages")
    return content


def _cap(body: dict[str, Any]) -> int | None:
    for name in _CAPS:
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise BadRequest(f"{name} is {value!r}: give a whole number of at least 1", name)
        return value
    return None


def _stop(body: dict[str, Any]) -> tuple[str, ...]:
    stop = body.get("stop") or []
    stops = stop if isinstance(stop, list) else [stop]
    if not all(isinstance(text, str) and text for text in stops):
        raise BadRequest("stop is neither a text nor a list of texts", "stop")
    return tuple(stops)


def _stream(body: dict[str, Any]) -> bool:
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise BadRequest(f"stream is {stream!r}: give true or false", "stream")
    return bool(stream)


def _stream_usage(body: dict[str, Any]) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict) or not body.get("stream"):
        raise BadRequest("stream_options is an object, and only goes with stream: true", "stream_options")
    return options.get("include_usage") is True


def _prefix(body: dict[str, Any], messages: list[Any]) -> tuple[str | None, str]:
    """The beginning to go on with, and how it was said: vLLM's two fields, or `prefix: true` in the last message."""
    last, wants = messages[-1], body.get("continue_final_message")
    if wants and body.get("add_generation_prompt", True):
        raise BadRequest("continue_final_message needs add_generation_prompt: false", "continue_final_message")
    way = "continue_final_message" if wants else "prefix" if isinstance(last, dict) and last.get("prefix") else ""
    if not way:
        return None, ""
    if not isinstance(last, dict) or last.get("role") != "assistant":
        raise BadRequest("only a last message of the assistant can be gone on with", "messages")
    return _content(last), way


def parse_question(raw: bytes, client_request_id: str) -> Question:
    """BadRequest names the field that is missing, malformed or not supported (n > 1)."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages is empty or missing", "messages")
    if body.get("n") not in (None, 1):
        raise BadRequest("this server gives one choice a request: leave n out", "n", code="unsupported_value")
    model = body.get("model")
    if not isinstance(model, str):
        raise BadRequest("model is missing", "model")
    contents = [_content(message) for message in messages]
    asked = [text for message, text in zip(messages, contents, strict=True) if message.get("role") == "user"]
    if not asked:
        raise BadRequest("no message with role user", "messages")
    cap = _cap(body)
    prefix, way = _prefix(body, messages)
    if prefix is not None:
        messages = messages[:-1]
    unlimited = {name: value for name, value in body.items() if name not in (*_CAPS, *_STREAM, *_CONTINUES)}
    unlimited["messages"] = messages
    return Question(
        identity=f"{client_request_id}#{_hash(unlimited)}",
        client_request_id=client_request_id,
        prompt=_hash([model, messages]),
        model=model,
        text=asked[-1],
        contents_length=sum(map(len, contents)),
        prompt_tokens=count_prompt(contents),
        cap=cap,
        stop=_stop(body),
        stream=_stream(body),
        stream_usage=_stream_usage(body),
        prefix=prefix,
        prefix_way=way,
    )
