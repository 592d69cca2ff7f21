"""The referee's pages about money and time, the clock, and what an inference server says of itself.

- `GET /referee/budget?from=10&to=70&windows=60,2&at=30`: see budget.py.
- `GET /referee/payments?offset=0&limit=10000`: the questions that were answered, and so paid for, more than once.
- `GET /referee/breaks?questions=1`: every broken connection with a question in flight (planted resets; `hung_up`: the
  client went away), and, where wished, all questions in flight at that moment, the broken one first.
- `GET /referee/clock`: seconds since the start, Unix time, and with a virtual clock what is pending. `POST` of
  `{"advance": 1.5}` or `{"next": true}` moves a virtual clock, by that or to the next thing due.
- `GET /metrics`: Prometheus text, at the server's root as vLLM and SGLang have it.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

import orjson

from infra.simulated_teacher.budget import Budget
from infra.simulated_teacher.chat import Chat
from infra.simulated_teacher.clock import Clock, VirtualClock
from infra.simulated_teacher.refusals import error_response
from infra.simulated_teacher.wire import Request, Response

METRICS = "/metrics"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_METRIC_NAMES = {
    "vllm": ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"),
    "sglang": ("sglang:num_running_reqs", "sglang:num_queue_reqs", "sglang:token_usage"),
}


class BadQuery(ValueError):
    """A page was asked for with values it does not take; the message names them."""


def as_json(value: object) -> Response:
    return Response(200, orjson.dumps(value))


def bounds(request: Request) -> tuple[int, int]:
    """`offset` and `limit` of a page (0 and 10,000). BadQuery unless whole numbers."""
    given = request.query.get("offset", "0"), request.query.get("limit", "10000")
    if not all(bound.isascii() and bound.isdigit() for bound in given):
        raise BadQuery(f"offset and limit are {given}: give whole numbers")
    return int(given[0]), int(given[1])


def _seconds(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise BadQuery(f"{name} is {text!r}: give seconds since the start") from error
    if not math.isfinite(value):
        raise BadQuery(f"{name} is {text!r}: give seconds since the start")
    return value


def budget(chat: Chat, clock: Clock, request: Request) -> Response:
    """The figures of a span. BadQuery where the span is none."""
    now, query, timeline = clock.now(), request.query, chat.referee.timeline
    start = _seconds(query["from"], "from") if "from" in query else timeline.began
    end = _seconds(query["to"], "to") if "to" in query else now
    if "warmup" in query and timeline.received:
        start = timeline.received[0] + _seconds(query["warmup"], "warmup")
    if "cooldown" in query and timeline.admitted:
        end = timeline.admitted[-1] - _seconds(query["cooldown"], "cooldown")
    if end <= start:
        raise BadQuery(f"the span from {start:g} to {end:g} is empty: `from` lies before `to`")
    windows = tuple(_seconds(text, "windows") for text in query.get("windows", "").split(",") if text)
    if any(window <= 0 for window in windows):
        raise BadQuery(f"windows are {windows}: each is longer than 0 s")
    at = _seconds(query["at"], "at") if "at" in query else None
    return as_json(
        {"now": now, "from": start, "to": end, **Budget(timeline, chat.limits, now).report(start, end, windows, at)}
    )


def payments(chat: Chat, clock: Clock, request: Request) -> Response:
    """What was paid for twice."""
    offset, limit = bounds(request)
    twice = [seen for seen in chat.referee.questions.values() if seen.answered > 1]
    rows = [seen.payments() for seen in islice(twice, offset, offset + limit)]
    return as_json({"total": len(twice), "offset": offset, "questions": rows})


def breaks(chat: Chat, clock: Clock, request: Request) -> Response:
    """What was in flight when connections broke."""
    offset, limit = bounds(request)
    named = request.query.get("questions", "0") not in ("", "0")
    found = chat.referee.timeline.breaks
    rows: list[dict[str, Any]] = [
        {"at": one.at, "kind": one.kind, "question": one.question, "in_flight": len(one.in_flight)}
        | ({"questions": one.in_flight} if named else {})
        for one in islice(found, offset, offset + limit)
    ]
    return as_json({"total": len(found), "offset": offset, "breaks": rows})


def clock_page(chat: Chat, clock: Clock, request: Request) -> Response:
    """What time it is; a virtual clock can be moved. BadQuery where it cannot."""
    done = _move(clock, request.body) if request.method == "POST" else 0
    found: dict[str, Any] = {"now": clock.now(), "wall": clock.wall(), "virtual": isinstance(clock, VirtualClock)}
    if isinstance(clock, VirtualClock):
        found |= {"done": done, "pending": clock.pending(), "next_in": clock.next_in()}
    return as_json(found)


def _move(clock: Clock, body: bytes) -> int:
    if not isinstance(clock, VirtualClock):
        raise BadQuery("the clock is the machine's: start the server with --clock virtual to move it")
    try:
        wish = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadQuery(f"the body is not JSON: {error}") from error
    if isinstance(wish, dict) and wish.keys() == {"next"} and wish["next"] is True:
        return clock.advance(clock.next_in() or 0.0)
    seconds = wish.get("advance") if isinstance(wish, dict) and wish.keys() == {"advance"} else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        raise BadQuery(f'the body is {wish!r}: give {{"advance": seconds}} or {{"next": true}}')
    return clock.advance(seconds)


def metrics(chat: Chat, clock: Clock, request: Request) -> Response:
    """Running, waiting and cache use under the server's own names."""
    names = _METRIC_NAMES.get(chat.switches.metrics)
    if names is None:
        return error_response(404, "invalid_request_error", "no page /metrics: the switch `metrics` is none")
    batch = chat.batch
    # Without a batch model every request in flight is being worked on.
    running = batch.running if batch.running or batch.waiting else chat.limits.in_flight
    label = f'{{engine="0",model_name="{chat.switches.model}"}}'
    lines = []
    for name, value in zip(names, (running, batch.waiting, batch.cache_used()), strict=True):
        lines += [f"# TYPE {name} gauge", f"{name}{label} {float(value)}"]
    return Response(200, "\n".join([*lines, ""]).encode(), content_type=_PROMETHEUS)
