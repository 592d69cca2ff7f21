"""The batch API of the simulated teacher, asked as any client would, over a socket."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from simulated import SimulatedTeacher
from still import wait_until

OPENER = build_opener(ProxyHandler({}))
OPEN_QUESTIONS = 6


@pytest.fixture
def teacher() -> Iterator[SimulatedTeacher]:
    with SimulatedTeacher() as teacher:
        yield teacher


def line(name: str, number: int = 1, **more: Any) -> dict[str, Any]:
    body = {"model": "simulated-teacher", "messages": [{"role": "user", "content": f"What is {number} + 2?"}]}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body, **more}


def lines(count: int = OPEN_QUESTIONS) -> list[dict[str, Any]]:
    return [line(f"q{number}", number) for number in range(count)]


def upload(teacher: SimulatedTeacher, body: bytes, purpose: str = "batch") -> tuple[int, Any]:
    form = (
        f'--edge\r\ncontent-disposition: form-data; name="purpose"\r\n\r\n{purpose}\r\n'
        '--edge\r\ncontent-disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n'
    ).encode()
    request = Request(
        f"{teacher.base_url}/files",
        form + body + b"\r\n--edge--\r\n",
        {"content-type": "multipart/form-data; boundary=edge"},
    )
    try:
        with OPENER.open(request) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        return error.code, json.load(error)


def create(teacher: SimulatedTeacher, file_id: str, **more: Any) -> tuple[int, Any]:
    asked = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h", **more}
    return teacher.call("POST", "/v1/batches", asked)


def submit(teacher: SimulatedTeacher, rows: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    body = "".join(json.dumps(row) + "\n" for row in rows or lines()).encode()
    status, batch = create(teacher, upload(teacher, body)[1]["id"], **more)
    assert status == 200, batch
    return dict(batch)


def look(teacher: SimulatedTeacher, batch: dict[str, Any]) -> dict[str, Any]:
    return dict(teacher.call("GET", f"/v1/batches/{batch['id']}")[1])


def content(teacher: SimulatedTeacher, file_id: str | None) -> list[dict[str, Any]]:
    with OPENER.open(f"{teacher.base_url}/files/{file_id}/content") as response:
        return [json.loads(row) for row in response.read().splitlines()]


def test_a_batch_answers_every_line_by_its_custom_id(teacher: SimulatedTeacher) -> None:
    batch = submit(teacher, metadata={"key": "1"})
    assert (batch["status"], batch["metadata"]) == ("validating", {"key": "1"})
    done = look(teacher, batch)
    assert (done["status"], done["request_counts"]["completed"]) == ("completed", OPEN_QUESTIONS)
    assert done["error_file_id"] is None
    answers = {row["custom_id"]: row["response"] for row in content(teacher, done["output_file_id"])}
    assert set(answers) == {f"q{number}" for number in range(OPEN_QUESTIONS)}
    assert "5" in answers["q3"]["body"]["choices"][0]["message"]["content"]
    assert (teacher.referee()["answered"], answers["q3"]["status_code"]) == (OPEN_QUESTIONS, 200)


def test_the_referee_counts_a_batch_and_a_direct_answer_as_the_same_question(teacher: SimulatedTeacher) -> None:
    submit(teacher, [line("q1")])
    teacher.call("POST", "/v1/chat/completions", line("q1")["body"], {"x-client-request-id": "q1"})
    assert (teacher.referee()["answered"], teacher.referee()["answered_again"]) == (2, 1)


def test_a_batch_takes_its_time_and_is_outside_the_limits() -> None:
    with SimulatedTeacher(batch_seconds=1, rpm=1) as teacher:
        batch = submit(teacher)
        assert look(teacher, batch)["status"] == "in_progress"
        wait_until(lambda: look(teacher, batch)["status"] == "completed", 10, "the batch did not end")
        assert teacher.referee()["refused_429"]["requests"] == 0


def test_an_expired_batch_gives_what_was_done_and_names_the_rest() -> None:
    with SimulatedTeacher(batch_expires=0.5) as teacher:
        done = look(teacher, submit(teacher))
        assert (done["status"], done["request_counts"]) == ("expired", {"total": 6, "completed": 3, "failed": 3})
        assert {row["error"]["code"] for row in content(teacher, done["error_file_id"])} == {"batch_expired"}
        assert teacher.referee()["answered"] == 3


def test_a_cancelled_batch_gives_what_was_done() -> None:
    with SimulatedTeacher(batch_seconds=60) as teacher:
        batch = submit(teacher)
        assert teacher.call("POST", f"/v1/batches/{batch['id']}/cancel", {})[1]["status"] == "cancelling"
        assert look(teacher, batch)["status"] == "cancelled"
        assert teacher.call("POST", f"/v1/batches/{batch['id']}/cancel", {})[0] == 409


def test_lines_that_fail_are_in_the_error_file_with_their_status() -> None:
    with SimulatedTeacher(batch_fails=1) as teacher:
        done = look(teacher, submit(teacher))
        assert (done["status"], done["output_file_id"]) == ("completed", None)
        assert {row["response"]["status_code"] for row in content(teacher, done["error_file_id"])} == {500}
        assert teacher.referee()["answered"] == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{not json}\n", "invalid_json_line"),
        (json.dumps(line("a")).encode() + b"\n" + json.dumps(line("a")).encode(), "duplicate_custom_id"),
        (json.dumps(line("a", url="/v1/embeddings")).encode(), "url_mismatch"),
        (json.dumps(line("a", body={"model": "other"})).encode(), "model_mismatch"),
        (b"\n\n", "empty_file"),
    ],
)
def test_a_file_with_something_wrong_fails_the_batch_and_asks_nothing(
    teacher: SimulatedTeacher, body: bytes, code: str
) -> None:
    status, batch = create(teacher, upload(teacher, body)[1]["id"])
    assert status == 200
    done = look(teacher, batch)
    assert (done["status"], done["errors"]["data"][0]["code"]) == ("failed", code)
    assert teacher.referee()["answered"] == 0


def test_too_many_requests_fail_the_batch() -> None:
    with SimulatedTeacher(batch_requests=5) as teacher:
        assert look(teacher, submit(teacher))["errors"]["data"][0]["code"] == "too_many_tasks"


def test_what_cannot_be_a_batch_is_refused_at_once(teacher: SimulatedTeacher) -> None:
    assert upload(teacher, b"x", purpose="fine-tune")[0] == 400
    assert create(teacher, "file-999999")[0] == 400
    file_id = upload(teacher, b"x")[1]["id"]
    assert create(teacher, file_id, metadata={"k": "v" * 513})[0] == 400
    assert create(teacher, file_id, completion_window="1h")[0] == 400
    output = look(teacher, submit(teacher))["output_file_id"]
    assert "purpose" in create(teacher, output)[1]["error"]["message"]


def test_batches_and_files_are_listed_in_pages_newest_first(teacher: SimulatedTeacher) -> None:
    ids = [submit(teacher)["id"] for _ in range(3)]
    first = teacher.call("GET", "/v1/batches?limit=2")[1]
    assert ([row["id"] for row in first["data"]], first["has_more"]) == (ids[:0:-1], True)
    rest = teacher.call("GET", f"/v1/batches?limit=2&after={first['last_id']}")[1]
    assert ([row["id"] for row in rest["data"]], rest["has_more"]) == (ids[:1], False)
    assert len(teacher.call("GET", "/v1/files?purpose=batch&limit=100")[1]["data"]) == 3
    assert teacher.call("GET", "/v1/batches?limit=0")[0] == 400


def test_a_server_with_a_key_asks_for_it_here_too() -> None:
    with SimulatedTeacher(api_key="secret") as teacher:
        assert teacher.call("GET", "/v1/batches")[0] == 401
