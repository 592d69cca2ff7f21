"""Stored responses are read again by a later parser: what is otherwise is committed once, and no bill moves."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from asking import spent_so_far
from small_segment import answer
from stored_answers import LATER, NOW, ODD, SECOND, SORRY, THOUGHT, UNCOUNTED, Line, later

from tasks.ask.reparse import reparse
from tasks.ask.reply import PARSER, Reply, read_reply
from tasks.ask.rereading import PRESENT, Parser
from warehouse.catalog import snapshot, transaction
from warehouse.errors import BadInput, Busy, RunFailed
from warehouse.layout import DataRoot
from warehouse.locks import hold


@pytest.fixture
def line(data_root: DataRoot, tmp_path: Path) -> Line:
    made = Line(data_root, tmp_path)
    made.answer(answer(), THOUGHT, ODD, SORRY, UNCOUNTED)
    return made


OUTCOMES = "select outcome, count(*) from attempts group by all order by all"
CURRENT = "select reasoning, answer, outcome, parser, reading from traces where is_current order by all"


def test_what_is_read_otherwise_is_committed_and_the_rest_is_not_touched(line: Line) -> None:
    done = reparse(line.root, "sums", LATER, parser=SECOND)
    tally = done.tally
    assert (done.reading, tally.responses, tally.changed) == (1, 5, 4)
    assert (tally.gained, tally.lost, tally.traces) == (1, 0, 3)
    assert tally.outcomes == Counter({("ok", "ok"): 2, ("malformed", "ok"): 1, ("ok", "refused"): 1})
    assert tally.fields == Counter({"outcome": 2, "reasoning": 1, "reasoning_source": 1, "trace": 1, "usage": 1})
    assert line.read(OUTCOMES) == [("ok", 4), ("refused", 1)]
    assert line.read(CURRENT) == [
        ("", "4", "ok", PARSER + 1, 1),
        ("2+2 = 4", "4", "ok", PARSER, 0),
        ("2+2 = 4", "4", "ok", PARSER + 1, 1),
        ("2+2 = 4", "I cannot help with that.", "refused", PARSER + 1, 1),
        ("2+2 = 4", "nine", "ok", PARSER + 1, 1),
    ]
    assert line.read("select count(*), count(*) filter (where not is_current) from traces") == [(7, 2)]


def test_a_second_time_nothing_is_otherwise_and_nothing_is_written(line: Line) -> None:
    reparse(line.root, "sums", LATER, parser=SECOND)
    before = line.files()
    again = reparse(line.root, "sums", LATER + timedelta(hours=1), parser=SECOND)
    assert (again.reading, again.tally.responses, again.tally.changed) == (None, 5, 0)
    assert line.files() == before


def test_the_parser_that_read_them_first_finds_nothing_otherwise(line: Line) -> None:
    assert reparse(line.root, "sums", LATER).tally.changed == 0


def test_a_dry_run_says_the_same_and_writes_nothing(line: Line) -> None:
    before = line.files()
    dry = reparse(line.root, "sums", LATER, dry_run=True, parser=SECOND)
    assert line.files() == before
    wet = reparse(line.root, "sums", LATER, parser=SECOND)
    assert dry.tally == wet.tally and dry.reading is None


def test_what_turns_out_to_be_an_answer_is_not_asked_again_and_what_is_none_is(line: Line) -> None:
    assert line.plan().to_ask == 2  # the one that was malformed, and the one that nobody asked for
    reparse(line.root, "sums", LATER, parser=SECOND)
    assert line.plan().to_ask == 1
    nothing = Parser(PARSER + 2, lambda *given: replace(later(*given), outcome="malformed", answer="", content=""))
    assert reparse(line.root, "sums", LATER, parser=nothing).tally.lost == 5
    assert line.read("select failed, answered from funnel") == [(5, 0)]
    assert line.plan().to_ask == 6


def test_no_bill_moves_whatever_is_read(line: Line) -> None:
    line.answer(answer("12"), segment_id="seg-2")
    spent, spend = spent_so_far(line.root, "sums"), line.read("from spend")
    money = "select attempt_id, usage_source, prompt_tokens, completion_tokens, cost_usd from attempts order by 1"
    before = line.read(money)
    reparse(line.root, "sums", LATER, parser=SECOND)
    assert (spent_so_far(line.root, "sums"), line.read("from spend"), line.read(money)) == (spent, spend, before)
    assert line.read("select completion_tokens, cost_usd from traces where answer = 'nine'") == [(20, None)]


def test_the_traces_of_before_stay_and_keep_their_ids(line: Line) -> None:
    before = dict(line.read("select trace_id, answer || reasoning from traces"))
    reparse(line.root, "sums", LATER, parser=SECOND)
    after = dict(line.read("select trace_id, answer || reasoning from traces"))
    assert before.items() <= after.items()
    assert {trace_id for (trace_id,) in line.read("select trace_id from lineage")} == after.keys()


def test_new_figures_alone_make_no_new_trace(line: Line) -> None:
    (before,) = line.read("select trace_id, completion_tokens from traces where answer = 'nine'")
    reparse(line.root, "sums", LATER, parser=SECOND)
    (after,) = line.read("select trace_id, completion_tokens from traces where answer = 'nine'")
    assert (before, after) == ((before[0], None), (before[0], 20))


def test_a_parser_that_goes_back_on_itself_reads_what_was_read_at_first(line: Line) -> None:
    columns = "reasoning, answer, outcome, completion_tokens"
    sql = f"select {columns} from traces where is_current order by all"
    before = line.read(sql)
    reparse(line.root, "sums", LATER, parser=SECOND)
    third = reparse(line.root, "sums", LATER, parser=Parser(PARSER + 2, read_reply))
    assert (third.reading, third.tally.changed) == (2, 4)
    assert line.read(sql) == before
    counts = "select reading, count(*), count(*) filter (where is_current) from readings group by 1 order by 1"
    assert line.read(counts) == [(1, 4, 0), (2, 4, 4)]


def test_what_a_later_parser_has_read_is_left_to_it(line: Line) -> None:
    reparse(line.root, "sums", LATER, parser=SECOND)
    tally = reparse(line.root, "sums", LATER, parser=PRESENT).tally
    assert (tally.responses, tally.later, tally.changed) == (1, 4, 0)


def test_a_reader_keeps_what_it_has_open(line: Line) -> None:
    with closing(snapshot(line.root)) as held:
        before = held.execute(CURRENT).fetchall()
        reparse(line.root, "sums", LATER, parser=SECOND)
        assert held.execute(CURRENT).fetchall() == before
    assert line.read(CURRENT) != before


def test_small_pieces_come_to_the_same(line: Line, tmp_path: Path) -> None:
    other = Line(DataRoot(tmp_path / "other").create(), tmp_path)
    other.answer(answer(), THOUGHT, ODD, SORRY, UNCOUNTED)
    whole = reparse(line.root, "sums", LATER, parser=SECOND)
    pieces = reparse(other.root, "sums", LATER, parser=SECOND, chunk_rows=1)
    assert whole == pieces
    sql = "select * from traces order by trace_id, attempt_id"
    assert line.read(sql) == other.read(sql)


@pytest.mark.parametrize("lock", ["dataset-sums", "ask"])
def test_nobody_may_run_or_ask_meanwhile_but_a_dry_run_waits_for_nobody(line: Line, lock: str) -> None:
    with hold(line.root, lock, "a run of sums", NOW):
        with pytest.raises(Busy, match="a run of sums"):
            reparse(line.root, "sums", LATER, parser=SECOND)
        assert reparse(line.root, "sums", LATER, dry_run=True, parser=SECOND).tally.changed == 4


def test_a_dataset_that_nobody_asked_for_is_bad_input(line: Line) -> None:
    with pytest.raises(BadInput, match="no run has asked for dataset 'products': known are sums"):
        reparse(line.root, "products", LATER)


def failing(at: int, fail: Callable[[], None]) -> Parser:
    """Reads as `later`, and fails at the `at`-th response."""
    count = 0

    def read(*given: Any) -> Reply:
        nonlocal count
        count += 1
        if count == at:
            fail()
        return later(*given)

    return Parser(SECOND.version, read)


def test_a_failure_half_way_leaves_nothing(line: Line) -> None:
    def full() -> None:
        raise RunFailed("the disk is full")

    before = line.files()
    with pytest.raises(RunFailed):
        reparse(line.root, "sums", LATER, parser=failing(4, full), chunk_rows=1)
    locks = {str(path) for path in line.root.locks.iterdir()}
    assert {path: data for path, data in line.files().items() if path not in locks} == {
        path: data for path, data in before.items() if path not in locks
    }


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from ask.test_reparse import LATER, failing
from tasks.ask.reparse import reparse
from warehouse.layout import DataRoot
strike = lambda: os.kill(os.getpid(), signal.SIGKILL)
reparse(DataRoot(Path(sys.argv[1])), "sums", LATER, parser=failing(5, strike), chunk_rows=1)
"""


