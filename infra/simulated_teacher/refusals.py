"""Errors in the provider's own form: what was over, how long to wait, in the body and in the headers. Pure.

OpenAI: `error.type` says requests or tokens, `retry-after` and `retry-after-ms`. Azure: the same, `error.code` is the
text "429". Anthropic: `{"type": "error", "error": {"type": "rate_limit_error"}}`, 529 is `overloaded_error`. Together
(a limit that grows): `dynamic_request_limited`, `dynamic_token_limited`. Servers of one's own (`headers: none`) say no
time.
"""

from __future__ import annotations

import math
from email.utils import formatdate

import orjson

from infra.simulated_teacher.headers import Headers
from infra.simulated_teacher.limits import Refusal
from infra.simulated_teacher.switches import Switches
from infra.simulated_teacher.wire import Response

_OVERLOADED = 529


def error_response(
    status: int,
    kind: str,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    headers: Headers = (),
) -> Response:
    """OpenAI's error object."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return Response(status, orjson.dumps({"error": error}), headers)


def _anthropic_error(status: int, kind: str, message: str, headers: Headers) -> Response:
    error = {"type": "error", "error": {"type": kind, "message": message}}
    return Response(status, orjson.dumps(error), headers)


def _wait_headers(switches: Switches, milliseconds: float, wall: float) -> Headers:
    if switches.headers == "none":
        return ()
    seconds = max(1, -(-milliseconds // 1000))
    if switches.retry_after_as == "date":
        # The server's own clock with it, as HTTP asks for: the client's need not agree.
        at = {"retry-after": math.ceil(wall + seconds), "date": math.floor(wall)}
        return tuple((name, formatdate(value, usegmt=True)) for name, value in at.items())
    after = ("retry-after", f"{seconds:.0f}")
    return (after, ("retry-after-ms", f"{milliseconds:.0f}")) if switches.headers in ("openai", "azure") else (after,)


def refused(refusal: Refusal, switches: Switches, request_id: str, limits: Headers, wall: float) -> Response:
    """The 429 (or 503) of a limit; `limits` are the headers that tell of it, `wall` is Unix time."""
    style, of_tokens = switches.headers, refusal.kind.endswith("tokens")
    request = ("x-request-id", request_id)
    if refusal.status != 429:
        return error_response(refusal.status, "service_unavailable", refusal.message, headers=(request,))
    milliseconds = -(-refusal.wait * 1000 // 1)
    headers = (request, *_wait_headers(switches, milliseconds, wall), *limits)
    message = f"{refusal.message}. Please try again in {milliseconds / 1000:g}s."
    if style == "anthropic":
        return _anthropic_error(429, "rate_limit_error", refusal.message, headers)
    kind, code = "tokens" if of_tokens else "requests", "429" if style == "azure" else "rate_limit_exceeded"
    if switches.growth:
        kind = "dynamic_token_limited" if of_tokens else "dynamic_request_limited"
    return error_response(429, kind, message, code=code, headers=headers)


def out_of_credit(switches: Switches, request_id: str) -> Response:
    """No money left, which no waiting changes: 402, or OpenAI's 429 `insufficient_quota` without `retry-after`."""
    headers = (("x-request-id", request_id),)
    if switches.credit_status == 429:
        message = "You exceeded your current quota, please check your plan and billing details."
        return error_response(429, "insufficient_quota", message, code="insufficient_quota", headers=headers)
    return error_response(switches.credit_status, "insufficient_balance", "Insufficient Balance", headers=headers)


def server_error(switches: Switches, request_id: str) -> Response:
    """The planted failure of the server."""
    status, headers = switches.server_error_status, (("x-request-id", request_id),)
    if switches.headers == "anthropic":
        kind = "overloaded_error" if status == _OVERLOADED else "api_error"
        return _anthropic_error(status, kind, "Overloaded" if status == _OVERLOADED else "Internal error", headers)
    return error_response(status, "server_error", "The server had an error", headers=headers)
