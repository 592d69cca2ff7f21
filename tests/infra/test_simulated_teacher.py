"""The simulated teacher as its clients meet it: a process on a real socket."""

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from simulated import SimulatedTeacher

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "What is 47 + 85 + 19?"


def post(teacher: SimulatedTeacher, key: str = "", text: str = QUESTION, **fields: object) -> httpx.Response:
    body = {"model": "simulated-teacher", "messages": [{"role": "user", "content": text}], **fields}
    headers = {"x-client-request-id": key} if key else {}
    return httpx.post(f"{teacher.base_url}/chat/completions", json=body, headers=headers, trust_env=False)


async def flood(teacher: SimulatedTeacher, keys: list[str]) -> list[int]:
    """All at once, each on a connection of its own; the statuses (0: the connection broke)."""

    async def one(client: httpx.AsyncClient, key: str) -> int:
        body = {"model": "simulated-teacher", "messages": [{"role": "user", "content": QUESTION}]}
        try:
            answer = await client.post("/chat/completions", json=body, headers={"x-client-request-id": key})
        except httpx.TransportError:
            return 0
        return answer.status_code

    limits = httpx.Limits(max_connections=len(keys))
    async with httpx.AsyncClient(base_url=teacher.base_url, limits=limits, trust_env=False, timeout=30) as client:
        return list(await asyncio.gather(*[one(client, key) for key in keys]))


def test_a_question_is_answered_with_reasoning_usage_and_headers(teacher: SimulatedTeacher) -> None:
    answer = post(teacher, "k1")
    assert answer.status_code == 200
    assert answer.headers["x-simulated"] == "true" and answer.headers["x-request-id"].startswith("req_")
    choice = answer.json()["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["message"] == {
        "role": "assistant",
        "content": "Answer: 151",
        "reasoning_content": "47 + 85 = 132. 132 + 19 = 151.",
    }
    assert answer.json()["model"] == "simulated-teacher"
    assert answer.json()["usage"] == {
        "prompt_tokens": 14,
        "completion_tokens": 15,
        "total_tokens": 29,
        "completion_tokens_details": {"reasoning_tokens": 12},
    }


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("reasoning", {"content": "Answer: 3", "reasoning": "1 + 2 = 3."}),
        ("think", {"content": "<think>\n1 + 2 = 3.\n</think>\n\nAnswer: 3"}),
        ("think-close", {"content": "1 + 2 = 3.\n</think>\n\nAnswer: 3"}),
        ("hidden", {"content": "Answer: 3"}),
        ("none", {"content": "Answer: 3"}),
    ],
)
def test_reasoning_goes_where_the_switch_says(teacher: SimulatedTeacher, place: str, message: dict[str, str]) -> None:
    teacher.switch(reasoning=place)
    answer = teacher.ask("What is 1 + 2?")
    assert answer["choices"][0]["message"] == {"role": "assistant", **message}
    reasoning_tokens = answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert (reasoning_tokens == 0) == (place == "none")


@pytest.mark.parametrize("place", ["reasoning_content", "think"])
def test_max_tokens_cuts_the_reply(teacher: SimulatedTeacher, place: str) -> None:
    teacher.switch(reasoning=place)
    answer = teacher.ask(QUESTION, max_tokens=6)
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "length" and answer["usage"]["completion_tokens"] == 6
    if place == "think":
        assert choice["message"]["content"] == "<think>\n47 + 85 = 132."
    else:
        assert choice["message"]["content"] is None
        assert choice["message"]["reasoning_content"] == "47 + 85 = 132."


def test_the_same_question_has_the_same_answer_in_another_process(teacher: SimulatedTeacher) -> None:
    faults = {"wrong_answers": 0.3, "styles": 100, "near_duplicates": 0.2}
    teacher.switch(**faults)
    here = [teacher.ask(QUESTION, f"k{n}")["choices"] for n in range(20)]
    with SimulatedTeacher(**faults) as other:
        assert [other.ask(QUESTION, f"k{n}")["choices"] for n in reversed(range(20))] == here[::-1]
    with SimulatedTeacher(seed=1, **faults) as another:
        assert [another.ask(QUESTION, f"k{n}")["choices"] for n in range(20)] != here


