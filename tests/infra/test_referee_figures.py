"""The referee as a process with a virtual clock: minutes of limits in moments, and figures that can be known."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from simulated import SimulatedTeacher

from infra.simulated_teacher.switches import presets

QUESTION = "What is 47 + 85 + 19?"


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[SimulatedTeacher, dict[str, Any]]]:
    with SimulatedTeacher(clock="virtual") as teacher:
        yield teacher, teacher.switch(model="simulated-teacher")


@pytest.fixture
def teacher(shared: tuple[SimulatedTeacher, dict[str, Any]]) -> SimulatedTeacher:
    """One process for the module; every test finds its switches and counts as they were at the start."""
    running, switches = shared
    running.advance(100.0)
    running.switch(**switches)
    running.reset()
    return running


def status(teacher: SimulatedTeacher, key: str, **fields: object) -> int:
    body = {"model": "simulated-teacher", "messages": [{"role": "user", "content": QUESTION}], **fields}
    return teacher.call("POST", "/v1/chat/completions", body, {"x-client-request-id": key})[0]


class Waiting:
    """Requests that wait for their answers, each on a thread of its own."""

    def __init__(self, teacher: SimulatedTeacher, keys: list[str], **fields: object) -> None:
        self.statuses: dict[str, int] = {}
        self.threads = [threading.Thread(target=self._ask, args=(teacher, key, fields)) for key in keys]
        before = teacher.referee()["requests"]
        for thread in self.threads:
            thread.start()
        teacher.wait_for("requests", before + len(keys))

    def _ask(self, teacher: SimulatedTeacher, key: str, fields: dict[str, Any]) -> None:
        self.statuses[key] = status(teacher, key, **fields)

    def end(self) -> dict[str, int]:
        for thread in self.threads:
            thread.join(30)
        return self.statuses


def test_time_stands_still_until_it_is_moved(teacher: SimulatedTeacher) -> None:
    teacher.switch(latency=40.0)
    start, waiting = teacher.now(), Waiting(teacher, ["a", "b"])
    assert teacher.advance(39.0)["done"] == 0 and teacher.referee()["in_flight"] == 2
    moved = teacher.to_next()
    assert waiting.end() == {"a": 200, "b": 200}
    assert moved["now"] == pytest.approx(start + 40.0) and teacher.referee()["in_flight"] == 0


def test_a_limit_is_tested_without_waiting(teacher: SimulatedTeacher) -> None:
    teacher.switch(rpm=60, burst_seconds=1.0, refused_cost=0.0)
    assert [status(teacher, f"k{n}") for n in range(2)] == [200, 429]
    teacher.advance(1.0)
    assert [status(teacher, f"k{n}") for n in range(1, 3)] == [200, 429]


def test_a_real_clock_is_not_moved() -> None:
    with SimulatedTeacher() as real:
        with pytest.raises(ValueError, match="--clock virtual"):
            real.advance(1.0)
        assert real.call("GET", "/referee/clock")[1]["virtual"] is False


@pytest.mark.parametrize("wish", [{"advance": -1}, {"advance": "1"}, {"next": 1}, {"advance": True}, {}, [1]])
def test_a_clock_is_moved_by_seconds_alone(teacher: SimulatedTeacher, wish: object) -> None:
    code, answer = teacher.call("POST", "/referee/clock", wish)
    assert code == 400 and "advance" in answer["error"]["message"]


def test_the_budget_used_is_told_after_a_warm_up(teacher: SimulatedTeacher) -> None:
    teacher.switch(rpm=60, tpm=60_000, burst_seconds=1.0)
    for number in range(70):
        assert status(teacher, f"k{number}", max_tokens=100) == 200
        teacher.advance(1.0)
    found = teacher.budget(warmup=10, cooldown=0)
    assert (found["binding"], found["used"], found["idle_s"]) == ("requests", 1.0, 0.0)
    assert found["dimensions"]["tokens"]["used"] == pytest.approx(0.1)
    assert found["dimensions"]["requests"]["most"]["60"] == {"held": 60, "bound": 61}
    assert found["refused_429"] == {} and found["delivered"] == 59


def test_an_empty_span_is_refused_in_words(teacher: SimulatedTeacher) -> None:
    with pytest.raises(ValueError, match="empty"):
        teacher.budget(start=5.0, end=5.0)


@pytest.mark.parametrize("query", ["from=x", "to=nan", "windows=0", "windows=60,y", "at=inf", "warmup=soon"])
def test_a_figure_that_is_no_number_of_seconds_is_refused_by_name(teacher: SimulatedTeacher, query: str) -> None:
    assert status(teacher, "k") == 200
    teacher.advance(1.0)
    code, answer = teacher.call("GET", f"/referee/budget?{query}")
    assert code == 400 and answer["error"]["message"].startswith(query.partition("=")[0])


def test_a_limit_that_halves_at_a_time_is_listed_with_what_followed() -> None:
    change = json.dumps({"after_first": 20, "limit_factor": 0.5})
    flags = {"rpm": 60, "burst_seconds": 1.0, "refused_cost": 0.0, "change": [change]}
    with SimulatedTeacher(clock="virtual", **flags) as teacher:
        teacher.advance(7.0)
        codes = []
        for number in range(30):
            codes.append(status(teacher, f"k{number}"))
            teacher.advance(1.0)
        assert codes[:20] == [200] * 20 and codes[20:] == [200, 429] * 5
        (listed,) = teacher.budget()["changes"]
    assert listed["at"] == 27.0 and listed["switches"] == {"limit_factor": [1.0, 0.5]}
    assert (listed["refused"], listed["refused_told"]) == (5, 5)


def test_what_is_paid_twice_is_listed_with_what_arrived(teacher: SimulatedTeacher) -> None:
    teacher.switch(resets_after=1.0)
    with pytest.raises((OSError, httpx.HTTPError)):
        status(teacher, "twice")
    teacher.switch(resets_after=0.0)
    assert [status(teacher, key) for key in ("twice", "once", "twice")] == [200, 200, 200]
    (row,) = teacher.payments()
    assert (row["client_request_id"], row["answered"], row["deliveries"]) == ("twice", 3, [False, True, True])
    assert row["attempt_faults"] == ["resets_after"]
    (broken,) = teacher.breaks()
    assert broken["kind"] == "resets_after" and broken["questions"] == [row["question"]]


def test_a_client_that_dies_leaves_the_list_of_what_was_in_flight(teacher: SimulatedTeacher) -> None:
    teacher.switch(latency=5.0)
    waiting = Waiting(teacher, ["a", "b"])
    body = json.dumps({"model": "simulated-teacher", "messages": [{"role": "user", "content": QUESTION}]}).encode()
    with socket.create_connection(("127.0.0.1", teacher.port)) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        teacher.wait_for("requests", 3)
    teacher.wait_for("breaks", 1)
    broken = teacher.breaks()
    teacher.advance(5.0)
    assert waiting.end() == {"a": 200, "b": 200}
    assert len(broken) == 1 and broken[0]["kind"] == "hung_up" and broken[0]["in_flight"] == 3
    report = teacher.referee()
    assert (report["answered"], report["undelivered"]) == (3, 1)


def test_answers_take_from_the_output_budget_while_they_are_written(teacher: SimulatedTeacher) -> None:
    teacher.switch(
        otpm=60.0, burst_seconds=10.0, charge="actual", output_charged="as_produced", latency=10.0, headers="anthropic"
    )
    # 15 tokens over ten seconds at 1.5 a second, against 1 a second: 10 in the bucket, half a token less each second.
    waiting = Waiting(teacher, ["a"])
    teacher.advance(4.0)
    half = teacher.budget()["dimensions"]["output_tokens"]
    teacher.advance(6.0)
    assert waiting.end() == {"a": 200}
    whole = teacher.budget()["dimensions"]["output_tokens"]
    assert whole["charged"] == pytest.approx(15) and half["charged"] == 0, "only what has ended is on the page"
    assert whole["most"]["10"]["held"] == pytest.approx(15)
    assert whole["idle"] == pytest.approx(0.0)


def test_blank_lines_keep_a_late_answer_company(teacher: SimulatedTeacher) -> None:
    teacher.switch(latency=3.5, blank_line_seconds=1.0)
    body = json.dumps({"model": "simulated-teacher", "messages": [{"role": "user", "content": QUESTION}]}).encode()
    with socket.create_connection(("127.0.0.1", teacher.port), timeout=10) as client:
        for number in range(2):
            client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            teacher.wait_for("requests", number + 1)
            teacher.advance(3.4)
            teacher.advance(0.1)
            found = b""
            while not found.endswith(b"\r\n0\r\n\r\n"):
                found += client.recv(65536)
            head, _, rest = found.partition(b"\r\n\r\n")
            assert b"transfer-encoding: chunked" in head and rest.startswith(b"1\r\n\n\r\n" * 3)
            answer = json.loads(rest.removeprefix(b"1\r\n\n\r\n" * 3).split(b"\r\n")[1])
            assert answer["choices"][0]["message"]["content"] == "Answer: 151"


def test_an_answer_that_comes_at_once_has_no_blank_lines(teacher: SimulatedTeacher) -> None:
    teacher.switch(blank_line_seconds=1.0)
    assert status(teacher, "a") == 200


def gauges(teacher: SimulatedTeacher) -> dict[str, float]:
    text = httpx.get(f"{teacher.url}/metrics", trust_env=False).text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_metrics_tell_what_runs_and_what_waits(teacher: SimulatedTeacher) -> None:
    teacher.switch(slots=2, tokens_per_second=1.0, kv_cache_tokens=1000)
    waiting = Waiting(teacher, [f"k{n}" for n in range(5)])
    found = gauges(teacher)
    assert found["vllm:num_requests_running"] == 2 and found["vllm:num_requests_waiting"] == 3
    assert found["vllm:kv_cache_usage_perc"] == pytest.approx(2 * 14 / 1000)
    teacher.advance(15.01)
    found = gauges(teacher)
    assert (found["vllm:num_requests_running"], found["vllm:num_requests_waiting"]) == (2, 1)
    teacher.advance(60.0)
    assert set(waiting.end().values()) == {200}
    teacher.switch(metrics="sglang")
    assert gauges(teacher)["sglang:num_queue_reqs"] == 0
    teacher.switch(metrics="none")
    assert teacher.call("GET", "/metrics")[0] == 404


@pytest.mark.parametrize(("counts", "let_in"), [("waiting", 5), ("all", 3)])
def test_a_bounded_queue_says_503(teacher: SimulatedTeacher, counts: str, let_in: int) -> None:
    teacher.switch(slots=2, tokens_per_second=1.0, queue_bound=3, queue_bound_counts=counts, headers="none")
    waiting = Waiting(teacher, [f"k{n}" for n in range(7)])
    teacher.advance(60.0)
    codes = list(waiting.end().values())
    assert (codes.count(200), codes.count(503)) == (let_in, 7 - let_in)
    report = teacher.referee()
    assert report["refused_503"] == {"queue": 7 - let_in} and report["violations"] == {}
    assert report["refused_429"] == {"requests": 0, "tokens": 0, "concurrency": 0, "storm": 0}


def test_an_account_without_credit_is_told_so(teacher: SimulatedTeacher) -> None:
    teacher.switch(credit_answers=2)
    assert [status(teacher, f"k{n}") for n in range(3)] == [200, 200, 402]
    assert teacher.referee()["out_of_credit"] == 1


LENGTHS = {"filler_tokens": 200.0, "filler_distribution": "exp"}


def lengths(teacher: SimulatedTeacher, keys: list[str], prompts: list[str]) -> list[int]:
    answers = [teacher.ask(prompt, key) for key, prompt in zip(keys, prompts, strict=True)]
    return [answer["usage"]["completion_tokens"] for answer in answers]


def test_the_length_of_an_answer_depends_on_the_prompt_alone(teacher: SimulatedTeacher) -> None:
    teacher.switch(**LENGTHS, filler_drawn_per="prompt")
    prompts = [f"What is {number} + 5?" for number in range(10)]
    ours = lengths(teacher, [f"ours-{n}" for n in range(10)], prompts)
    backwards = lengths(teacher, [f"theirs-{n}" for n in range(10)], prompts[::-1])
    without_an_id = lengths(teacher, [""] * 10, prompts)
    assert ours == backwards[::-1] == without_an_id and len(set(ours)) > 5


def test_the_length_of_an_attempt_depends_on_the_question_and_its_number(teacher: SimulatedTeacher) -> None:
    teacher.switch(**LENGTHS, filler_drawn_per="attempt")
    prompts = [f"What is {number} + 5?" for number in range(3)]
    first = lengths(teacher, ["a", "b", "c"], prompts)
    again = lengths(teacher, ["a", "b", "c"], prompts)
    teacher.reset()
    third, second = lengths(teacher, ["c", "c"], [prompts[2]] * 2), lengths(teacher, ["b", "b"], [prompts[1]] * 2)
    assert first != again
    assert third == [first[2], again[2]] and second == [first[1], again[1]]


@pytest.mark.parametrize(("scenario", "low", "high"), [("answers-2kb", 1500, 2600), ("answers-64kb", 56_000, 74_000)])
def test_scenarios_set_the_size_of_answers(scenario: str, low: int, high: int) -> None:
    with SimulatedTeacher(scenario=scenario, preset="vllm", slots=0) as teacher:
        teacher.switch(latency=0.0, tokens_per_second=0.0, batch_tokens_per_second=0.0)
        assert low < len(json.dumps(teacher.ask(QUESTION, "a"))) < high


def test_the_model_that_answers_changes_in_mid_run() -> None:
    with SimulatedTeacher(scenario="swapped", clock="virtual") as teacher:
        before = teacher.ask(QUESTION, "a")["model"]
        teacher.advance(21.0)
        assert (before, teacher.ask(QUESTION, "b")["model"]) == ("simulated-teacher", "simulated-teacher-mini")


def test_a_real_server_of_ones_own_shares_its_speed_and_answers_all() -> None:
    flags = {"tokens_per_second": 1000, "batch_tokens_per_second": 1000, "slots": 4, "latency": 0.0}
    with SimulatedTeacher(preset="vllm", **flags) as teacher:
        waiting = Waiting(teacher, [f"k{n}" for n in range(20)])
        assert set(waiting.end().values()) == {200}
        found = teacher.budget()
        # 20 answers of 15 tokens at 1,000 a second together.
        assert found["answered"] == 20 and found["now"] - found["first_request"] >= 0.3


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_preset_answers(teacher: SimulatedTeacher, name: str) -> None:
    quick = {"latency": 0.0, "tokens_per_second": 0.0, "slots": 0, "batch_tokens_per_second": 0.0}
    faults = {"resets_before": 0.0, "resets_after": 0.0, "server_errors": 0.0, "malformed": 0.0}
    teacher.switch(**{**presets()[name]["switches"], **quick, **faults})
    assert status(teacher, "k", max_tokens=50) == 200
    dimensions = teacher.budget(start=0.0, end=teacher.now() + 1.0)["dimensions"]
    assert all(found["charged"] > 0 for limit, found in dimensions.items() if limit != "concurrency")