def test_killed_half_way_it_has_changed_nothing_and_the_next_one_does_all(line: Line) -> None:
    before = line.read(CURRENT)
    struck = subprocess.run(
        [sys.executable, "-c", KILLED, str(line.root.path), str(Path(__file__).parents[1])], check=False
    )
    assert struck.returncode == -signal.SIGKILL
    left = list(line.root.path.glob("*/sums/reading-*"))
    assert len(left) == 4 and line.read(CURRENT) == before  # two responses' parts, which are not listed
    assert reparse(line.root, "sums", LATER, parser=SECOND).tally.changed == 4
    listed = {
        line.root.path / path for (path,) in line.read("select path from store.file where path like '%/reading-%'")
    }
    assert listed == set(line.root.path.glob("*/sums/reading-*"))


def test_a_continuation_is_joined_to_the_beginning_that_was_sent_however_that_is_read_since(
    data_root: DataRoot, tmp_path: Path
) -> None:
    line = Line(data_root, tmp_path)
    line.answer(answer("first", finish="length"))
    (begun,) = line.read("select attempt_id, reasoning, content, completion_tokens, cost_usd from traces")
    names = ("attempt_id", "reasoning", "content", "tokens", "cost_usd")
    prefix = {**dict(zip(names, begun, strict=True)), "is_field": True, "reasoning_tokens": None}
    rest = {"choices": [{"message": {"content": " and second"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 120, "completion_tokens": 5}}  # fmt: skip
    line.answer(rest, segment_id="seg-2", prefix=prefix)
    whole = (
        "select reasoning, answer, completion_tokens, reading from traces where continues is not null and is_current"
    )
    assert line.read(whole) == [("2+2 = 4", "first and second", 25, 0)]
    assert reparse(line.root, "sums", LATER).tally.changed == 0

    def shout(*given: Any) -> Reply:
        reply = read_reply(*given)
        return replace(reply, answer=reply.answer.upper(), content=reply.content.upper(), finish_reason=None)

    assert reparse(line.root, "sums", LATER, parser=Parser(PARSER + 1, shout)).tally.changed == 2
    again = reparse(line.root, "sums", LATER + timedelta(days=1), parser=Parser(PARSER + 2, read_reply))
    assert (again.tally.changed, again.tally.cut_off) == (2, 0)
    assert line.read(whole) == [("2+2 = 4", "first and second", 25, 2)]


def test_a_continuation_without_its_beginning_is_left_as_it_is(data_root: DataRoot, tmp_path: Path) -> None:
    line = Line(data_root, tmp_path)
    prefix = {"attempt_id": "gone", "reasoning": "", "content": "first", "tokens": 3, "is_field": False}
    line.answer(answer(), prefix=prefix)
    tally = reparse(line.root, "sums", LATER, parser=SECOND).tally
    assert (tally.responses, tally.cut_off, tally.changed) == (0, 1, 0)


def without(root: DataRoot, *columns: str) -> None:
    """Make every part one of before these columns."""
    for path in (*root.parts("ledger").rglob("*.parquet"), *root.parts("traces").rglob("*.parquet")):
        table = pq.read_table(path)
        path.chmod(0o644)
        pq.write_table(table.drop_columns([name for name in columns if name in table.column_names]), path)


def test_parts_of_before_parsers_had_versions_are_read_as_their_provider_s(data_root: DataRoot, tmp_path: Path) -> None:
    line = Line(data_root, tmp_path, provider="azure")
    line.answer({"error": {"code": "content_filter", "message": "filtered"}}, status=400)
    assert line.read("select outcome, provider, parser from attempts") == [("refused", "azure", PARSER)]
    without(data_root, "provider", "parser", "reading")
    entry = {"teacher": "simulated", "model": "m", "route": "simulated", "simulated": True, "seen_at": NOW,
             "entry": line.teacher.model_dump_json()}  # fmt: skip
    with transaction(data_root, NOW, publish="now") as store:
        store.execute("update store.file set layout = 2")
        store.insert("teacher", [entry])
    assert line.read("select a.provider, a.parser, t.parser, t.reading, t.is_current from attempts a, traces t") == [
        (None, 1, 1, 0, True)
    ]
    assert reparse(line.root, "sums", LATER).tally.changed == 0
    assert reparse(line.root, "sums", LATER, parser=SECOND).tally.later == 0


def test_a_broken_stream_stays_what_it_was_and_its_beginning_is_read_again(data_root: DataRoot, tmp_path: Path) -> None:
    line = Line(data_root, tmp_path)
    line.answer(answer())
    silent = Parser(PARSER, lambda *given: replace(read_reply(*given), outcome="timeout", finish_reason="interrupted"))
    reparse(line.root, "sums", LATER, parser=silent)
    assert line.read("select maybe_paid, answered from funnel") == [(1, 0)]
    assert line.read("select sum(requests), sum(paid), sum(maybe_paid) from spend") == [(1, 1, 0)]
    assert reparse(line.root, "sums", LATER).tally.gained == 1
    assert line.read("select maybe_paid, answered from funnel") == [(0, 1)]


def test_a_dataset_that_reuses_an_answer_sees_it_as_it_is_read_now_and_is_named(line: Line) -> None:
    assert line.plan("echo").reused == 4
    done = reparse(line.root, "sums", LATER, parser=SECOND)
    assert done.unjudged == {"echo": 5, "sums": 5}  # nothing was ever judged here
    assert line.plan("echo").reused == 5
    with pytest.raises(BadInput, match="no run has asked for dataset 'echo': known are sums"):
        reparse(line.root, "echo", LATER)
