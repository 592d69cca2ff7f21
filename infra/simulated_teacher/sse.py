"""An answer as server-sent events: its text in pieces over the time it takes, comments while nothing is said.

The pieces are a chat completion's, as OpenAI streams it: a role, deltas, a finish reason, and where the client asked
for it the usage in a last chunk without choices, then `[DONE]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from infra.simulated_teacher.clock import CallLater, Handle
from infra.simulated_teacher.draws import draw
from infra.simulated_teacher.switches import Switches

STREAM_FAULTS = ("stream_breaks", "stream_stalls")
COMMENT = b": keep-alive\n\n"
_TEXTS = ("reasoning_content", "reasoning", "content")
_WORD = re.compile(r"\S+\s*|\s+")
_PIECES_A_SECOND = 50
_FEWEST_PIECES = 8
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"x-simulated: true\r\ntransfer-encoding: chunked\r\n"
)
_LAST_CHUNK = b"0\r\n\r\n"


def stream_fault(switches: Switches, seed: int, identity: str, attempt: int) -> str | None:
    """The fault of this attempt's stream, or None."""
    for fault in STREAM_FAULTS:
        chance: float = getattr(switches, fault)
        if chance and draw(seed, fault, identity, attempt) < chance:
            return fault
    return None


@dataclass(frozen=True, slots=True)
class Pace:
    """When the pieces of an answer are due, in seconds from its start."""

    wait: float
    """Before the first."""
    span: float
    """From the first to the last."""
    comment_seconds: float = 0.0
    """A comment each so often until the first piece, and after the last; 0: none."""
    silent_seconds: float = 0.0
    """Nothing at all for so long, in the middle."""
    share: float = 1.0
    """Of the pieces, that come at all: the rest is never said."""


@dataclass(slots=True)
class Stream:
    """One answer on its way out. `completion` is the document that a client that does not stream would get."""

    completion: Mapping[str, Any]
    pace: Pace
    headers: tuple[tuple[str, str], ...] = ()
    with_usage: bool = False
    malformed: bool = False
    """Its last piece is JSON cut short."""
    _left: list[tuple[float, bytes]] = field(default_factory=list)
    _timer: Handle | None = None
    _at: float = 0.0

    def begin(self, clock: CallLater, write: Callable[[bytes], None]) -> None:
        """Send the head, and each piece when it is due."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers).encode("latin-1", "replace")
        write(_HEAD + lines + b"\r\n")
        self._left = list(self._pieces())
        self._go_on(clock, write)

    def _go_on(self, clock: CallLater, write: Callable[[bytes], None]) -> None:
        while self._left and self._left[0][0] <= self._at:
            write(_chunk(self._left.pop(0)[1]))
        if self._left:
            due = self._left[0][0]
        elif self.pace.comment_seconds and self.pace.share == 1.0:
            due = self._at + self.pace.comment_seconds
            self._left.append((due, COMMENT))
        else:
            return

        def later() -> None:
            self._at = due
            self._go_on(clock, write)

        self._timer = clock.call_later(due - self._at, later)

    def rest(self) -> bytes:
        """What is still unsaid when the time is up."""
        if self._timer:
            self._timer.cancel()
        left, self._left = self._left, []
        return b"".join(_chunk(data) for _, data in left if data != COMMENT)

    def ending(self) -> bytes:
        """The finish reason, the usage, and the end of the response."""
        (choice,) = self.completion["choices"]
        last = _event({**self._base(), "choices": [_choice({}, choice["finish_reason"])]})
        if self.malformed:
            return _chunk(last[: len(last) * 2 // 3] + b"\n\n") + _LAST_CHUNK
        usage = self.completion.get("usage") if self.with_usage else None
        if usage:
            last += _event({**self._base(), "choices": [], "usage": usage})
        return _chunk(last + b"data: [DONE]\n\n") + _LAST_CHUNK

    def _base(self) -> dict[str, Any]:
        names = ("id", "created", "model", "system_fingerprint")
        return {"object": "chat.completion.chunk", **{name: self.completion[name] for name in names}}

    def _pieces(self) -> Iterator[tuple[float, bytes]]:
        pace = self.pace
        if pace.comment_seconds:
            yield from (
                (n * pace.comment_seconds, COMMENT) for n in range(1, int(pace.wait / pace.comment_seconds) + 1)
            )
        yield pace.wait, _event({**self._base(), "choices": [_choice({"role": "assistant", "content": ""})]})
        deltas = list(self._deltas())
        said = deltas[: max(1, int(len(deltas) * pace.share))]
        for number, delta in enumerate(said, start=1):
            silence = pace.silent_seconds if number > len(deltas) / 2 else 0.0
            due = pace.wait + pace.span * pace.share * number / (len(said) + 1) + silence
            yield due, _event({**self._base(), "choices": [_choice(delta)]})

    def _deltas(self) -> Iterator[dict[str, str]]:
        (choice,) = self.completion["choices"]
        texts = [(name, choice["message"].get(name) or "") for name in _TEXTS]
        words = [(name, word) for name, text in texts for word in _WORD.findall(text)]
        most = max(_FEWEST_PIECES, int(self.pace.span * _PIECES_A_SECOND))
        each = -(-len(words) // most) or 1
        for at in range(0, len(words), each):
            together: dict[str, str] = {}
            for name, word in words[at : at + each]:
                together[name] = together.get(name, "") + word
            yield together


def _choice(delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _event(chunk: Mapping[str, Any]) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(chunk)


def _chunk(data: bytes) -> bytes:
    """One chunk of an HTTP/1.1 body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
