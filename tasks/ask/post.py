"""Send one request and take in what comes back, whole or in pieces."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import httpx

from tasks.ask.call import TeacherCall
from tasks.ask.client import TROUBLE, Lost, what_was_lost
from tasks.ask.stream import is_stream

STOPPED = Lost("connection", sent=True, error="stopped while it was coming in")


@dataclass(frozen=True)
class Received:
    """A response as it arrived."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """Of a stream the events as they came."""
    broke: Lost | None = None
    """Why a stream ended before the server ended it; what had arrived is in `body`."""


async def post(client: httpx.AsyncClient, call: TeacherCall, request_key: str, body: bytes) -> Received:
    """Ask, and wait for the whole response.

    A response that is not streamed has `request_timeout_s` in all. A stream has as long for its first byte, because
    the server may queue, and may then last for as long as it lives: `idle_timeout_s` without a byte ends it.

    A stream that breaks, falls silent or is cancelled comes back with what had arrived: the caller keeps it and ends.

    Raises:
        One of `TROUBLE`: nothing of a response arrived, or only a part of one that cannot be used in part.
    """
    headers = {"content-type": "application/json", "x-client-request-id": request_key}
    if call.api_key:
        headers["authorization"] = f"Bearer {call.api_key}"
    pieces: list[bytes] = []
    response: httpx.Response | None = None
    try:
        async with asyncio.timeout(call.request_timeout_s) as limit:
            async with client.stream("POST", _parsed(call.url), content=body, headers=headers) as response:
                if not is_stream(response.headers):
                    return Received(response.status_code, _plain(response.headers), await response.aread())
                await _read_pieces(response, pieces, call.idle_timeout_s, limit)
    except TROUBLE as trouble:
        if response is None or not pieces:
            raise
        return Received(response.status_code, _plain(response.headers), b"".join(pieces), what_was_lost(trouble))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if response is None or not pieces or task is None:
            raise
        task.uncancel()
        return Received(response.status_code, _plain(response.headers), b"".join(pieces), STOPPED)
    return Received(response.status_code, _plain(response.headers), b"".join(pieces))


@lru_cache(maxsize=64)
def _parsed(url: str) -> httpx.URL:
    """Parsed once, not once a request: that was a tenth of a request's cost."""
    return httpx.URL(url)


def _plain(headers: httpx.Headers) -> dict[str, str]:
    """Lower-case names; of repeated headers the last. httpx guesses an encoding at every look, so it is looked once."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.raw}


async def _read_pieces(
    response: httpx.Response, pieces: list[bytes], idle_timeout_s: float, limit: asyncio.Timeout
) -> None:
    """Every byte is a sign of life, a comment's too."""
    loop = asyncio.get_running_loop()
    async for piece in response.aiter_bytes():
        pieces.append(piece)
        limit.reschedule(loop.time() + idle_timeout_s)