def test_an_unknown_model_is_not_found(teacher: SimulatedTeacher) -> None:
    status, answer = teacher.call(
        "POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": ""}]}
    )
    assert status == 404 and answer["error"]["code"] == "model_not_found"
    assert teacher.call("GET", "/v1/models/m")[0] == 404
    card = teacher.call("GET", "/v1/models")[1]["data"][0]
    assert card["id"] == "simulated-teacher" and card["max_model_len"] == 131072


def test_more_than_the_context_holds_is_refused(teacher: SimulatedTeacher) -> None:
    answer = post(teacher, max_tokens=200_000)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "context_length_exceeded"


def test_a_request_that_is_no_question_is_told_the_limits(teacher: SimulatedTeacher) -> None:
    teacher.switch(rpm=600, tpm=90_000, headers="openai")
    body = {"model": "simulated-teacher", "messages": []}
    answer = httpx.post(f"{teacher.base_url}/chat/completions", json=body, trust_env=False)
    assert answer.status_code == 400
    assert answer.headers["x-ratelimit-limit-requests"] == "600"
    assert answer.headers["x-ratelimit-limit-tokens"] == "90000"
    assert teacher.referee()["requests"] == 0  # and nothing is charged


def test_a_key_is_asked_for_when_one_was_given() -> None:
    with SimulatedTeacher(api_key="secret") as teacher:
        assert post(teacher).status_code == 401
        wrong = httpx.get(f"{teacher.base_url}/models", headers={"authorization": "Bearer x"}, trust_env=False)
        right = httpx.get(f"{teacher.base_url}/models", headers={"authorization": "Bearer secret"}, trust_env=False)
        assert (wrong.status_code, right.status_code) == (401, 200)
        assert teacher.referee()["unauthorized"] == 2


