"""A later parser, from the ledger to a new version: nobody is asked, and what was published stays as it was."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_segment import answer
from still import BIN
from stored_answers import LATER, NOW, SECOND, Line, later

from tasks.ask.reparse import reparse
from tasks.ask.reply import PARSER, Reply, read_reply
from tasks.ask.rereading import Parser
from tasks.judge.judge import Judged, is_judged, judge_answers
from tasks.judge.policy import JudgePolicy
from tasks.publish.order import Order
from tasks.publish.publication import Publish, Published
from tasks.publish.publish import publish_kept
from tasks.right.gate import Admission
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.manifest import verify_version

pytestmark = pytest.mark.slow
QUESTIONS = 40
POLICY = JudgePolicy(min_reasoning_tokens=1)


def said(number: int, field: str) -> dict[str, object]:
    """An answer whose reasoning is in this field."""
    message = {"content": f"The answer is {number * 2}.", field: f"To double {number} I add {number} to it."}
    return {"choices": [{"message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 9}}  # fmt: skip


@pytest.fixture
def line(data_root: DataRoot, tmp_path: Path) -> Line:
    """Every fourth answer has its reasoning where no parser looked."""
    made = Line(data_root, tmp_path)
    made.plan(count=QUESTIONS)
    made.answer(*(said(n, "musing" if n % 4 == 0 else "reasoning") for n in range(QUESTIONS)), count=QUESTIONS)
    return made


class Stations:
    """Judging and publishing of a line's dataset."""

    def __init__(self, line: Line) -> None:
        self.line, self.plan_id = line, line.plan(count=QUESTIONS).plan_id

    def judge(self) -> Judged:
        return judge_answers(self.line.root, "run-1", "sums", self.plan_id, POLICY, NOW)

    def publish(self, judged: Judged) -> Published:
        order = Order(
            run_id="run-1", dataset="sums", plan_id=self.plan_id, judge_run=judged.judge_run,
            publish=Publish(validation_fraction=0.2), recipe=json.dumps({"dataset": "sums"}), recipe_sha256="0" * 64,
            form="inline", admissions=[Admission(self.line.teacher, "d")], now=NOW,
        )  # fmt: skip
        return publish_kept(self.line.root, order)


@pytest.mark.line
def test_what_a_later_parser_finds_is_judged_and_published_and_the_version_of_before_stays(
    line: Line, cluster: None
) -> None:
    stations = Stations(line)
    first = stations.judge()
    assert (first.kept, first.rejected, first.reasons) == (30, 10, {"no_reasoning": 10})
    old = stations.publish(first)
    bytes_then = {path.name: path.read_bytes() for path in Path(old.folder).iterdir()}

    done = reparse(line.root, "sums", LATER, parser=SECOND)
    assert (done.tally.changed, done.unjudged) == (10, {"sums": 10})
    assert not is_judged(line.root, "sums", POLICY)
    with pytest.raises(BadInput, match="judge again"):
        stations.publish(first)
    assert line.plan(count=QUESTIONS).to_ask == 0

    second = stations.judge()
    assert (second.kept, second.rejected) == (40, 0)
    new = stations.publish(second)
    assert (new.is_new, new.rows, old.rows) == (True, 40, 30)
    verify_version(Path(old.folder))
    verify_version(Path(new.folder))
    assert {path.name: path.read_bytes() for path in Path(old.folder).iterdir()} == bytes_then
    resolved = "select count(*) from version_rows r join lineage l using (version, shard, row_index, trace_id)"
    assert line.read(f"{resolved} where l.attempt_id is not null") == [(70,)]
    assert line.read("select count(*) from kept where trace_id in (select trace_id from traces where is_current)") == [
        (40,)
    ]


@pytest.mark.line
def test_a_version_whose_traces_are_all_superseded_still_resolves(line: Line, cluster: None) -> None:
    stations = Stations(line)
    old = stations.publish(stations.judge())
    shout = Parser(PARSER + 1, _shouting)
    assert reparse(line.root, "sums", LATER, parser=shout).tally.traces == QUESTIONS
    rows = line.read(
        f"select count(*), bool_or(t.is_current) from version_rows r join traces t using (trace_id) "
        f"where r.version = '{old.version}'"
    )
    assert rows == [(old.rows, False)]


def _shouting(*given: Any) -> Reply:
    reply = later(*given)
    return replace(reply, answer=reply.answer.upper())


def still(root: DataRoot, *arguments: str, exit_code: int = 0) -> str:
    command = [BIN / "still", "reparse", *arguments, "--data", str(root.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_command_says_what_changed_once(data_root: DataRoot, tmp_path: Path) -> None:
    line = Line(data_root, tmp_path)
    line.answer(answer(), answer("five"))
    blind = Parser(PARSER, lambda status, headers, body, *more: read_reply(
        status, headers, body.replace(b"reasoning_content", b"musing"), *more))  # fmt: skip
    reparse(line.root, "sums", LATER, parser=blind)  # as if a parser had read them that did not know the field
    assert f"2 responses of sums read again with parser {PARSER}: nothing was written (--dry-run)" in still(
        line.root, "sums", "--dry-run"
    )
    out = still(line.root, "sums")
    assert "reading 2" in out and "ok -> ok" in out and "reasoning changed" in out
    assert "2 answers of sums are to be judged: `still judge RECIPE`" in out
    assert "nothing is otherwise" in still(line.root, "sums")
    assert json.loads(still(line.root, "sums", "--json"))["changed"] == 0
    assert "no run has asked for dataset 'other': known are sums" in still(line.root, "other", exit_code=2)
