"""Server-sent events put together again (pure): the document that the same answer has when it is not streamed.

Raw bytes are journaled; whoever reads them, and however often, gets the same. Comments (`: keep-alive`,
`: OPENROUTER PROCESSING`), pings and blank lines are life signs and say nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

CONTENT_TYPE = "text/event-stream"
DONE = b"[DONE]"
TEXTS = ("reasoning", "reasoning_content", "content", "refusal")
"""Fields of a delta that come in pieces."""


@dataclass
class Assembled:
    """What a stream amounts to."""

    document: dict[str, Any] = field(default_factory=dict)
    """As a chat completion that was not streamed; `error` is the error that came in its midst."""
    done: bool = False
    """The server said that this is all: `[DONE]`, or a finish reason."""
    failed: bool = False
    """The server said that it cannot go on: an `error` in its midst, or the finish reason `error` (OpenRouter)."""
    readable: bool = True
    """Every event that arrived whole was JSON."""
    _texts: dict[str, list[str]] = field(default_factory=dict)
    """Joined at the end: a trace may have a hundred thousand pieces."""

    @property
    def begun(self) -> bool:
        """Some of the answer, or of its reasoning, has arrived."""
        message = self._choice["message"] if self.document.get("choices") else {}
        return any(message.get(name) for name in (*TEXTS, "reasoning_details", "tool_calls"))

    @property
    def _choice(self) -> dict[str, Any]:
        choices = self.document.setdefault("choices", [])
        if not choices:
            choices.append({"index": 0, "message": {"role": "assistant", "content": None}, "finish_reason": None})
        choice: dict[str, Any] = choices[0]
        return choice

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Take one chunk in. Only the first choice counts: one is asked for."""
        for name in ("id", "created", "model", "system_fingerprint", "service_tier", "provider"):
            if chunk.get(name) is not None:
                self.document.setdefault(name, chunk[name])
        if isinstance(usage := _usage(chunk), dict):
            self.document["usage"] = usage
        self._add_error(chunk)
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("index", 0) == 0:
                self._add_choice(choice)

    def finish(self) -> None:
        """All chunks have been taken in."""
        for name, pieces in self._texts.items():
            self._choice["message"][name] = "".join(pieces)

    def _add_choice(self, choice: Mapping[str, Any]) -> None:
        whole = self._choice
        if isinstance(delta := choice.get("delta"), dict):
            self._merge(whole["message"], delta)
        self._add_error(choice)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            whole["finish_reason"] = reason
            self.done, self.failed = True, self.failed or reason == "error"

    def _merge(self, message: dict[str, Any], delta: Mapping[str, Any]) -> None:
        for name, value in delta.items():
            if name in TEXTS and isinstance(value, str):
                self._texts.setdefault(name, []).append(value)
            elif name in TEXTS and isinstance(value, list):
                parts = (part.get("text") for part in value if isinstance(part, dict))
                self._texts.setdefault(name, []).extend(part for part in parts if isinstance(part, str))
            elif isinstance(value, list):
                known = message[name] if isinstance(message.get(name), list) else []
                message[name] = known
                _merge_calls(known, value) if name == "tool_calls" else known.extend(value)
            elif value is not None or name not in message:
                message[name] = value

    def _add_error(self, place: Mapping[str, Any]) -> None:
        if isinstance(place.get("error"), dict):
            self.document["error"], self.failed = place["error"], True


def is_stream(headers: Mapping[str, str]) -> bool:
    """Whether a response comes as events, which only the response can say: servers may ignore `stream`. `headers`
    has lower-case names, or does not care."""
    return headers.get("content-type", "").lower().startswith(CONTENT_TYPE)


def assemble(body: bytes) -> Assembled:
    """Put the events of a body together; the end may be missing, anywhere."""
    assembled = Assembled()
    for data, is_whole in _events(body):
        if data == DONE:
            assembled.done = True
            continue
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            assembled.readable = assembled.readable and not is_whole  # what was cut off is no fault of its form
            continue
        if isinstance(chunk, dict):
            assembled.add(chunk)
    assembled.finish()
    return assembled


def _events(body: bytes) -> Iterator[tuple[bytes, bool]]:
    """The data of each event, and whether its last line had arrived whole. Several `data:` lines are one event
    (WHATWG HTML, 9.2)."""
    lines: list[bytes] = []
    is_whole = True
    for raw in body.splitlines(keepends=True):
        line = raw.rstrip(b"\r\n")
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
            is_whole = raw != line
        elif not line and lines:
            yield b"\n".join(lines), is_whole
            lines = []
    if lines:
        yield b"\n".join(lines), is_whole


def _usage(chunk: Mapping[str, Any]) -> object:
    """In the last chunk, whose choices are empty; Groq puts it below `x_groq`."""
    if isinstance(chunk.get("usage"), dict):
        return chunk["usage"]
    inner = chunk.get("x_groq")
    return inner.get("usage") if isinstance(inner, dict) else None


def _merge_calls(calls: list[dict[str, Any]], pieces: list[Any]) -> None:
    """Calls of tools come in pieces too; `index` says of which one, and the arguments are text."""
    for piece in pieces:
        if not isinstance(piece, dict):
            continue
        call = next((call for call in calls if call.get("index") == piece.get("index")), None)
        if call is None:
            calls.append(dict(piece))
            continue
        function, more = call.get("function"), piece.get("function")
        if isinstance(function, dict) and isinstance(more, dict) and isinstance(more.get("arguments"), str):
            function["arguments"] = f"{function.get('arguments') or ''}{more['arguments']}"