def test_requests_over_the_limit_get_429_with_the_time_to_wait(teacher: SimulatedTeacher) -> None:
    teacher.switch(rpm=6, burst_seconds=20.0)
    answers = [post(teacher, f"k{n}") for n in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    refused = answers[-1]
    assert refused.json()["error"]["type"] == "requests" and refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 10 < int(refused.headers["retry-after"]) <= 20
    assert 10_000 < int(refused.headers["retry-after-ms"]) <= 20_000
    assert answers[0].headers["x-ratelimit-limit-requests"] == "6"
    assert answers[0].headers["x-ratelimit-remaining-requests"] == "1"
    report = teacher.referee()
    assert report["refused_429"]["requests"] == 1 and report["violations"] == {"requests_over_limit": 1}
    assert report["most_in_60s"]["requests"] == 3 and report["most_in_60s"]["admitted"] == 2


def test_tokens_over_the_limit_get_429_of_type_tokens(teacher: SimulatedTeacher) -> None:
    teacher.switch(tpm=600, burst_seconds=10.0)
    assert post(teacher, "a", max_tokens=100).status_code == 200
    refused = post(teacher, "b", max_tokens=100)
    assert refused.status_code == 429 and refused.json()["error"]["type"] == "tokens"
    too_large = post(teacher, "c", max_tokens=7000)
    assert too_large.status_code == 429 and "too large" in too_large.json()["error"]["message"]


def test_requests_in_flight_are_capped_and_counted(teacher: SimulatedTeacher) -> None:
    teacher.switch(concurrency=5, latency=1.0)
    statuses = asyncio.run(flood(teacher, [f"k{n}" for n in range(12)]))
    assert statuses.count(200) == 5 and statuses.count(429) == 7
    report = teacher.referee()
    assert report["max_in_flight"] == 5 and report["in_flight"] == 0
    assert report["violations"] == {"concurrency_over_limit": 7}


def test_a_storm_refuses_as_many_as_it_was_told(teacher: SimulatedTeacher) -> None:
    teacher.switch(storm_count=2)
    assert [post(teacher, f"k{n}").status_code for n in range(3)] == [429, 429, 200]
    assert teacher.referee()["refused_429"]["storm"] == 2


def test_limits_change_by_themselves_after_so_many_requests() -> None:
    change = json.dumps({"after_requests": 2, "rpm": 1, "burst_seconds": 1.0})
    with SimulatedTeacher(change=[change]) as teacher:
        assert [post(teacher, f"k{n}").status_code for n in range(4)] == [200, 200, 200, 429]
        assert teacher.referee()["switches"]["rpm"] == 1


def test_what_is_asked_twice_is_counted_twice(teacher: SimulatedTeacher) -> None:
    for key in ("a", "a", "b"):
        post(teacher, key, max_tokens=50)
    report = teacher.referee()
    assert (report["requests"], report["answered"], report["questions"]) == (3, 3, 2)
    assert (report["received_again"], report["answered_again"], report["answers_beyond_need"]) == (1, 1, 1)
    (again,) = teacher.questions(again=1)
    assert (again["client_request_id"], again["received"], again["answered"]) == ("a", 2, 2)
    assert again["completion_tokens"] == 30


def test_asking_again_with_a_higher_cap_is_no_waste(teacher: SimulatedTeacher) -> None:
    post(teacher, "a", max_tokens=5)
    post(teacher, "a", max_tokens=50)
    report = teacher.referee()
    assert (report["answered_again"], report["answers_beyond_need"]) == (1, 0)


def test_going_on_with_a_beginning_is_no_waste_and_once_is_enough(teacher: SimulatedTeacher) -> None:
    assert post(teacher, "a", max_tokens=5, **going_on("<think>\nI")).status_code == 400  # unless it is switched on
    teacher.switch(continues="continue_final_message")
    whole = post(teacher, "b").json()["choices"][0]["message"]
    begun = post(teacher, "a", max_tokens=5).json()["choices"][0]
    thought = begun["message"]["reasoning_content"]
    assert begun["finish_reason"] == "length"
    rest = post(teacher, "a", max_tokens=45, **going_on(f"<think>\n{thought}")).json()["choices"][0]
    assert thought + rest["message"]["reasoning_content"] == whole["reasoning_content"]
    assert (rest["message"]["content"], rest["finish_reason"]) == (whole["content"], "stop")
    assert teacher.referee()["answers_beyond_need"] == 0
    post(teacher, "a", max_tokens=45, **going_on(f"<think>\n{thought}"))
    assert (teacher.referee()["answers_beyond_need"], teacher.referee()["violations"]) == (1, {})


def going_on(text: str) -> dict[str, object]:
    messages = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": text}]
    return {"messages": messages, "add_generation_prompt": False, "continue_final_message": True}


def test_one_request_id_for_two_bodies_is_a_violation(teacher: SimulatedTeacher) -> None:
    post(teacher, "a")
    post(teacher, "a", text="What is 1 + 1?")
    assert teacher.referee()["violations"] == {"one_request_id_two_bodies": 1}


def test_the_truth_names_what_was_planted(teacher: SimulatedTeacher) -> None:
    teacher.switch(wrong_answers=0.5)
    said = {f"k{n}": post(teacher, f"k{n}").json() for n in range(40)}
    truth = {row["client_request_id"]: row for row in teacher.truth()}
    assert truth.keys() == said.keys()
    for key, row in truth.items():
        given = said[key]["choices"][0]["message"]["content"].removeprefix("Answer: ")
        assert given == row["given_answer"] and row["right_answer"] == "151"
        assert (given != "151") == (row["planted"] == ["wrong_answers"])
    wrong = teacher.truth(fault="wrong_answers")
    assert 0 < len(wrong) == teacher.referee()["faults"]["wrong_answers"] < 40


def test_a_server_error_is_not_billed_and_a_retry_may_succeed(teacher: SimulatedTeacher) -> None:
    teacher.switch(server_errors=0.5, server_error_status=502)
    statuses = [post(teacher, "k").status_code for _ in range(12)]
    assert set(statuses) == {200, 502}
    assert teacher.referee()["answered"] == statuses.count(200)


@pytest.mark.parametrize(("fault", "billed"), [("resets_before", 0), ("resets_after", 1)])
def test_a_reset_breaks_the_connection(teacher: SimulatedTeacher, fault: str, billed: int) -> None:
    teacher.switch(**{fault: 1.0})
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        post(teacher)
    report = teacher.referee()
    assert (report["answered"], report["undelivered"], report["in_flight"]) == (billed, billed, 0)


def test_malformed_json_is_billed(teacher: SimulatedTeacher) -> None:
    teacher.switch(malformed=1.0)
    answer = post(teacher)
    assert answer.status_code == 200 and teacher.referee()["answered"] == 1
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_usage_content_and_model_can_be_missing_or_other(teacher: SimulatedTeacher) -> None:
    teacher.switch(missing_usage=1.0, empty_content=1.0, model_swaps=1.0)
    answer = teacher.ask(QUESTION)
    assert "usage" not in answer and answer["model"] == "simulated-teacher-mini"
    assert answer["choices"][0]["message"]["content"] == ""


def hang_up_while_waiting(teacher: SimulatedTeacher) -> None:
    body = json.dumps({"model": "simulated-teacher", "messages": [{"role": "user", "content": QUESTION}]}).encode()
    with socket.create_connection(("127.0.0.1", teacher.port)) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        teacher.wait_for("in_flight", 1)


def test_a_client_that_hangs_up_is_billed_all_the_same(teacher: SimulatedTeacher) -> None:
    teacher.switch(stalls=1.0, stall_seconds=0.3)
    hang_up_while_waiting(teacher)
    report = teacher.wait_for("undelivered", 1)
    assert report["answered"] == 1 and report["in_flight"] == 0


def test_a_client_that_hangs_up_stops_the_answer_where_the_server_does_so(teacher: SimulatedTeacher) -> None:
    teacher.switch(on_disconnect="abort", latency=30)
    hang_up_while_waiting(teacher)
    report = teacher.wait_for("aborted", 1)
    assert report["answered"] == 0 and report["in_flight"] == 0


def test_many_at_once_are_all_answered_and_counted(teacher: SimulatedTeacher) -> None:
    teacher.switch(latency=0.02, latency_distribution="exp")
    assert asyncio.run(flood(teacher, [f"k{n}" for n in range(200)])) == [200] * 200
    report = teacher.referee()
    assert report["answered"] == report["questions"] == 200 and report["violations"] == {}


def test_an_answer_book_answers_what_no_rule_solves(tmp_path: Path) -> None:
    book = tmp_path / "book.jsonl"
    book.write_text(json.dumps({"question": "Who pays?", "answer": "Ann pays 2*3=<<2*3=6>>6.\n#### 6"}) + "\n")
    with SimulatedTeacher(answer_book=book) as teacher:
        message = teacher.ask("Who pays?")["choices"][0]["message"]
        assert (message["reasoning_content"], message["content"]) == ("Ann pays 2*3=6.", "Answer: 6")
        assert "cannot solve" in teacher.ask("Who eats?")["choices"][0]["message"]["content"]
        assert teacher.referee()["unsolved"] == 1


def test_an_unknown_switch_is_refused_and_nothing_changes(teacher: SimulatedTeacher) -> None:
    before = teacher.referee()["switches"]
    with pytest.raises(ValueError, match="no switch 'speed'"):
        teacher.switch(rpm=5, speed=3)
    assert teacher.referee()["switches"] == before


def test_a_page_that_is_not_there_is_not_found(teacher: SimulatedTeacher) -> None:
    assert teacher.call("GET", "/nothing")[0] == 404
    assert teacher.call("GET", "/v1/chat/completions")[0] == 405
    assert teacher.call("GET", "/health") == (200, {"status": "ok", "simulated": True})


def test_sigterm_ends_it_quietly() -> None:
    command = [sys.executable, "-m", "infra.simulated_teacher", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert ready["base_url"] == f"http://127.0.0.1:{ready['port']}/v1"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")


def test_it_ends_with_the_process_that_started_it() -> None:
    starter = (
        "import subprocess, sys, os\n"
        "p = subprocess.Popen([sys.executable, '-m', 'infra.simulated_teacher', '--port', '0',"
        " '--parent-pid', str(os.getpid())], stdout=subprocess.PIPE)\n"
        "print(p.stdout.readline().decode().strip(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", starter], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    watched = os.pidfd_open(json.loads(process.stdout.readline())["pid"])
    process.kill()
    process.communicate()
    try:
        assert select.select([watched], [], [], 10)[0]
    finally:
        os.close(watched)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--preset", "nothing"], "no preset 'nothing'"),
        (["--wrong-answers", "2"], "wrong_answers"),
        (["--change", "{"], "--change"),
        (["--scenario", "nothing"], "no scenario 'nothing'"),
        (["--answer-book", "missing.jsonl"], "missing.jsonl"),
    ],
)
def test_a_bad_flag_is_one_line_and_exit_2(flags: list[str], said: str) -> None:
    command = [sys.executable, "-m", "infra.simulated_teacher", "--port", "0", *flags]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_one_line_and_exit_2(teacher: SimulatedTeacher) -> None:
    command = [sys.executable, "-m", "infra.simulated_teacher", "--port", str(teacher.port)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 2 and str(teacher.port) in done.stderr and done.stderr.count("\n") == 1
