"""One worker against a real server: what it asks, what it keeps, and how it stops."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import orjson
import pytest
from asking import LocalAuthorities, batch_file, call_of, rows_of, teacher_at
from simulated import SimulatedTeacher

from tasks.ask.call import TeacherCall, WorkerDone
from tasks.ask.client import transport_to
from tasks.ask.exchange import Limits
from tasks.ask.journal import read_frames
from tasks.ask.lease import AuthorityLost
from tasks.ask.loop import run_loop
from tasks.ask.rows import read_rows
from tasks.ask.segment import Segment, read_segment
from tasks.ask.spend import Amount, Ceiling
from tasks.ask.worker import ask_batch_rows
from warehouse.layout import DataRoot

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


def work(
    root: DataRoot,
    call: TeacherCall,
    authorities: LocalAuthorities,
    count: int,
    transport: httpx.AsyncBaseTransport | None = None,
) -> tuple[WorkerDone, Segment]:
    batch = batch_file(root.scratch("run-1"), "sums-0000", rows_of(count))
    rows = read_rows(batch.path, call, frozenset())

    async def go() -> WorkerDone:
        return await ask_batch_rows(
            rows, batch.name, call, "seg-1", authorities.quota, authorities.spend, transport or transport_to(call)
        )

    done = run_loop(go())
    segment = read_segment(done.segment)
    assert segment is not None
    return done, segment


def ask(root: DataRoot, teacher: SimulatedTeacher, count: int = 40, **more: Any) -> tuple[WorkerDone, Segment]:
    call = call_of(root, teacher_at(teacher.base_url, **more.pop("quota", {})), **more)
    return work(root, call, LocalAuthorities(call), count)


def mocked(handler: Handler) -> httpx.MockTransport:
    return httpx.MockTransport(handler)


def answered(request: httpx.Request) -> httpx.Response:
    body = {"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 5}}  # fmt: skip
    return httpx.Response(200, json=body)


def test_every_row_is_asked_once_and_answered(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    done, segment = ask(data_root, teacher, 120)
    assert set(done.states.values()) == {"paid"} and len(done.states) == 120
    assert len(segment.attempts) == len(segment.traces) == 120
    assert {"reasoning", "answer"} <= set(segment.traces[0]) and segment.traces[0]["reasoning"]
    report = teacher.referee()
    assert (report["requests"], report["answered_again"], report["violations"]) == (120, 0, {})
    assert [file.kind for file in done.files] == ["ledger", "traces"]


def test_the_request_key_goes_with_every_request(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    ask(data_root, teacher, 5)
    keys = {row["request_key"] for row in rows_of(5)}
    assert {question["client_request_id"] for question in teacher.questions()} == keys


def test_an_intent_is_durable_before_its_request_and_a_response_before_the_next_step(data_root: DataRoot) -> None:
    call = call_of(data_root, teacher_at("http://mock/v1"))
    kinds_when_asked: list[list[str]] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        path = data_root.journal / "sums" / "seg-1.journal"
        kinds_when_asked.append([frame.kind for frame in read_frames(path)])
        return answered(request)

    work(data_root, call, LocalAuthorities(call), 1, mocked(handler))
    assert kinds_when_asked == [["segment", "sent"]]


def test_the_concurrency_limit_is_kept(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(latency=0.03, concurrency=7)
    ask(data_root, teacher, 60, quota={"concurrency": 7})
    report = teacher.referee()
    assert (report["max_in_flight"], report["requests"]) == (7, 60)


def test_a_stated_rate_is_kept_without_a_single_429(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(rpm=1200, burst_seconds=1.0)
    began = time.monotonic()
    ask(data_root, teacher, 60, quota={"requests_per_minute": 1200})
    assert time.monotonic() - began >= 60 / 20 - 1.0
    assert teacher.referee()["refused_429"]["requests"] == 0


def test_429_with_retry_after_delays_the_next_request(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(storm_count=5, retry_after=0.6)
    done, segment = ask(data_root, teacher, 30, quota={"concurrency": 4})
    assert set(done.states.values()) == {"paid"}
    outcomes = [attempt["outcome"] for attempt in segment.attempts]
    assert outcomes.count("rate_limited") == 5 and outcomes.count("ok") == 30
    assert teacher.referee()["violations"].get("before_retry_after", 0) == 0


def test_server_errors_are_tried_again_and_cost_nothing(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(server_errors=0.2)
    done, segment = ask(data_root, teacher, 60)
    assert set(done.states.values()) == {"paid"}
    overloaded = [attempt for attempt in segment.attempts if attempt["outcome"] == "overloaded"]
    assert overloaded and all(attempt["usage_source"] is None for attempt in overloaded)
    assert teacher.referee()["answered_again"] == 0


def test_a_reset_after_sending_may_have_been_paid_and_is_not_sent_again(
    data_root: DataRoot, teacher: SimulatedTeacher
) -> None:
    teacher.switch(resets_after=0.2, resets_before=0.1)
    done, segment = ask(data_root, teacher, 80)
    maybe = [attempt for attempt in segment.attempts if attempt["state"] == "maybe_paid"]
    report = teacher.referee()
    assert report["requests"] == 80 and report["answered_again"] == 0
    assert len(maybe) == report["faults"]["resets_after"] + report["faults"]["resets_before"]
    assert {attempt["outcome"] for attempt in maybe} == {"connection"}
    assert done.spent.tokens >= 160 * len(maybe), "held at their worst"


def test_a_response_that_never_comes_may_have_been_paid(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(latency=3.0)
    done, segment = ask(data_root, teacher, 3, request_timeout_s=0.3)
    assert list(done.states.values()) == ["maybe_paid"] * 3
    assert {attempt["outcome"] for attempt in segment.attempts} == {"timeout"}
    assert teacher.referee()["requests"] == 3


def test_a_response_that_cannot_be_read_is_kept_raw_and_counted_at_its_worst(
    data_root: DataRoot, teacher: SimulatedTeacher
) -> None:
    teacher.switch(malformed=1.0)
    done, segment = ask(data_root, teacher, 4)
    assert list(done.states.values()) == ["failed"] * 4
    assert all(attempt["outcome"] == "malformed" and attempt["body"] for attempt in segment.attempts)
    assert done.spent.tokens == 4 * (160 + 256)


def test_a_refused_connection_costs_nothing_and_is_tried_until_the_teacher_is_back(data_root: DataRoot) -> None:
    teacher = SimulatedTeacher().start()
    teacher.stop()
    call = call_of(data_root, teacher_at(teacher.base_url))
    authorities = LocalAuthorities(call)
    exchanges = 0

    async def start_it_later(report: Any) -> Any:
        nonlocal exchanges
        exchanges += 1
        if exchanges == 5:
            await asyncio.to_thread(teacher.start)
        return await LocalAuthorities.quota(authorities, report)

    authorities.quota = start_it_later  # type: ignore[method-assign]
    try:
        done, segment = work(data_root, call, authorities, 6)
        assert set(done.states.values()) == {"paid"}
        assert teacher.referee()["requests"] == 6
    finally:
        teacher.stop()
    refused = [attempt for attempt in segment.attempts if attempt["state"] == "failed"]
    assert refused and {attempt["outcome"] for attempt in refused} == {"connection"}
    assert done.spent.requests == 6


def test_a_teacher_that_stays_unreachable_ends_the_run_with_one_line(data_root: DataRoot) -> None:
    call = call_of(data_root, teacher_at("http://127.0.0.1:9/v1"), unreachable_after_s=1.0)
    done, _ = work(data_root, call, LocalAuthorities(call), 5)
    assert done.failure is not None and "\n" not in done.failure
    assert "http://127.0.0.1:9/v1" in done.failure and "unreachable" in done.failure
    assert done.spent == Amount()


def test_a_wrong_key_ends_the_run_at_once_and_is_written_nowhere(data_root: DataRoot) -> None:
    with SimulatedTeacher(api_key="sk-right") as teacher:
        done, segment = ask(data_root, teacher, 50, api_key="sk-wrong-and-secret", quota={"concurrency": 4})
        right, _ = ask(DataRoot(data_root.path / "2").create(), teacher, 2, api_key="sk-right")
        assert set(right.states.values()) == {"paid"}
    assert done.failure is not None and "401" in done.failure and teacher.base_url in done.failure
    assert len(segment.attempts) <= 10
    for path in data_root.path.rglob("*"):
        assert not path.is_file() or b"sk-wrong-and-secret" not in path.read_bytes()
    assert "sk-wrong-and-secret" not in repr(call_of(data_root, teacher_at("http://x"), api_key="sk-wrong-and-secret"))


def test_a_key_that_the_server_quotes_is_blotted_out(data_root: DataRoot) -> None:
    call = call_of(data_root, teacher_at("http://mock/v1"), api_key="sk-secret-key")

    async def handler(request: httpx.Request) -> httpx.Response:
        said = request.headers["authorization"]
        return httpx.Response(401, json={"error": {"message": f"bad {said}"}}, headers={"x-echo": said})

    done, segment = work(data_root, call, LocalAuthorities(call), 1, mocked(handler))
    assert "sk-secret-key" not in repr(segment) + repr(done)


def test_a_stop_sends_nothing_more_drains_and_leaves_the_rest_maybe_paid(data_root: DataRoot) -> None:
    call = call_of(data_root, teacher_at("http://mock/v1", concurrency=10), drain_s=0.5)
    authorities = LocalAuthorities(call)
    sent_at: list[float] = []
    stopped_at: list[float] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        sent_at.append(time.monotonic())
        if len(sent_at) == 10:
            authorities.pool.stop_run("run-1", "cancelled")
            stopped_at.append(time.monotonic())
        await asyncio.sleep(0.25 if len(sent_at) % 2 else 30.0)
        return answered(request)

    done, segment = work(data_root, call, authorities, 100, mocked(handler))
    ended = time.monotonic()
    assert done.stopped == "cancelled" and done.failure is None
    assert max(sent_at) - stopped_at[0] <= 0.45, "one exchange"
    assert ended - stopped_at[0] < 2.0
    states = list(done.states.values())
    assert states.count("paid") == 5 and states.count("maybe_paid") == len(sent_at) - 5
    assert len(segment.traces) == 5


@pytest.mark.slow  # it waits for as long as a restart may take
def test_a_worker_without_its_authority_stops_and_keeps_what_it_has(data_root: DataRoot) -> None:
    call = call_of(data_root, teacher_at("http://mock/v1", concurrency=4), drain_s=0.3)
    authorities = LocalAuthorities(call)
    exchanges = 0

    async def dying(report: Any) -> Any:
        nonlocal exchanges
        exchanges += 1
        if exchanges > 3:
            raise AuthorityLost("killed")
        return await LocalAuthorities.quota(authorities, report)

    authorities.quota = dying  # type: ignore[method-assign]

    async def handler(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.1)
        return answered(request)

    done, _ = work(data_root, call, authorities, 500, mocked(handler))
    assert done.failure is not None and "authority" in done.failure
    assert 0 < list(done.states.values()).count("paid") < 500


def test_a_budget_leaves_the_rest_unasked_and_says_so(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    call = call_of(data_root, teacher_at(teacher.base_url))
    authorities = LocalAuthorities(call, ceiling=Ceiling(tokens=1200))
    done, _ = work(data_root, call, authorities, 100)
    report = teacher.referee()
    billed = report["prompt_tokens"] + report["completion_tokens"]
    assert billed == done.spent.tokens <= 1200
    assert 1200 - billed < 160 + 256
    assert done.over_budget == 100 - len(done.states) > 0


def test_a_storm_of_503s_slows_the_run_and_loses_no_row(data_root: DataRoot) -> None:
    call = call_of(data_root, teacher_at("http://mock/v1", concurrency=8))
    asked = 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked <= 14:
            return httpx.Response(503, json={"error": {"message": "busy"}})
        return answered(request)

    done, _ = work(data_root, call, LocalAuthorities(call), 12, mocked(handler))
    assert list(done.states.values()) == ["paid"] * 12
    assert asked == 12 + 14


def test_nothing_waits_with_a_slot_while_it_backs_off(data_root: DataRoot) -> None:
    call = call_of(data_root, teacher_at("http://mock/v1", concurrency=1))
    order: list[str] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        key = request.headers["x-client-request-id"]
        order.append(key)
        return httpx.Response(500) if order.count(key) == 1 and key == order[0] else answered(request)

    done, _ = work(data_root, call, LocalAuthorities(call), 8, mocked(handler))
    assert list(done.states.values()) == ["paid"] * 8
    assert order.index(order[0], 1) > 1, "others went ahead of the one that waited"


def test_rows_that_are_settled_are_left_alone(data_root: DataRoot) -> None:
    rows = rows_of(5)
    batch = batch_file(data_root.scratch("run-1"), "sums-0000", rows)
    call = call_of(data_root, teacher_at("http://mock/v1"))
    left = read_rows(batch.path, call, frozenset(row["request_key"] for row in rows[:3]))
    assert [row.request_key for row in left] == [row["request_key"] for row in rows[3:]]


def test_a_body_is_sent_byte_for_byte(data_root: DataRoot) -> None:
    call = call_of(data_root, teacher_at("http://mock/v1/"))
    seen: list[httpx.Request] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answered(request)

    work(data_root, call, LocalAuthorities(call), 1, mocked(handler))
    assert seen[0].content == rows_of(1)[0]["body"] and orjson.loads(seen[0].content)["max_tokens"] == 256
    assert str(seen[0].url) == "http://mock/v1/chat/completions"
    assert "authorization" not in seen[0].headers


def test_limits_learned_from_headers_hold_for_the_rest(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(rpm=1200, burst_seconds=3.0, latency=0.05)
    call = call_of(data_root, teacher_at(teacher.base_url, concurrency=4))
    authorities = LocalAuthorities(call, limits=Limits(concurrency=4))
    began = time.monotonic()
    done, _ = work(data_root, call, authorities, 60)
    assert set(done.states.values()) == {"paid"}
    assert time.monotonic() - began >= 1.2, "four slots alone would take 0.75 s"
    assert authorities.pool.exchange(authorities.reports[0], time.monotonic()).metered
