"""The batch API: files of questions taken in, worked through in the background, given back as files.

Shapes, states and error codes are those of OpenAI's Batch API as documented (guide and API reference, read in copies
of 2026-11): 50,000 requests and 200 MB a file, metadata of 16 pairs (64 and 512 characters), states validating, failed,
in_progress, finalizing, completed, expired, cancelling, cancelled. What is wrong with a file's content shows in the
batch, which becomes `failed`, never in the answer to its creation. Work is done by the clock whenever anybody asks the
server for anything, so nothing depends on threads, and everything is in memory: a restarted server has nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from infra.simulated_teacher.batch_objects import ENDPOINT, Batch, Line, metadata_problem, read_lines
from infra.simulated_teacher.chat import Chat
from infra.simulated_teacher.clock import Clock
from infra.simulated_teacher.draws import draw
from infra.simulated_teacher.limits import Limits
from infra.simulated_teacher.refusals import error_response
from infra.simulated_teacher.server import Later
from infra.simulated_teacher.switches import Switches
from infra.simulated_teacher.uploads import BadForm, Shelf, page, read_form
from infra.simulated_teacher.wire import Request, Response

FILES, BATCHES = "/v1/files", "/v1/batches"
_EXPIRED = "This request could not be executed before the completion window expired."
_CANCELLED = "This request was not executed because the batch was cancelled."


class Batches:
    """The pages under /v1/files and /v1/batches, and the work behind them."""

    def __init__(self, chat: Chat, seed: int, clock: Clock) -> None:
        self._chat, self._seed, self._clock = chat, seed, clock
        self._shelf = Shelf()
        self._batches: dict[str, Batch] = {}

    def owns(self, path: str) -> bool:
        """Whether a page is one of these."""
        return any(path == top or path.startswith(f"{top}/") for top in (FILES, BATCHES))

    def handle(self, request: Request) -> Response:
        """One request to one of these pages."""
        method, (top, *rest) = request.method, request.path.removeprefix("/v1/").split("/")
        pages: dict[tuple[str, str, int], Callable[[], Response]] = {
            ("POST", "files", 0): lambda: self._upload(request),
            ("GET", "files", 0): lambda: self._list_files(request),
            ("GET", "files", 1): lambda: self._file(rest[0], False),
            ("GET", "files", 2): lambda: self._file(rest[0], True),
            ("POST", "batches", 0): lambda: self._create(request),
            ("GET", "batches", 0): lambda: self._page(list(self._batches.values()), request),
            ("GET", "batches", 1): lambda: self._batch(rest[0]),
            ("POST", "batches", 2): lambda: self._cancel(rest[0]),
        }
        found = pages.get((method, top, len(rest)))
        if found is None or (len(rest) == 2 and rest[1] != ("content" if top == "files" else "cancel")):
            return _refused(404, f"no page {method} {request.path}")
        return found()

    def work(self) -> None:
        """Do whatever is due by now; called with every request to the server."""
        for batch in self._batches.values():
            if not batch.is_over:
                self._advance(batch)

    # -- files

    def _upload(self, request: Request) -> Response:
        try:
            form = read_form(request.headers.get("content-type", ""), request.body)
        except BadForm as error:
            return _refused(400, str(error))
        purpose, file = form.get("purpose"), form.get("file")
        if purpose is None or purpose.body != b"batch":
            return _refused(
                400, f"purpose is {purpose.body if purpose else b''!r}: this server takes `batch`", "purpose"
            )
        if file is None or file.filename is None:
            return _refused(400, "file is missing", "file")
        if not file.body:
            return _refused(400, "the file is empty", "file")
        return _json(self._shelf.put("batch", file.filename, file.body, self._clock.wall()).card())

    def _list_files(self, request: Request) -> Response:
        purpose = request.query.get("purpose", "")
        return self._page([file for file in self._shelf.files.values() if purpose in ("", file.purpose)], request)

    def _file(self, name: str, content: bool) -> Response:
        file = self._shelf.files.get(name)
        if file is None:
            return _refused(404, f"No such File object: {name}", "id")
        return Response(200, file.body) if content else _json(file.card())

    # -- batches

    def _create(self, request: Request) -> Response:
        try:
            asked = orjson.loads(request.body)
        except orjson.JSONDecodeError as error:
            return _refused(400, f"the body is not JSON: {error}")
        problem = self._problem(asked)
        if problem:
            return _refused(400, problem)
        now = self._clock.wall()
        batch = Batch(
            id=f"batch_{len(self._batches) + 1:06d}",
            endpoint=asked["endpoint"],
            input_file_id=asked["input_file_id"],
            metadata=asked.get("metadata") if self._chat.switches.batch_metadata == "kept" else None,
            created=self._clock.now(),
            created_at=int(now),
        )
        self._batches[batch.id] = batch
        shown = batch.card()  # as the real one: `validating`, whatever comes of it
        self._advance(batch)
        if len(self._batches) <= self._chat.switches.batch_made_unsaid:
            return error_response(500, "server_error", "The server had an error")
        return _json(shown)

    def _problem(self, asked: object) -> str | None:
        if not isinstance(asked, dict):
            return "the body is not a JSON object"
        if asked.get("endpoint") != ENDPOINT:
            return f"endpoint is {asked.get('endpoint')!r}: this server takes {ENDPOINT}"
        if asked.get("completion_window") != "24h":
            return f"completion_window is {asked.get('completion_window')!r}: only 24h is supported"
        file = self._shelf.files.get(str(asked.get("input_file_id")))
        if file is None:
            return f"input_file_id: there is no file {asked.get('input_file_id')!r}"
        if file.purpose != "batch":
            return f"input_file_id: file {file.id} has the purpose {file.purpose}, not batch"
        return metadata_problem(asked.get("metadata"))

    def _page(self, objects: list[Any], request: Request) -> Response:
        try:
            return _json(page(objects, request.query))
        except ValueError as error:
            return _refused(400, str(error))

    def _batch(self, name: str) -> Response:
        batch = self._batches.get(name)
        return _json(batch.card()) if batch else _refused(404, f"No batch found with id '{name}'.", "id")

    def _cancel(self, name: str) -> Response:
        batch = self._batches.get(name)
        if batch is None:
            return _refused(404, f"No batch found with id '{name}'.", "id")
        if batch.is_over:
            return _refused(409, f"Cannot cancel a batch with status '{batch.status}'.", "id")
        shown = {**batch.card(), "status": "cancelling", "cancelling_at": int(self._clock.wall())}
        self._stop(batch, "cancelled", "batch_cancelled", _CANCELLED)
        return _json(shown)

    # -- the work

    def _advance(self, batch: Batch) -> None:
        switches, now = self._chat.switches, self._clock.now()
        if batch.status == "validating":
            file = self._shelf.files[batch.input_file_id]
            batch.lines, batch.errors = read_lines(file.body, switches)
            self._enter(batch, "failed" if batch.errors else "in_progress")
            if batch.errors:
                return
        share = 1.0 if switches.batch_seconds <= 0 else min(1.0, (now - batch.created) / switches.batch_seconds)
        ends = switches.batch_expires or 1.0
        until = int(len(batch.lines) * min(share, ends))
        for line in batch.lines[batch.done : until]:
            self._answer(batch, line)
        batch.done = max(batch.done, until)
        if share >= ends and batch.done < len(batch.lines):
            self._stop(batch, "expired", "batch_expired", _EXPIRED)
        elif batch.done == len(batch.lines):
            self._enter(batch, "finalizing")
            self._finish(batch, "completed")

    def _answer(self, batch: Batch, line: Line) -> None:
        """One request, asked of the same teacher as any other, outside its limits (a batch has a queue of its own)."""
        if draw(self._seed, "batch_fails", batch.id, line.custom_id) < self._chat.switches.batch_fails:
            said: Response | None = error_response(500, "server_error", "The server had an error")
        else:
            said = self._ask(line)
        if said is None:
            return self._fail(batch, line, "server_error", "The connection broke.")
        number = _number(batch)
        record = {
            "id": f"batch_req_{number}",
            "custom_id": line.custom_id,
            "response": {"status_code": said.status, "request_id": f"req_{number}", "body": _document(said.body)},
            "error": None,
        }
        (batch.output if said.status == 200 else batch.failures).append(orjson.dumps(record))
        return None

    def _ask(self, line: Line) -> Response | None:
        """What the teacher says; None where it resets the connection."""
        chat, now = self._chat, self._clock.now()
        kept, chat.limits = chat.limits, Limits(Switches(), now)
        try:
            outcome = chat.handle(
                Request("POST", ENDPOINT, {}, {"x-client-request-id": line.custom_id}, True, line.body)
            )
            outcome = outcome.finish(True) if isinstance(outcome, Later) else outcome
        finally:
            chat.limits = kept
        return outcome if isinstance(outcome, Response) else None

    def _fail(self, batch: Batch, line: Line, code: str, message: str) -> None:
        record = {
            "id": f"batch_req_{_number(batch)}",
            "custom_id": line.custom_id,
            "response": None,
            "error": {"code": code, "message": message},
        }
        batch.failures.append(orjson.dumps(record))

    def _stop(self, batch: Batch, status: str, code: str, message: str) -> None:
        for line in batch.lines[batch.done :]:
            self._fail(batch, line, code, message)
        self._finish(batch, status)

    def _finish(self, batch: Batch, status: str) -> None:
        def made(kind: str, lines: list[bytes]) -> str | None:
            if not lines:
                return None
            name, body = f"{batch.id}_{kind}.jsonl", b"".join(line + b"\n" for line in lines)
            return self._shelf.put("batch_output", name, body, self._clock.wall()).id

        batch.output_file_id = made("output", batch.output)
        batch.error_file_id = made("error", batch.failures)
        self._enter(batch, status)

    def _enter(self, batch: Batch, status: str) -> None:
        batch.status = status
        batch.stamps[status] = int(self._clock.wall())


def _number(batch: Batch) -> str:
    return f"{batch.id.removeprefix('batch_')}_{len(batch.output) + len(batch.failures):06d}"


def _document(body: bytes) -> object:
    """A body as the value it is; one that was cut short as a text."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")


def _refused(status: int, message: str, param: str | None = None) -> Response:
    return error_response(status, "invalid_request_error", message, param=param)


def _json(value: object) -> Response:
    return Response(200, orjson.dumps(value))
