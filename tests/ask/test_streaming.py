"""A worker that asks for streams, against a real server: what it takes in, how long it waits, what it keeps."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
from asking import TODAY, LocalAuthorities, batch_file, call_of, rows_of, teacher_at
from simulated import SimulatedTeacher

from tasks.ask.adopt import commit
from tasks.ask.call import WorkerDone
from tasks.ask.client import transport_to
from tasks.ask.loop import run_loop
from tasks.ask.outcomes import asked_again
from tasks.ask.plan import plan_asking
from tasks.ask.prompts import PromptSource
from tasks.ask.rows import read_rows
from tasks.ask.sampling import Ask, Sampling
from tasks.ask.segment import Segment, read_segment
from tasks.ask.spend import Amount
from tasks.ask.stream import CONTENT_TYPE
from tasks.ask.worker import ask_batch_rows
from tasks.judge.policy import JudgePolicy
from tasks.judge.rules import Trace, check_finish
from tasks.right.gate import Admission
from warehouse.catalog import connect
from warehouse.layout import DataRoot

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def streamed_rows(count: int) -> list[dict[str, Any]]:
    more = {"stream": True, "stream_options": {"include_usage": True}}
    return [row | {"body": orjson.dumps(orjson.loads(row["body"]) | more)} for row in rows_of(count)]


def standing_of(authorities: LocalAuthorities) -> tuple[Amount, Amount]:
    """What the run's budget says is spent, and held."""
    standing = authorities.book.standings("run-1", TODAY)[0]
    return standing.spent, standing.held


def ask(
    root: DataRoot, teacher: SimulatedTeacher, rows: list[dict[str, Any]], segment_id: str = "seg-1", **more: Any
) -> tuple[WorkerDone, Segment, LocalAuthorities]:
    call = call_of(root, teacher_at(teacher.base_url), **more)
    batch = batch_file(root.scratch("run-1"), f"sums-{segment_id}", rows)
    authorities = LocalAuthorities(call)

    async def go() -> WorkerDone:
        read = read_rows(batch.path, call, frozenset())
        quota, spend = authorities.exchanges
        return await ask_batch_rows(read, batch.name, call, segment_id, quota, spend, transport_to(call))

    done = run_loop(go())
    segment = read_segment(done.segment)
    assert segment is not None
    return done, segment, authorities


