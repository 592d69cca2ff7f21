"""The simulated teacher's streams, as a client meets them on a real socket."""

import time
from typing import Any

import httpx
import orjson
import pytest
from simulated import SimulatedTeacher

QUESTION = "What is 47 + 85 + 19?"


def post(teacher: SimulatedTeacher, **fields: object) -> httpx.Response:
    body = {"model": "simulated-teacher", "messages": [{"role": "user", "content": QUESTION}], **fields}
    return httpx.post(f"{teacher.base_url}/chat/completions", json=body, trust_env=False, timeout=10)


def streamed(teacher: SimulatedTeacher, **fields: object) -> tuple[bytes, list[float], bool]:
    """The bytes, when they came (seconds from the first), and whether the response reached its end."""
    body = {"model": "simulated-teacher", "messages": [{"role": "user", "content": QUESTION}], "stream": True, **fields}
    pieces: list[bytes] = []
    times: list[float] = []
    whole = True
    try:
        with httpx.stream(
            "POST", f"{teacher.base_url}/chat/completions", json=body, trust_env=False, timeout=10
        ) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            for piece in response.iter_bytes():
                pieces.append(piece)
                times.append(time.monotonic())
    except httpx.TransportError:
        whole = False
    return b"".join(pieces), [at - times[0] for at in times], whole


def chunks(body: bytes) -> list[dict[str, Any]]:
    lines = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line.startswith(b"data: {")]
    return [orjson.loads(line) for line in lines]


def said(body: bytes) -> dict[str, str]:
    texts: dict[str, str] = {}
    for chunk in chunks(body):
        for choice in chunk["choices"]:
            for name, text in choice["delta"].items():
                if name != "role":
                    texts[name] = texts.get(name, "") + text
    return texts


@pytest.mark.parametrize("place", ["reasoning_content", "reasoning", "think", "none"])
def test_the_pieces_are_the_answer_that_is_not_streamed(teacher: SimulatedTeacher, place: str) -> None:
    teacher.switch(reasoning=place)
    whole = post(teacher).json()
    body, _, _ = streamed(teacher, stream_options={"include_usage": True})
    message = {name: text for name, text in whole["choices"][0]["message"].items() if text and name != "role"}
    assert said(body) == message
    *rest, finish, usage = chunks(body)
    assert [choice["finish_reason"] for choice in finish["choices"]] == ["stop"]
    assert (usage["choices"], usage["usage"]) == ([], whole["usage"])
    assert all(chunk["id"] == usage["id"] for chunk in rest) and body.endswith(b"data: [DONE]\n\n")


def test_usage_comes_only_to_who_asks_for_it(teacher: SimulatedTeacher) -> None:
    assert not any("usage" in chunk for chunk in chunks(streamed(teacher)[0]))
    teacher.switch(missing_usage=1.0)
    assert not any("usage" in chunk for chunk in chunks(streamed(teacher, stream_options={"include_usage": True})[0]))


def test_an_answer_comes_bit_by_bit_over_its_duration(teacher: SimulatedTeacher) -> None:
    teacher.switch(latency=0.6)
    _, times, _ = streamed(teacher)
    assert len(times) > 5 and times[-1] > 0.15, "half of it before the first word"


def test_comments_keep_the_connection_alive_while_nothing_is_said(teacher: SimulatedTeacher) -> None:
    teacher.switch(latency=0.4, stream_comment_seconds=0.05)
    body, _, _ = streamed(teacher)
    assert body.startswith(b": keep-alive\n\n") and body.count(b": keep-alive") >= 3
    teacher.switch(stream_comment_seconds=0)
    assert b": keep-alive" not in streamed(teacher)[0]


def test_a_stream_that_breaks_off_is_billed_and_half_said(teacher: SimulatedTeacher) -> None:
    whole = said(streamed(teacher)[0])
    teacher.reset()
    teacher.switch(stream_breaks=1.0, latency=0.4)
    body, _, reached_its_end = streamed(teacher)
    assert not reached_its_end and b"[DONE]" not in body
    assert 0 < len(said(body)["reasoning_content"]) < len("".join(whole.values()))
    assert whole["reasoning_content"].startswith(said(body)["reasoning_content"])
    report = teacher.referee()
    assert (report["answered"], report["undelivered"], report["faults"]) == (1, 1, {"stream_breaks": 1})


def test_a_stream_that_stalls_is_silent_halfway_and_then_goes_on(teacher: SimulatedTeacher) -> None:
    teacher.switch(stream_stalls=1.0, latency=0.2, stall_seconds=0.6, stream_comment_seconds=0.05)
    body, times, whole = streamed(teacher)
    assert whole and body.endswith(b"data: [DONE]\n\n")
    assert max(later - sooner for sooner, later in zip(times, times[1:], strict=False)) > 0.45


def test_faults_of_streams_leave_other_answers_alone(teacher: SimulatedTeacher) -> None:
    teacher.switch(stream_breaks=1.0, stream_stalls=1.0)
    assert post(teacher).status_code == 200 and teacher.referee()["faults"] == {}


def test_a_malformed_stream_has_a_last_piece_that_is_cut(teacher: SimulatedTeacher) -> None:
    teacher.switch(malformed=1.0)
    body, _, whole = streamed(teacher)
    assert whole and b"[DONE]" not in body
    with pytest.raises(orjson.JSONDecodeError):
        chunks(body)


def test_a_request_that_is_turned_away_gets_no_stream(teacher: SimulatedTeacher) -> None:
    teacher.switch(storm_count=1)
    answer = post(teacher, stream=True)
    assert answer.status_code == 429 and answer.json()["error"]["code"] == "rate_limit_exceeded"


def test_the_same_question_streamed_or_not_is_one_question(teacher: SimulatedTeacher) -> None:
    post(teacher)
    streamed(teacher, stream_options={"include_usage": True})
    assert [row["received"] for row in teacher.questions()] == [2]


def test_requests_after_a_stream_use_the_same_connection(teacher: SimulatedTeacher) -> None:
    with httpx.Client(base_url=teacher.base_url, trust_env=False) as client:
        body = {"model": "simulated-teacher", "messages": [{"role": "user", "content": QUESTION}], "stream": True}
        first = client.post("/chat/completions", json=body).extensions["network_stream"]
        assert client.post("/chat/completions", json=body).extensions["network_stream"] is first
