"""Lines of requests, the provider's words for a batch, and lines of answers, in the shapes that are documented."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import orjson
import pytest

from tasks.ask.batch_lines import (
    LineEnd,
    ProviderBatch,
    custom_id,
    end_without_line,
    metadata,
    read_batch,
    read_line,
    request_line,
    submission_key,
)
from tasks.ask.batch_results import Results
from tasks.ask.reply import read_reply

BODY = {"id": "chatcmpl-1", "choices": [{"index": 0, "message": {"content": "4"}, "finish_reason": "stop"}]}
ANSWER = {
    "id": "batch_req_1",
    "custom_id": "key-1",
    "response": {"status_code": 200, "request_id": "req_1", "body": BODY},
    "error": None,
}
EXPIRED = {
    "id": "batch_req_2",
    "custom_id": "key-2",
    "response": None,
    "error": {"code": "batch_expired", "message": "This request could not be executed in time."},
}


def batch(**more: Any) -> ProviderBatch:
    return read_batch({"id": "batch_1", "status": "completed", "created_at": 1_800_000_000, **more})


def test_a_request_is_one_line_with_its_key_and_its_body_as_it_is() -> None:
    line = request_line("key-1", "/v1/chat/completions", b'{"model":"m","temperature":1.0}')
    assert line == (
        b'{"custom_id":"key-1","method":"POST","url":"/v1/chat/completions","body":{"model":"m","temperature":1.0}}\n'
    )


def test_what_would_be_streamed_is_asked_for_whole() -> None:
    body = orjson.dumps({"model": "m", "stream": True, "stream_options": {"include_usage": True}})
    assert orjson.loads(request_line("k", "/v1/chat/completions", body))["body"] == {"model": "m"}


def test_a_submission_is_named_by_who_submits_what_and_for_the_how_manieth_time() -> None:
    def key(root: str = "r", dataset: str = "d", attempts: int = 0, sha256: str = "s") -> str:
        return submission_key(root, dataset, [("b", attempts), ("a", 0)], sha256)

    assert key() == submission_key("r", "d", [("a", 0), ("b", 0)], "s")
    assert len({key(), key(root="x"), key(dataset="x"), key(attempts=1), key(sha256="x")}) == 5


def test_metadata_keeps_within_what_is_documented() -> None:
    said = metadata(submission_key("r", "d", [], "s"), "d" * 64)
    assert len(said) <= 16 and all(len(name) <= 64 and len(value) <= 512 for name, value in said.items())


def test_a_batch_is_read_with_our_key_its_files_and_its_counts() -> None:
    found = batch(
        metadata=metadata("k", "sums"),
        output_file_id="file-1",
        error_file_id="",
        request_counts={"total": 3, "completed": 2, "failed": 1},
    )
    assert (found.key, found.output_file_id, found.error_file_id, found.is_over) == ("k", "file-1", None, True)
    assert (found.total, found.completed, found.failed) == (3, 2, 1)


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "cancelling"])
def test_a_batch_that_still_moves_is_not_over(status: str) -> None:
    assert not batch(status=status).is_over


def test_somebody_elses_batch_has_no_key_of_ours() -> None:
    assert batch(metadata=None).key is None and batch(metadata={"job": "x"}).key is None


def test_a_failed_batch_says_what_is_wrong_and_where() -> None:
    data = [{"code": "invalid_json_line", "line": 7, "message": "This line is not\nJSON.", "param": None}]
    assert (
        batch(errors={"object": "list", "data": data}).problem == "invalid_json_line: This line is not JSON. (line 7)"
    )


def test_what_is_no_batch_is_not_taken_for_one() -> None:
    with pytest.raises(ValueError, match="no batch"):
        read_batch({"object": "list"})


def test_an_answer_reads_as_the_direct_one_would() -> None:
    end = read_line(orjson.dumps(ANSWER), "batch_1")
    assert (end.kind, end.fields["status"], end.fields["headers"]["x-batch-id"]) == ("received", 200, "batch_1")
    reply = read_reply(200, end.fields["headers"], end.body, datetime.now(UTC))
    assert (reply.outcome, reply.answer, reply.request_id) == ("ok", "4", "req_1")


def test_a_line_with_an_error_status_is_a_response_too() -> None:
    response = {"status_code": 400, "request_id": "r", "body": {"error": {"message": "too long"}}}
    end = read_line(orjson.dumps(ANSWER | {"response": response}), "b")
    assert read_reply(400, end.fields["headers"], end.body, datetime.now(UTC)).outcome == "rejected"


def test_a_line_without_a_response_was_not_executed() -> None:
    end = read_line(orjson.dumps(EXPIRED), "b")
    assert end == LineEnd("unsent", {"error": "batch_expired: This request could not be executed in time."})


def test_a_line_that_cannot_be_read_is_nobodys() -> None:
    assert custom_id(b'{"custom_id": "key-1", "resp') is None and custom_id(b"[]") is None
    assert custom_id(orjson.dumps(ANSWER)) == "key-1"


@pytest.mark.parametrize(
    ("status", "completed", "answered", "kind"),
    [
        ("failed", 0, 0, "unsent"),
        ("expired", 3, 3, "unsent"),
        ("cancelled", 3, 3, "unsent"),
        ("expired", 4, 3, "lost"),
        ("completed", 4, 4, "lost"),
    ],
)
def test_a_request_without_a_line_may_have_been_paid_unless_the_counts_speak_against_it(
    status: str, completed: int, answered: int, kind: str
) -> None:
    ended = batch(status=status, request_counts={"completed": completed})
    assert end_without_line(ended, answered).kind == kind


def test_results_are_found_by_key_in_any_order_and_the_first_line_counts() -> None:
    lines = [orjson.dumps(line) + b"\n" for line in (EXPIRED, ANSWER, ANSWER | {"response": None})]
    results = Results("b", LineEnd("lost", {}))
    assert results.index(BytesIO(b"".join(lines) + b"\n{torn")) == 3
    assert [results.end(key).kind for key in ("key-1", "key-2", "key-3")] == ["received", "unsent", "lost"]