def test_a_streamed_answer_is_the_answer_that_is_not_streamed(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(latency=0.2, stream_comment_seconds=0.02)
    _, plain, _ = ask(data_root, teacher, rows_of(8))
    _, streamed, _ = ask(data_root, teacher, streamed_rows(8), "seg-2")
    same = ("request_key", "trace_id", "reasoning", "answer", "content", "finish_reason", "prompt_tokens",
            "completion_tokens", "reasoning_tokens", "usage_source", "served_model", "outcome")  # fmt: skip

    def told(segment: Segment) -> list[list[Any]]:
        return sorted([trace[name] for name in same] for trace in segment.traces)

    assert told(plain) == told(streamed) and len(plain.traces) == 8
    assert all(CONTENT_TYPE in row["headers"] and b": keep-alive" in row["body"] for row in streamed.attempts)
    assert teacher.referee()["answered"] == 16


def test_a_stream_outlives_every_timeout_as_long_as_it_says_something(
    data_root: DataRoot, teacher: SimulatedTeacher
) -> None:
    teacher.switch(latency=2.0, stream_comment_seconds=0.05)
    done, segment, _ = ask(data_root, teacher, streamed_rows(3), request_timeout_s=0.8, idle_timeout_s=0.8)
    assert set(done.states.values()) == {"paid"}
    assert all(row["latency_s"] > 1.5 for row in segment.attempts)


def test_a_stream_that_falls_silent_is_given_up_and_its_beginning_kept(
    data_root: DataRoot, teacher: SimulatedTeacher
) -> None:
    teacher.switch(stream_stalls=1.0, latency=0.3, stall_seconds=5.0)
    done, segment, authorities = ask(data_root, teacher, streamed_rows(4), idle_timeout_s=0.4)
    assert set(done.states.values()) == {"maybe_paid"} and done.settled == set(done.states)
    assert {row["outcome"] for row in segment.attempts} == {"timeout"}
    assert all("[DONE]" not in row["body"].decode() and row["body"] for row in segment.attempts)
    assert len(segment.traces) == 4 and all(trace["reasoning"] for trace in segment.traces)
    assert standing_of(authorities) == (done.spent, Amount())
    assert done.spent.tokens == sum(row["worst_tokens"] for row in segment.attempts)


def test_what_broke_off_is_held_at_its_worst_and_marked(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(stream_breaks=0.5, latency=0.4)
    done, segment, authorities = ask(data_root, teacher, streamed_rows(20))
    states = list(done.states.values())
    broken = states.count("maybe_paid")
    assert 0 < broken < 20 and states.count("paid") == 20 - broken
    assert teacher.referee()["undelivered"] == broken, "each of them was billed"
    prefixes = [trace for trace in segment.traces if trace["finish_reason"] == "interrupted"]
    assert len(prefixes) == broken and {trace["outcome"] for trace in prefixes} == {"connection"}
    for row in segment.attempts:
        if row["state"] == "maybe_paid":
            assert (row["usage_source"], row["completion_tokens"]) == ("unknown", None)
            assert asked_again(row["outcome"], 256, 256), "a later plan asks for it, last"
            assert row["error"].startswith("the stream stopped after ")
    assert done.spent.tokens >= broken * segment.attempts[0]["worst_tokens"]
    counters = authorities.reports[-1].counters
    assert (counters.answered, counters.maybe_paid, counters.failed) == (20 - broken, broken, 0)


def test_a_worker_that_is_stopped_keeps_what_had_come_in(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(tokens_per_second=20, filler_tokens=600)  # half a minute
    call = call_of(data_root, teacher_at(teacher.base_url), drain_s=0.1)
    asked = [row | {"body": row["body"].replace(b'"max_tokens":256', b'"max_tokens":4096')} for row in streamed_rows(3)]
    rows = read_rows(batch_file(data_root.scratch("run-1"), "sums", asked).path, call, frozenset())
    authorities = LocalAuthorities(call)

    async def go() -> WorkerDone:
        quota, spend = authorities.exchanges
        asyncio.get_running_loop().call_later(2.0, authorities.pool.stop_run, "run-1", "asked to stop")
        return await ask_batch_rows(rows, "sums", call, "seg-1", quota, spend, transport_to(call))

    done = run_loop(go())
    segment = read_segment(done.segment)
    assert segment is not None and done.stopped == "asked to stop"
    assert set(done.states.values()) == {"maybe_paid"} and len(segment.traces) == 3
    assert all(trace["reasoning"] for trace in segment.traces)
    assert standing_of(authorities) == (done.spent, Amount())


def test_a_beginning_is_never_judged_complete(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(stream_breaks=1.0, latency=0.4)
    _, segment, _ = ask(data_root, teacher, streamed_rows(1))
    (trace,) = segment.traces
    seen = Trace(trace["trace_id"], trace["outcome"], trace["finish_reason"], trace["reasoning"], trace["answer"],
                 None, "none", None)  # fmt: skip
    assert check_finish(seen, JudgePolicy()).outcome == "reject"


def test_a_segment_of_broken_streams_reads_the_same_again(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(stream_breaks=0.5, latency=0.3)
    done, segment, _ = ask(data_root, teacher, streamed_rows(6))
    assert read_segment(done.segment) == segment


def test_a_server_that_does_not_stream_is_read_as_it_answers(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(storm_count=2, retry_after=0.1)
    done, segment, _ = ask(data_root, teacher, streamed_rows(3))
    assert set(done.states.values()) == {"paid"}
    assert [row["outcome"] for row in segment.attempts].count("rate_limited") >= 1


def test_over_two_runs_every_sample_is_accounted_for_and_only_what_broke_is_bought_twice(
    data_root: DataRoot, teacher: SimulatedTeacher, tmp_path: Path
) -> None:
    lines = (json.dumps({"prompt": f"What is {n} + {n + 3}?"}) for n in range(16))
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    teacher.switch(stream_breaks=0.5, latency=0.4)
    broken = run_of(data_root, teacher, tmp_path, "seg-1")
    assert 0 < broken["maybe_paid"] < 16 and broken["maybe_paid"] + broken["answered"] == broken["wanted"] == 16
    assert broken["unjudged"] == broken["answered"], "a beginning awaits no judging: it is no answer"
    assert broken["interrupted"] == broken["maybe_paid"], "and is seen among the traces all the same"
    teacher.switch(stream_breaks=0.0)
    mended = run_of(data_root, teacher, tmp_path, "seg-2")
    assert (mended["answered"], mended["maybe_paid"], mended["unjudged"]) == (16, 0, 16)
    assert mended["interrupted"] == broken["maybe_paid"]
    assert teacher.referee()["answered_again"] == broken["maybe_paid"]


def run_of(root: DataRoot, teacher: SimulatedTeacher, folder: Path, segment_id: str) -> dict[str, int]:
    """Plan, ask and commit, as a run does; what the funnel says then."""
    by = teacher_at(teacher.base_url)
    plan = plan_asking.fn(
        root=root, run_id="run-1", dataset="sums", recipe_sha256="r", folder=folder, ask=Ask(),
        source=PromptSource(source="p.jsonl", license="MIT"),
        sampling=Sampling(max_tokens=256, stream=True), samples_per_prompt=1, shares={by.name: 1.0},
        admissions=[Admission(by, "decision-1")], batch_rows=100, now=NOW,
    )  # fmt: skip
    (batch,) = plan.batches
    rows = pq.read_table(batch.path).to_pylist()
    assert all(orjson.loads(row["body"])["stream_options"] == {"include_usage": True} for row in rows)
    done, _, _ = ask(root, teacher, rows, segment_id)
    commit(root, segment_id, done.files, NOW)
    done.segment.unlink()
    warehouse = connect(root)
    names = ("wanted", "answered", "failed", "maybe_paid", "not_asked", "unjudged")
    counts = warehouse.execute(
        f"select {', '.join(names)}, (select count(*) from traces where finish_reason = 'interrupted') from funnel"
    ).fetchone()
    warehouse.close()
    assert counts is not None
    return dict(zip((*names, "interrupted"), counts, strict=True))
