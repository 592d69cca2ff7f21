"""Connections: requests read in order, answers written when they are due, resets that are real resets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from infra.simulated_teacher.wire import CONTINUE, Request, RequestReader, Response, WireError

_LINGER_OFF = struct.pack("ii", 1, 0)


class Reset:
    """In place of a response: the connection is reset."""


@dataclass(frozen=True, slots=True)
class Later:
    """An answer due in `seconds`. `finish` makes it, told whether the client is still there; where
    `stop_on_disconnect`,
    a client that hangs up calls `abandon` instead."""

    seconds: float
    finish: Callable[[bool], Response | Reset]
    abandon: Callable[[], None]
    stop_on_disconnect: bool


class Application(Protocol):
    """What a connection needs of the teacher."""

    def handle(self, request: Request) -> Response | Reset | Later: ...

    def refuse(self, error: WireError) -> Response: ...


class Connection(asyncio.Protocol):
    """One client. Requests on one connection are answered one after the other, as HTTP/1.1 asks."""

    def __init__(self, application: Application, loop: asyncio.AbstractEventLoop) -> None:
        self._application = application
        self._loop = loop
        self._reader = RequestReader()
        self._transport: asyncio.Transport | None = None
        self._later: Later | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio.Transport in all but name.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        if self._later is None:
            self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._later and self._timer and self._later.stop_on_disconnect:
            self._timer.cancel()
            self._later.abandon()

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
        elif outcome.seconds <= 0:
            self._send(outcome.finish(True), request.keep_alive)
        else:
            self._later = outcome
            self._timer = self._loop.call_later(outcome.seconds, self._due, request.keep_alive)

    def _due(self, keep_alive: bool) -> None:
        later, self._later, self._timer = self._later, None, None
        if later is None:
            return
        connected = self._transport is not None and not self._transport.is_closing()
        self._send(later.finish(connected), keep_alive)
        self._read()

    def _send(self, outcome: Response | Reset, keep_alive: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if isinstance(outcome, Reset):
            self._reset(self._transport)
            return
        self._transport.write(outcome.encode(keep_alive))
        if not keep_alive:
            self._transport.close()

    @staticmethod
    def _reset(transport: asyncio.Transport) -> None:
        """Closes with RST, not FIN: what a client sees when a server or a middlebox dies."""
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
        transport.abort()
