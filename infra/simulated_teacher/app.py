"""The teacher's pages: /v1/chat/completions, /v1/models, /health and what the referee tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from typing import Any

import orjson

from infra.simulated_teacher import pages
from infra.simulated_teacher.batches import Batches
from infra.simulated_teacher.chat import Chat
from infra.simulated_teacher.clock import Clock
from infra.simulated_teacher.pages import as_json
from infra.simulated_teacher.referee import Seen
from infra.simulated_teacher.refusals import error_response
from infra.simulated_teacher.server import Later, Reset
from infra.simulated_teacher.steps import Solution
from infra.simulated_teacher.switches import BadSwitch, Change, Switches
from infra.simulated_teacher.wire import Request, Response, WireError

CHAT = "/v1/chat/completions"
_PAGES = {
    CHAT: "POST",
    "/v1/models": "GET",
    "/health": "GET",
    pages.METRICS: "GET",
    "/referee": "GET",
    "/referee/questions": "GET",
    "/referee/truth": "GET",
    "/referee/budget": "GET",
    "/referee/payments": "GET",
    "/referee/breaks": "GET",
    "/referee/clock": "POST",
    "/referee/reset": "POST",
    "/referee/switches": "POST",
}
_ALSO_GET = ("/referee/switches", "/referee/clock")
_MORE_PAGES: dict[str, Callable[[Chat, Clock, Request], Response]] = {
    pages.METRICS: pages.metrics,
    "/referee/budget": pages.budget,
    "/referee/payments": pages.payments,
    "/referee/breaks": pages.breaks,
    "/referee/clock": pages.clock_page,
}


class Teacher:
    """One simulated teacher: `handle` takes a request and never waits. The clock stands at 0 when it is made."""

    def __init__(
        self,
        switches: Switches,
        seed: int,
        book: Mapping[str, Solution],
        api_key: str,
        changes: tuple[Change, ...],
        clock: Clock,
    ) -> None:
        self._chat = Chat(switches, seed, book, clock)
        self._batches = Batches(self._chat, seed, clock)
        self._seed = seed
        self._authorization = f"Bearer {api_key}" if api_key else ""
        self._changes = list(changes)
        self._clock = clock
        self._chat_requests = 0

    def start(self) -> None:
        """The clock runs from here on: changes announced for a time come due at that time."""
        for change in self._changes:
            if change.after_seconds is not None:
                self._clock.call_later(change.after_seconds - self._clock.now(), partial(self._change, change))

    def handle(self, request: Request) -> Response | Reset | Later:
        self._batches.work()
        owned = self._batches.owns(request.path)
        method = request.method if owned else _PAGES.get(request.path)
        if request.path.startswith("/v1/models/"):
            method = "GET"
        if method is None:
            return error_response(404, "invalid_request_error", f"no page {request.path}: see /referee and {CHAT}")
        if method != request.method and not (request.method == "GET" and request.path in _ALSO_GET):
            return error_response(405, "invalid_request_error", f"{request.path} takes {method}, not {request.method}")
        if request.path.startswith("/v1/") and not self._may(request):
            self._chat.referee.counts["unauthorized"] += 1
            return error_response(401, "invalid_request_error", "Incorrect API key provided", code="invalid_api_key")
        if owned:
            return self._batches.handle(request)
        if request.path == CHAT:
            self._chat_requests += 1
            if self._changes:
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
        if path in _MORE_PAGES:
            try:
                return _MORE_PAGES[path](self._chat, self._clock, request)
            except pages.BadQuery as error:
                return error_response(400, "invalid_request_error", str(error))
        if path == "/health":
            return as_json({"status": "ok", "simulated": True})
        if path == "/referee":
            return as_json(self._report())
        if path == "/referee/questions":
            return self._questions(request, Seen.counts)
        if path == "/referee/truth":
            return self._questions(request, Seen.truth)
        if path == "/referee/reset":
            self._chat.reset()
            return as_json({"reset": True})
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
            return as_json({"object": "list", "data": [card]})
        if wanted == switches.model:
            return as_json(card)
        message = f"The model `{wanted}` does not exist: this server serves `{switches.model}`"
        return error_response(404, "invalid_request_error", message, code="model_not_found", param="model")

    def _report(self) -> dict[str, Any]:
        return {
            "simulated": True,
            "seed": self._seed,
            "uptime_s": round(self._clock.now(), 3),
            "in_flight": self._chat.limits.in_flight,
            **self._chat.referee.report(),
            "switches": self._chat.switches.as_dict(),
        }

    def _questions(self, request: Request, row: Callable[[Seen], dict[str, object]]) -> Response:
        """One page: `client_request_id=`, `again=1`, `fault=` select, `offset=` and `limit=` (10,000) cut."""
        query = request.query
        try:
            offset, limit = pages.bounds(request)
        except pages.BadQuery as error:
            return error_response(400, "invalid_request_error", str(error))
        again = query.get("again", "0") not in ("", "0")
        select = self._chat.referee.select
        chosen = list(select(query.get("client_request_id", ""), again, query.get("fault", "")))
        rows = [row(seen) for seen in islice(chosen, offset, offset + limit)]
        return as_json({"total": len(chosen), "offset": offset, "questions": rows})

    def _switch(self, request: Request) -> Response:
        if request.method == "GET":
            return as_json(self._chat.switches.as_dict())
        try:
            values = orjson.loads(request.body)
            if not isinstance(values, dict):
                raise BadSwitch("the body is not a JSON object of switches")
            self._chat.change(values)
        except (orjson.JSONDecodeError, BadSwitch) as error:
            return error_response(400, "invalid_request_error", str(error))
        return as_json(self._chat.switches.as_dict())

    def _change(self, change: Change) -> None:
        self._changes.remove(change)
        self._chat.change(change.values)

    def _apply_due_changes(self) -> None:
        """Changes announced for a number of chat requests, or for a time after the first of these."""
        for change in list(self._changes):
            if change.after_first is not None:
                if self._chat_requests == 1:
                    self._clock.call_later(change.after_first, partial(self._change, change))
            elif change.after_requests is not None and self._chat_requests > change.after_requests:
                self._change(change)
