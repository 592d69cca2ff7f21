"""Connections: requests read in order, answers written when they are due, resets that are real resets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

from infra.simulated_teacher.clock import CallLater, Handle
from infra.simulated_teacher.sse import Stream
from infra.simulated_teacher.wire import (
    BLANK_LINE,
    CHUNKED_JSON_HEAD,
    CONTINUE,
    Request,
    RequestReader,
    Response,
    WireError,
)

_LINGER_OFF = struct.pack("ii", 1, 0)


class Reset:
    """In place of a response: the connection is reset."""


@dataclass(frozen=True, slots=True)
class Later:
    """An answer due in `seconds`, or when what `start` started calls back. `finish` makes it, told whether the client
    is still there; a client that hangs up calls `hung_up` at once, or, where `stop_on_disconnect`, `abandon` instead of
    all else. While it waits, the body begins with a blank line each `blank_line_seconds` (0: none), or the answer comes
    in the pieces of a `stream`."""

    seconds: float
    finish: Callable[[bool], Response | Reset]
    abandon: Callable[[], None]
    stop_on_disconnect: bool
    start: Callable[[Callable[[], None]], Handle] | None = None
    hung_up: Callable[[], None] | None = None
    blank_line_seconds: float = 0.0
    stream: Stream | None = None


class Application(Protocol):
    """What a connection needs of the teacher."""

    def handle(self, request: Request) -> Response | Reset | Later: ...

    def refuse(self, error: WireError) -> Response: ...


class Connection(asyncio.Protocol):
    """One client. Requests on one connection are answered one after the other, as HTTP/1.1 asks."""

    def __init__(self, application: Application, clock: CallLater) -> None:
        self._application = application
        self._clock = clock
        self._reader = RequestReader()
        self._transport: asyncio.Transport | None = None
        self._later: Later | None = None
        self._timer: Handle | None = None
        self._blank_timer: Handle | None = None
        self._body_begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio.Transport in all but name.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        if self._later is None:
            self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._later is None:
            return
        if self._later.stop_on_disconnect and self._timer:
            self._timer.cancel()
            self._later.abandon()
        elif self._later.hung_up:
            self._later.hung_up()

    def _read(self) -> None:
        while self._later is None and self._transport and not self._transport.is_closing():
            try:
                request = self._reader.next()
            except WireError as error:
                self._send(self._application.refuse(error), keep_alive=False)
                return
            if self._reader.wants_continue:
                self._reader.wants_continue = False
                if request is None:
                    self._transport.write(CONTINUE)
            if request is None:
                return
            self._serve(request)

    def _serve(self, request: Request) -> None:
        outcome = self._application.handle(request)
        if not isinstance(outcome, Later):
            self._send(outcome, request.keep_alive)
        elif outcome.seconds <= 0 and outcome.start is None and outcome.stream is None:
            self._send(outcome.finish(True), request.keep_alive)
        else:
            self._wait(outcome, request.keep_alive)

    def _wait(self, later: Later, keep_alive: bool) -> None:
        self._later = later
        if later.stream:
            later.stream.begin(self._clock, self._write)
        due = partial(self._due, keep_alive)
        self._timer = later.start(due) if later.start else self._clock.call_later(later.seconds, due)
        if later.blank_line_seconds and not later.stream:
            self._blank_timer = self._clock.call_later(later.blank_line_seconds, self._blank_line)

    def _blank_line(self) -> None:
        """Keeps the line busy: from the first of these on, the status is 200 and the headers are out."""
        if self._later is None or self._transport is None or self._transport.is_closing():
            return
        self._transport.write(BLANK_LINE if self._body_begun else CHUNKED_JSON_HEAD + BLANK_LINE)
        self._body_begun = True
        self._blank_timer = self._clock.call_later(self._later.blank_line_seconds, self._blank_line)

    def _due(self, keep_alive: bool) -> None:
        later, self._later, self._timer = self._later, None, None
        if self._blank_timer:
            self._blank_timer.cancel()
            self._blank_timer = None
        if later is None:
            return
        connected = self._transport is not None and not self._transport.is_closing()
        outcome = later.finish(connected)
        if later.stream:
            self._end_stream(later.stream, outcome, keep_alive)
        else:
            self._send(outcome, keep_alive)
        self._read()

    def _end_stream(self, stream: Stream, outcome: Response | Reset, keep_alive: bool) -> None:
        self._write(stream.rest())
        if isinstance(outcome, Reset):
            self._send(outcome, keep_alive)
            return
        self._write(stream.ending())
        if self._transport and not keep_alive:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)

    def _send(self, outcome: Response | Reset, keep_alive: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if isinstance(outcome, Reset):
            self._reset(self._transport)
            return
        self._transport.write(outcome.last_chunks() if self._body_begun else outcome.encode(keep_alive))
        self._body_begun = False
        if not keep_alive:
            self._transport.close()

    @staticmethod
    def _reset(transport: asyncio.Transport) -> None:
        """Closes with RST, not FIN: what a client sees when a server or a middlebox dies."""
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
        transport.abort()
