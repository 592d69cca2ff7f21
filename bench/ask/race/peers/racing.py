"""What every peer's driver says and hears: its job, `ready`, `go`, the rows it delivered, `done`. Standard library only.

`python with_PEER.py JOB.json`. The job: `base_url`, `model`, `rows` (JSONL of id, messages), `max_tokens`,
`requests_per_minute`, `tokens_per_minute`, `concurrency` (requests in flight that these rates keep, at the mean time of
an answer), `settings` (`default` or `best`), `warm_url` (an unlimited server, for the first two rows, so that what is
imported on the first request is not counted), `folder`, `out` (JSONL of id, ok, and where the tool lets one see it
latency_s: seconds from sending the last attempt to its answer).

What the tools print goes to stderr. The runner reads the CPU between its `go` and our `done`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

_SAY = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def read_job() -> dict[str, Any]:
    return dict(json.loads(Path(sys.argv[1]).read_text()))


def read_rows(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(job["rows"]).read_text().splitlines()]


def warm_rows() -> list[str]:
    return [f"What is {number} + 1?" for number in (900_001, 900_002)]


def _say(word: str) -> None:
    _SAY.write(f"{word}\n")
    _SAY.flush()
    sys.stdin.readline()


def ready() -> None:
    """Imports and warm-up are over; returns when the race may begin."""
    _say("ready")


def done() -> None:
    """All is delivered; returns when the CPU has been read."""
    _say("done")


class Delivered:
    """The rows that the tool handed over, written as they come."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._file = Path(job["out"]).open("w", buffering=1)

    def add(self, row_id: str, ok: bool, latency_s: float | None = None) -> None:
        self._file.write(json.dumps({"id": row_id, "ok": ok, "latency_s": latency_s}) + "\n")
