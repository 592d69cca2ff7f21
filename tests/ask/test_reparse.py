"""Stored responses are read again by a later parser: what is otherwise is committed once, and no bill moves."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from asking import call_of, spent_so_far, teacher_at
from small_segment import PRICE, answer, received

from tasks.ask.adopt import adopt_journals
from tasks.ask.journal import MAGIC, encode
from tasks.ask.plan import AskPlan, plan_asking
from tasks.ask.prompts import PromptSource
from tasks.ask.reparse import reparse
from tasks.ask.reply import PARSER, Reply, read_reply
from tasks.ask.rereading import PRESENT, Parser
from tasks.ask.sampling import Ask, Sampling
from tasks.ask.segment import SegmentHeader
from tasks.right.gate import Admission
from warehouse.catalog import connect, publish, snapshot
from warehouse.errors import BadInput, Busy, RunFailed
from warehouse.layout import DataRoot
from warehouse.locks import hold

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
AT = 1_795_000_000_000_000
THOUGHT = {"model": "m", "choices": [{"message": {"content": "4", "musing": "2+2 = 4"}, "finish_reason": "stop"}],
           "usage": {"prompt_tokens": 100, "completion_tokens": 20}}  # fmt: skip
"""An answer whose reasoning is in a field that no parser knew of when it came."""
ODD = {"model": "m", "result": "4", "usage": {"prompt_tokens": 100, "completion_tokens": 20}}
"""An answer in a form that no parser knew of."""
SORRY = answer("I cannot help with that.")
UNCOUNTED = {**answer("nine", usage=False), "tokens": [100, 20]}


def later(status: int, headers: Mapping[str, str], body: bytes, *more: Any) -> Reply:
    """A later parser: it knows another field for the reasoning, another form of answer, refusals by their words, and
    where one server counts tokens."""
    document = orjson.loads(body)
    if "result" in document:
        document["choices"] = [{"message": {"content": document["result"]}, "finish_reason": "stop"}]
    for choice in document.get("choices", []):
        choice["message"]["reasoning"] = choice["message"].pop("musing", None)
    if "tokens" in document:
        document["usage"] = dict(zip(("prompt_tokens", "completion_tokens"), document["tokens"], strict=True))
    reply = read_reply(status, headers, orjson.dumps(document), *more)
    return replace(reply, outcome="refused") if reply.answer.startswith("I cannot") else reply


SECOND = Parser(PARSER + 1, later)


class Line:
    """A plan over a file of questions, and its answers as a worker's journal brought them."""

    def __init__(self, root: DataRoot, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.teacher = teacher_at("http://127.0.0.1:9/v1", PRICE)

    def plan(self, dataset: str = "sums", count: int = 6) -> AskPlan:
        rows = [{"prompt": f"What is {number} + {number}?"} for number in range(count)]
        (self.folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return plan_asking.fn(
            root=self.root, run_id="run-1", dataset=dataset, recipe_sha256="r",
            source=PromptSource(source="p.jsonl", license="MIT"), folder=self.folder, ask=Ask(),
            sampling=Sampling(max_tokens=256), samples_per_prompt=1, shares={"simulated": 1.0},
            admissions=[Admission(self.teacher, "d")], batch_rows=1000, now=NOW,
        )  # fmt: skip

    def answer(self, *bodies: Any, segment_id: str = "seg-1") -> None:
        """Answer the plan's samples in order, by a segment that is then taken up."""
        rows = [row for batch in self.plan().batches for row in pq.read_table(batch.path).to_pylist()]
        header = SegmentHeader.of(call_of(self.root, self.teacher), "sums-0001", segment_id)
        frames = [encode("segment", vars(header))]
        for number, (row, body) in enumerate(zip(rows, bodies, strict=False)):
            asked = {name: row[name] for name in ("request_key", "prompt_id", "sample_index", "max_tokens")}
            more = {"n": number, "worst_tokens": 400, "worst_cost_usd": 0.003, "at": AT + number}
            frames += [encode("sent", {**asked, **more}), received(number, 200, body)]
        path = self.root.journal / "sums" / f"{segment_id}.journal"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MAGIC + b"".join(frames))
        adopt_journals.fn(self.root, NOW, None, 0.0)
        publish(self.root)

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(connect(self.root)) as warehouse:
            return warehouse.execute(sql).fetchall()

    def files(self) -> dict[str, bytes]:
        """Everything in the data root."""
        return {str(path): path.read_bytes() for path in sorted(self.root.path.rglob("*")) if path.is_file()}


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
