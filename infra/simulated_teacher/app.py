"""The teacher's pages: /v1/chat/completions, /v1/models, /health and what the referee tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import orjson

from infra.simulated_teacher.batches import Batches
from infra.simulated_teacher.chat import Chat, error_response
from infra.simulated_teacher.referee import Referee, Seen
from infra.simulated_teacher.server import Later, Reset
from infra.simulated_teacher.steps import Solution
from infra.simulated_teacher.switches import BadSwitch, Change, Switches
from infra.simulated_teacher.wire import Request, Response, WireError

CHAT = "/v1/chat/completions"
_PAGES = {
    CHAT: "POST",
    "/v1/models": "GET",
    "/health": "GET",
    "/referee": "GET",
    "/referee/questions": "GET",
    "/referee/truth": "GET",
    "/referee/reset": "POST",
    "/referee/switches": "POST",
}


class Teacher:
    """One simulated teacher: `handle` takes a request and never waits.

    `clock` is monotonic, `wall` is Unix time, both in seconds.
    """

    def __init__(
        self,
        switches: Switches,
        seed: int,
        book: Mapping[str, Solution],
        api_key: str,
        changes: tuple[Change, ...],
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._chat = Chat(switches, seed, book, clock, wall)
        self._batches = Batches(self._chat, seed, clock, wall)
        self._seed = seed
        self._authorization = f"Bearer {api_key}" if api_key else ""
        self._changes = list(changes)
        self._clock = clock
        self._started = clock()
        self._chat_requests = 0

    def handle(self, request: Request) -> Response | Reset | Later:
        self._batches.work()
        owned = self._batches.owns(request.path)
        method = request.method if owned else _PAGES.get(request.path)
        if request.path.startswith("/v1/models/"):
            method = "GET"
        if method is None:
            return error_response(404, "invalid_request_error", f"no page {request.path}: see /referee and {CHAT}")
        if method != request.method and (request.method, request.path) != ("GET", "/referee/switches"):
            return error_response(405, "invalid_request_error", f"{request.path} takes {method}, not {request.method}")
        if request.path.startswith("/v1/") and not self._may(request):
            self._chat.referee.counts["unauthorized"] += 1
            return error_response(401, "invalid_request_error", "Incorrect API key provided", code="invalid_api_key")
        if owned:
            return self._batches.handle(request)
        if request.path == CHAT:
            self._chat_requests += 1
            self._apply_due_changes()
            return self._chat.handle(request)
        return self._page(request)

    def refuse(self, error: WireError) -> Response:
        """The answer to bytes that are no request."""
        return error_response(error.status, "invalid_request_error", str(error))

    def _may(self, request: Request) -> bool:
        return not self._authorization or request.headers.get("authorization") == self._authorization

    def _page(self, request: Request) -> Response:
        path = request.path
        if path == "/health":
            return _json({"status": "ok", "simulated": True})
        if path == "/referee":
            return _json(self._report())
        if path == "/referee/questions":
            return self._questions(request, Seen.counts)
        if path == "/referee/truth":
            return self._questions(request, Seen.truth)
        if path == "/referee/reset":
            self._chat.referee = Referee()
            return _json({"reset": True})
        if path == "/referee/switches":
            return self._switch(request)
        return self._models(path.removeprefix("/v1/models").removeprefix("/"))

    def _models(self, wanted: str) -> Response:
        switches = self._chat.switches
        card = {
            "id": switches.model,
            "object": "model",
            "created": 0,
            "owned_by": "simulated",
            "max_model_len": switches.context_tokens,
        }
        if not wanted:
            return _json({"object": "list", "data": [card]})
        if wanted == switches.model:
            return _json(card)
        message = f"The model `{wanted}` does not exist: this server serves `{switches.model}`"
        return error_response(404, "invalid_request_error", message, code="model_not_found", param="model")

    def _report(self) -> dict[str, Any]:
        return {
            "simulated": True,
            "seed": self._seed,
            "uptime_s": round(self._clock() - self._started, 3),
            "in_flight": self._chat.limits.in_flight,
            **self._chat.referee.report(),
            "switches": self._chat.switches.as_dict(),
        }

    def _questions(self, request: Request, row: Callable[[Seen], dict[str, object]]) -> Response:
        """One page: `client_request_id=`, `again=1`, `fault=` select, `offset=` and `limit=` (10,000) cut."""
        query = request.query
        bounds = query.get("offset", "0"), query.get("limit", "10000")
        if not all(bound.isascii() and bound.isdigit() for bound in bounds):
            return error_response(400, "invalid_request_error", f"offset and limit are {bounds}: give whole numbers")
        offset, limit = map(int, bounds)
        again = query.get("again", "0") not in ("", "0")
        select = self._chat.referee.select
        chosen = list(select(query.get("client_request_id", ""), again, query.get("fault", "")))
        rows = [row(seen) for seen in islice(chosen, offset, offset + limit)]
        return _json({"total": len(chosen), "offset": offset, "questions": rows})

    def _switch(self, request: Request) -> Response:
        if request.method == "GET":
            return _json(self._chat.switches.as_dict())
        try:
            values = orjson.loads(request.body)
            if not isinstance(values, dict):
                raise BadSwitch("the body is not a JSON object of switches")
            self._apply(values)
        except (orjson.JSONDecodeError, BadSwitch) as error:
            return error_response(400, "invalid_request_error", str(error))
        return _json(self._chat.switches.as_dict())

    def _apply(self, values: Mapping[str, object]) -> None:
        switches = self._chat.switches.changed(values)
        self._chat.limits.change(switches, self._clock(), frozenset(values))
        self._chat.switches = switches

    def _apply_due_changes(self) -> None:
        """Changes announced at the start; they come due with the chat request that finds them due."""
        if not self._changes:
            return
        elapsed = self._clock() - self._started
        due = [change for change in self._changes if _is_due(change, self._chat_requests, elapsed)]
        for change in due:
            self._changes.remove(change)
            self._apply(change.values)


def _is_due(change: Change, requests: int, elapsed: float) -> bool:
    if change.after_requests is not None:
        return requests > change.after_requests
    return change.after_seconds is not None and elapsed >= change.after_seconds


def _json(value: object) -> Response:
    return Response(200, orjson.dumps(value))
