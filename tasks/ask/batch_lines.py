"""What goes into a provider's batch and what comes out of it (pure): lines of requests, the batch's state, lines of
answers.

Facts of the OpenAI-compatible Batch API, from OpenAI's guide and API reference and Microsoft's copy of the reference
(read 2026-11-21): a file holds at most 50,000 requests and 200 MB, one JSON object a line; `custom_id` is unique in it
and comes back with each answer, in any order; the only window is 24h; metadata is 16 pairs, keys of 64 characters and
values of 512; states are validating, failed, in_progress, finalizing, completed, expired, cancelling, cancelled.
Answers are in the output file; requests that failed, or were not executed before the batch expired, are in the error
file; only what was completed is billed. A file that breaks a rule makes the batch `failed`, and nothing is executed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from warehouse.records import content_id

KEY_FIELD = "stillhouse_key"
"""Of the metadata: what names our submission, so that a listing finds it again."""
DATASET_FIELD = "stillhouse_dataset"
FILE_PREFIX = "stillhouse-"
"""An uploaded file is called `stillhouse-<key>.jsonl`, so that a listing of files finds it again."""

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_MISSING = "the batch ended as {} without a line for this request"


@dataclass(frozen=True)
class ProviderBatch:
    """A batch as its provider describes it."""

    id: str
    status: str
    created_at: int
    """Unix seconds."""
    key: str | None = None
    """Ours, from the metadata; None: somebody else's batch, or a provider that does not give metadata back."""
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    problem: str | None = None
    """The first of its errors, with its line."""

    @property
    def is_over(self) -> bool:
        return self.status in ENDED


@dataclass
class Listing:
    """The account's batches, as far as they could be ours."""

    _by_key: dict[str, ProviderBatch] = field(default_factory=dict)
    _by_file: dict[str, ProviderBatch] = field(default_factory=dict)

    def add(self, batch: ProviderBatch) -> None:
        """Take in one batch; of two with one key or file the first counts, which is the newest."""
        if batch.key is not None:
            self._by_key.setdefault(batch.key, batch)
        if batch.input_file_id is not None:
            self._by_file.setdefault(batch.input_file_id, batch)

    def find(self, key: str, file_id: str | None = None) -> ProviderBatch | None:
        """The batch that was made for a submission: by our key, else by the file that only it has."""
        return self._by_key.get(key) or (self._by_file.get(file_id) if file_id else None)


End = Literal["received", "unsent", "lost"]


@dataclass(frozen=True)
class LineEnd:
    """What became of one request, as the journal says it."""

    kind: End
    fields: Mapping[str, Any]
    body: bytes = b""


def request_line(request_key: str, endpoint: str, body: bytes) -> bytes:
    """One line of the file to upload; what would be streamed is asked for whole, as a batch has nobody to stream to."""
    if b'"stream' in body:
        asked = orjson.loads(body)
        body = orjson.dumps({name: value for name, value in asked.items() if name not in ("stream", "stream_options")})
    line = {"custom_id": request_key, "method": "POST", "url": endpoint, "body": orjson.Fragment(body)}
    return orjson.dumps(line) + b"\n"


def submission_key(root_id: str, dataset: str, attempts: Iterable[tuple[str, int]], lines_sha256: str) -> str:
    """The name of one submission: who submits, what for, and exactly which requests, for the how-manieth time.

    Attempts made before are part of it, so that what is asked again after a batch expired is a submission of its own,
    and the same plan after a crash is the same submission.
    """
    tried = content_id(*(field for pair in sorted(attempts) for field in pair))
    return content_id("provider batch", root_id, dataset, tried, lines_sha256)


def metadata(key: str, dataset: str) -> dict[str, str]:
    """What we attach to a batch: our key, and the dataset for people who look at the provider's list."""
    return {KEY_FIELD: key, DATASET_FIELD: dataset}


def file_name(key: str) -> str:
    """What the uploaded file is called."""
    return f"{FILE_PREFIX}{key}.jsonl"


def read_batch(document: Any) -> ProviderBatch:
    """Read the provider's object.

    Raises:
        ValueError: it is no batch.
    """
    if not isinstance(document, dict) or not isinstance(document.get("id"), str):
        raise ValueError(f"no batch object: {orjson.dumps(document)[:200]!r}")
    said = document.get("metadata")
    counts = document.get("request_counts")
    counts = counts if isinstance(counts, dict) else {}
    return ProviderBatch(
        id=document["id"],
        status=str(document.get("status")),
        created_at=_whole(document.get("created_at")),
        key=said.get(KEY_FIELD) if isinstance(said, dict) else None,
        input_file_id=document.get("input_file_id") or None,
        output_file_id=document.get("output_file_id") or None,  # some say "" where there is none
        error_file_id=document.get("error_file_id") or None,
        total=_whole(counts.get("total")),
        completed=_whole(counts.get("completed")),
        failed=_whole(counts.get("failed")),
        problem=_problem(document.get("errors")),
    )


def custom_id(line: bytes) -> str | None:
    """Whose line of an output or error file it is; None where it cannot be read."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    name = document.get("custom_id") if isinstance(document, dict) else None
    return name if isinstance(name, str) else None


def read_line(line: bytes, batch_id: str) -> LineEnd:
    """What a line of an output or error file says of its request, in the terms of the journal.

    A line with a response is a response: its status, its request id, and its body as canonical JSON. A line without
    one was not executed, and so not billed.
    """
    document = orjson.loads(line)
    response = document.get("response")
    if not isinstance(response, dict):
        return LineEnd("unsent", {"error": _error(document.get("error"))})
    headers = {"x-batch-id": batch_id}
    if isinstance(response.get("request_id"), str):
        headers["x-request-id"] = response["request_id"]
    body = orjson.dumps(response.get("body"))
    fields = {"status": _whole(response.get("status_code")), "headers": headers, "latency_s": None}
    return LineEnd("received", fields, body)


def end_without_line(batch: ProviderBatch, answered: int) -> LineEnd:
    """What to make of a request of an ended batch of which neither file speaks; `answered`: lines in its output file.

    Nothing of a failed batch was executed. In one that expired or was cancelled, what is missing was not executed as
    long as every request that is counted as completed is in the output file. Anything else may have been paid.
    """
    if batch.status == "failed":
        return LineEnd("unsent", {"error": f"the batch failed: {batch.problem or 'no reason given'}"})
    if batch.status in ("expired", "cancelled") and answered >= batch.completed:
        return LineEnd("unsent", {"error": _MISSING.format(batch.status)})
    return LineEnd("lost", {"outcome": "connection", "error": _MISSING.format(batch.status)})


GONE = LineEnd("lost", {"outcome": "connection", "error": "the provider no longer knows the batch"})
"""Of every request of a batch that has vanished."""


def _problem(errors: Any) -> str | None:
    data = errors.get("data") if isinstance(errors, dict) else None
    first = data[0] if isinstance(data, list) and data else None
    if not isinstance(first, dict):
        return None
    where = f" (line {first['line']})" if isinstance(first.get("line"), int) else ""
    return _error(first) + where


def _error(error: Any) -> str:
    if not isinstance(error, dict):
        return "not executed"
    return " ".join(f"{error.get('code')}: {error.get('message')}".split())[:300]


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
