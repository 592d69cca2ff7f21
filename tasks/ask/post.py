"""Send one request and take in what comes back, whole or in pieces."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache

import httpx

from tasks.ask.call import TeacherCall
from tasks.ask.client import TROUBLE, USER_AGENT, Lost, what_was_lost
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


async def post(transport: httpx.AsyncBaseTransport, call: TeacherCall, request_key: str, body: bytes) -> Received:
    """Ask, and wait for the whole response.

    The transport is spoken to directly: what httpx's client adds to each request (cookies, redirects, auth, merged
    settings) is not wanted here, and was a third of its CPU.

    A response that is not streamed has `request_timeout_s` in all. A stream has as long for its first byte, because
    the server may queue, and may then last for as long as it lives: `idle_timeout_s` without a byte ends it.

    A stream that breaks, falls silent or is cancelled comes back with what had arrived: the caller keeps it and ends.

    Raises:
        One of `TROUBLE`: nothing of a response arrived, or only a part of one that cannot be used in part.
    """
    pieces: list[bytes] = []
    response: httpx.Response | None = None
    headers: dict[str, str] = {}
    try:
        async with asyncio.timeout(call.request_timeout_s) as limit:
            response = await transport.handle_async_request(_request(call, request_key, body))
            async with aclosing(response):
                headers = _plain(response.headers)
                if not is_stream(headers):
                    return Received(response.status_code, headers, await _read_whole(response))
                await _read_pieces(response, pieces, call.idle_timeout_s, limit)
    except TROUBLE as trouble:
        if not pieces or response is None:
            raise
        return Received(response.status_code, headers, b"".join(pieces), what_was_lost(trouble))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not pieces or response is None or task is None:
            raise
        task.uncancel()
        return Received(response.status_code, headers, b"".join(pieces), STOPPED)
    return Received(response.status_code, headers, b"".join(pieces))


def _request(call: TeacherCall, request_key: str, body: bytes) -> httpx.Request:
    url, headers, timeout = _shared(call.url, call.api_key, call.request_timeout_s, call.connect_timeout_s)
    own = (b"x-client-request-id", request_key.encode())
    # With a stream of one's own httpx adds no headers, which aiohttp does again.
    stream, extensions = httpx.ByteStream(body), {"timeout": timeout}
    request = httpx.Request("POST", url, headers=[*headers, own], stream=stream, extensions=extensions)
    request.headers.encoding = "ascii"  # else it is guessed at every look
    request.read()
    return request


@lru_cache(maxsize=64)
def _shared(
    url: str, api_key: str | None, request_timeout_s: float, connect_timeout_s: float
) -> tuple[httpx.URL, tuple[tuple[bytes, bytes], ...], dict[str, float | None]]:
    """What a call's requests have in common, made once and not once a request: that was a tenth of its cost."""
    headers = {
        "accept": "*/*",
        "accept-encoding": "gzip, deflate",
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        **({"authorization": f"Bearer {api_key}"} if api_key else {}),
    }
    timeout = httpx.Timeout(request_timeout_s, connect=connect_timeout_s)
    return httpx.URL(url), tuple(httpx.Headers(headers).raw), timeout.as_dict()


def _plain(headers: httpx.Headers) -> dict[str, str]:
    """Lower-case names; of repeated headers the last. httpx guesses an encoding at every look, so it is told one."""
    headers.encoding = "latin-1"
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.raw}


async def _read_whole(response: httpx.Response) -> bytes:
    """The body; without httpx's decoders and chunks where it is not encoded."""
    if "content-encoding" in response.headers or not isinstance(response.stream, httpx.AsyncByteStream):
        return await response.aread()
    return b"".join([piece async for piece in response.stream])


async def _read_pieces(
    response: httpx.Response, pieces: list[bytes], idle_timeout_s: float, limit: asyncio.Timeout
) -> None:
    """Every byte is a sign of life, a comment's too."""
    loop = asyncio.get_running_loop()
    async for piece in response.aiter_bytes():
        pieces.append(piece)
        limit.reschedule(loop.time() + idle_timeout_s)
