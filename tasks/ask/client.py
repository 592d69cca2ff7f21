"""How a worker reaches a teacher: httpx's requests over aiohttp's pool, and what its errors say about whether a
request was sent."""

import ssl
from dataclasses import dataclass
from functools import cache
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from tasks.ask.call import TeacherCall

KEEPALIVE_S = 4.0
"""Idle connections are closed before the server does it (uvicorn, and with it vLLM and SGLang: 5 s): a
request sent into a closing connection might have been paid."""

USER_AGENT = "stillhouse"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_UNSENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    httpx.ConnectError,
    httpx.UnsupportedProtocol,
)

TROUBLE = (httpx.HTTPError, aiohttp.ClientError, TimeoutError, OSError)
"""Whatever a request can end in without a response."""


@dataclass(frozen=True)
class Lost:
    """A request without a response."""

    outcome: Literal["timeout", "connection"]
    sent: bool
    error: str


def transport_to(call: TeacherCall) -> httpx.AsyncBaseTransport:
    """httpx's transport over aiohttp's pool, without a limit of its own: slots are the limit.

    httpx's own pool reached 35 requests/s of an ideal 204 at 512 in flight; over aiohttp it reached 200.
    """
    transport: httpx.AsyncBaseTransport = AiohttpTransport(client=_session, proxy=_proxy(call.url))
    return transport


def http_client(call: TeacherCall) -> httpx.AsyncClient:
    """httpx's client over the same transport, for what is not asked by the thousand."""
    timeout = httpx.Timeout(call.request_timeout_s, connect=call.connect_timeout_s)
    return httpx.AsyncClient(
        transport=transport_to(call), timeout=timeout, trust_env=False, headers={"user-agent": USER_AGENT}
    )


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S, ssl=_trusted())
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


@cache
def _trusted() -> ssl.SSLContext:
    """Whose certificates are trusted, read once a process and not once a batch: that takes 20 ms."""
    return httpx.create_ssl_context()


def is_local(url: str) -> bool:
    """Whether a server is on this machine: no proxy must stand between."""
    return urlsplit(url).hostname in LOOPBACK


def _proxy(url: str) -> httpx.Proxy | None:
    """The proxy that the system's settings (HTTPS_PROXY, NO_PROXY) name for a server, looked up once; none for one on
    this machine."""
    parts = urlsplit(url)
    if parts.hostname is None or is_local(url) or proxy_bypass(parts.hostname):
        return None
    found = getproxies().get(parts.scheme)
    return httpx.Proxy(found) if found else None


def what_was_lost(trouble: BaseException) -> Lost:
    """Whether a request that brought no response had been sent.

    The transport calls a reset of an open connection a `ConnectTimeout`, so the cause it wraps decides. Only
    what certainly happened before sending counts as unsent.
    """
    cause = trouble.__cause__ if isinstance(trouble.__cause__, aiohttp.ClientError | OSError) else trouble
    unsent = isinstance(cause, _UNSENT)
    late = isinstance(cause, TimeoutError | httpx.TimeoutException) and not unsent
    said = " ".join(str(cause).split()) or type(cause).__name__
    return Lost("timeout" if late else "connection", not unsent, said[:300])
