"""Starts the simulated teacher as a process of its own and asks its referee. Standard library only."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

_ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 30.0
# A proxy in the environment must not come between a test and its own machine.
_OPENER = build_opener(ProxyHandler({}))


def flags_of(**switches: object) -> list[str]:
    """`wrong_answers=0.1` becomes `--wrong-answers=0.1`; a list repeats its flag."""
    found = []
    for name, value in switches.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            found.append(f"--{name.replace('_', '-')}={one}")
    return found


class SimulatedTeacher:
    """`with SimulatedTeacher(wrong_answers=0.05) as teacher: ...teacher.base_url...`

    Every keyword is a flag of `python -m infra.simulated_teacher`. It dies with this process, whatever
    happens.
    """

    def __init__(self, *, port: int = 0, **flags: object) -> None:
        self.port = port
        self._flags = flags
        self._process: subprocess.Popen[str] | None = None

    @property
    def base_url(self) -> str:
        """The OpenAI-compatible base, with /v1."""
        return f"{self.url}/v1"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        """Returns once the server listens. A stopped one starts again on the port it had."""
        arguments = [f"--port={self.port}", f"--parent-pid={os.getpid()}", *flags_of(**self._flags)]
        environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "infra.simulated_teacher", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=_ROOT, env=environment,
        )  # fmt: skip
        self.port = json.loads(self._first_line())["port"]
        return self

    def _first_line(self) -> str:
        assert self._process is not None and self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _START_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self._process.kill()
            _, said = self._process.communicate()
            raise RuntimeError(f"the simulated teacher did not start: {said.strip() or 'it said nothing'}")
        return line

    def stop(self) -> int:
        """Ends it and returns its exit status; further calls do nothing."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        return process.returncode

    def kill(self) -> None:
        """SIGKILL: a server that is suddenly not there."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def call(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of one request; an error status is returned, not raised."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data=data, method=method, headers=headers or {})
        request.add_header("content-type", "application/json")
        try:
            with _OPENER.open(request, timeout=60) as response:
                return response.status, json.load(response)
        except HTTPError as error:
            with error:
                return error.code, json.load(error)

    def ask(self, text: str, request_id: str = "", **fields: object) -> Any:
        """The chat completion for one user message. `fields` go into the body."""
        messages = [{"role": "user", "content": text}]
        body = {"model": "simulated-teacher", "messages": messages, **fields}
        headers = {"x-client-request-id": request_id} if request_id else {}
        return self.call("POST", "/v1/chat/completions", body, headers)[1]

    def referee(self) -> dict[str, Any]:
        """All counts."""
        return dict(self.call("GET", "/referee")[1])

    def questions(self, **query: object) -> list[dict[str, Any]]:
        """What was received and answered, one row a question; `again=1` for those received more than once."""
        return self._pages("/referee/questions", query)

    def truth(self, **query: object) -> list[dict[str, Any]]:
        """What was planted, one row a question; `fault="wrong_answers"` selects."""
        return self._pages("/referee/truth", query)

    def _pages(self, path: str, query: dict[str, object], name: str = "questions") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            answer = self.call("GET", f"{path}?{urlencode({**query, 'offset': len(rows)})}")[1]
            rows += answer[name]
            if not answer[name] or len(rows) >= answer["total"]:
                return rows

    def budget(self, *, start: float | None = None, end: float | None = None, **query: object) -> dict[str, Any]:
        """The figures of the span from `start` to `end`, in seconds since the server began; see its budget.py."""
        span = {name: value for name, value in (("from", start), ("to", end)) if value is not None}
        status, answer = self.call("GET", f"/referee/budget?{urlencode({**span, **query})}")
        if status != 200:
            raise ValueError(answer["error"]["message"])
        return dict(answer)

    def payments(self) -> list[dict[str, Any]]:
        """The questions that were paid for more than once."""
        return self._pages("/referee/payments", {})

    def breaks(self) -> list[dict[str, Any]]:
        """Connections that broke with a question in flight, and all that was in flight then."""
        return self._pages("/referee/breaks", {"questions": 1}, "breaks")

    def now(self) -> float:
        """Seconds since the server began, by its clock."""
        return float(self.call("GET", "/referee/clock")[1]["now"])

    def advance(self, seconds: float) -> dict[str, Any]:
        """Moves a virtual clock on; what came due on the way has happened when this returns."""
        return self._move({"advance": seconds})

    def to_next(self) -> dict[str, Any]:
        """Moves a virtual clock to the next thing that is due."""
        return self._move({"next": True})

    def _move(self, wish: dict[str, object]) -> dict[str, Any]:
        status, answer = self.call("POST", "/referee/clock", wish)
        if status != 200:
            raise ValueError(answer["error"]["message"])
        return dict(answer)

    def switch(self, **switches: object) -> dict[str, Any]:
        """Changes switches in mid-run and returns all of them."""
        status, answer = self.call("POST", "/referee/switches", switches)
        if status != 200:
            raise ValueError(answer["error"]["message"])
        return dict(answer)

    def reset(self) -> None:
        """Counts start again at zero."""
        self.call("POST", "/referee/reset", {})

    def wait_for(self, count: str, at_least: int, seconds: float = 30.0) -> dict[str, Any]:
        """The referee's counts once `count` has come that far; TimeoutError otherwise."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            report = self.referee()
            if report[count] >= at_least:
                return report
            time.sleep(0.005)
        raise TimeoutError(f"{count} was {self.referee()[count]} after {seconds} s, not {at_least}")
