"""Plans and caps: what the ledger's lengths make of the next plan, and how it goes on with what was cut off."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from asking import LocalAuthorities, call_of, teacher_at
from simulated import SimulatedTeacher

from flows.summary import read_drawn_again
from tasks.ask.adopt import commit
from tasks.ask.client import transport_to
from tasks.ask.lengths import ladder
from tasks.ask.loop import run_loop
from tasks.ask.plan import AskPlan, plan_asking
from tasks.ask.prompts import PromptSource
from tasks.ask.rows import read_rows
from tasks.ask.sampling import Ask, Sampling
from tasks.ask.spend import Ceiling
from tasks.ask.worker import ask_batch_rows
from tasks.right.gate import Admission
from tasks.right.terms import Quota, Teacher
from warehouse.catalog import connect, publish
from warehouse.layout import DataRoot

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Line:
    """A recipe over a file of sums, planned and asked by one worker without Ray."""

    def __init__(self, root: DataRoot, folder: Path, server: SimulatedTeacher) -> None:
        self.root, self.folder, self.server = root, folder, server
        self.teacher: Teacher = teacher_at(server.base_url)

    def write(self, count: int) -> None:
        rows = [json.dumps({"prompt": f"What is {number} + {number * 7 + 3}?"}) + "\n" for number in range(count)]
        (self.folder / "p.jsonl").write_text("".join(rows))

    def plan(self, max_tokens: int, caps: Any = "off", ask: Ask | None = None, **teacher: Any) -> AskPlan:
        admitted = self.teacher.model_copy(update=teacher)
        return plan_asking.fn(
            root=self.root,
            run_id="run-1",
            dataset="sums",
            recipe_sha256="r",
            source=PromptSource(source="p.jsonl", license="MIT"),
            folder=self.folder,
            ask=ask or Ask(),
            sampling=Sampling(max_tokens=max_tokens, caps=caps),
            samples_per_prompt=1,
            shares={"simulated": 1.0},
            admissions=[Admission(admitted, "d")],
            batch_rows=1000,
            now=NOW,
        )

    def ask(self, plan: AskPlan, ceiling: Ceiling | None = None, **teacher: Any) -> None:
        """Ask and commit every batch."""
        call = call_of(self.root, self.teacher.model_copy(update=teacher))
        for batch in plan.batches:
            authorities, segment_id = LocalAuthorities(call, ceiling or Ceiling()), uuid4().hex
            rows = read_rows(batch.path, call, frozenset())
            work = ask_batch_rows(rows, batch.name, call, segment_id, *authorities.exchanges, transport_to(call))
            done = run_loop(work)
            commit(self.root, segment_id, done.files, NOW)
            done.segment.unlink()
        publish(self.root)

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(connect(self.root)) as warehouse:
            return warehouse.execute(sql).fetchall()


def rows_of(plan: AskPlan) -> list[dict[str, Any]]:
    rows = [row for batch in plan.batches for row in pq.read_table(batch.path).to_pylist()]
    return [{**row, "body": json.loads(row["body"])} for row in rows]


def caps_of(plan: AskPlan) -> set[int]:
    rows: Sequence[dict[str, Any]] = rows_of(plan)
    assert all(row["body"]["max_tokens"] == row["max_tokens"] for row in rows)
    return {row["max_tokens"] for row in rows}


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatedTeacher]:
    with SimulatedTeacher(seed=3, continues="continue_final_message") as running:
        yield running


@pytest.fixture
def line(data_root: DataRoot, tmp_path: Path, server: SimulatedTeacher) -> Line:
    server.reset()
    server.switch(filler_tokens=0)
    return Line(data_root, tmp_path, server)


def test_measured_caps_begin_with_the_recipes_and_follow_the_ledger_once_it_knows(line: Line) -> None:
    line.write(250)
    first = line.plan(2048, "measured")
    assert caps_of(first) == {2048}
    line.ask(first)
    line.write(260)
    later = line.plan(2048, "measured")
    assert later.to_ask == 10 and caps_of(later) == {256}  # answers have a dozen tokens or two
    assert caps_of(line.plan(2048)) == {2048}
    assert caps_of(line.plan(2048, "measured", quota=Quota(charge="as_produced"))) == {2048}
    assert caps_of(line.plan(2048, "measured", ask=Ask(template="{prompt} Think."))) == {2048}
    assert caps_of(line.plan(200, "measured")) == {200}


def test_a_plan_with_lower_caps_counts_every_request_that_may_become_necessary_at_its_worst(line: Line) -> None:
    line.write(250)
    line.ask(line.plan(2048, "measured"))
    line.write(251)
    capped, flat = line.plan(2048, "measured"), line.plan(2048)
    ((row,), (other,)) = rows_of(capped), rows_of(flat)
    assert flat.worst_tokens == other["prompt_tokens_bound"] + 2048
    assert capped.worst_tokens == 4 * row["prompt_tokens_bound"] + sum(ladder(256, 2048))


def funnel(line: Line) -> tuple[int, ...]:
    (found,) = line.read("select wanted, reused, answered, failed, maybe_paid, not_asked from funnel")
    assert found[0] == sum(found[1:])
    return tuple(found)


def test_a_raised_cap_goes_on_where_the_server_can(line: Line) -> None:
    line.write(20)
    line.server.switch(filler_tokens=40)
    line.ask(line.plan(24))
    assert funnel(line) == (20, 0, 20, 0, 0, 0)  # cut off by the recipe's own cap: answers
    goes_on = {"continues": "continue_final_message"}
    raised = line.plan(600, **goes_on)
    rows = rows_of(raised)
    assert raised.resampled == len(rows) == 20
    assert all(row["prefix"] and not row["resampled"] for row in rows)
    assert {row["body"]["max_tokens"] for row in rows} == {600 - 24}
    assert all(row["body"]["messages"][-1]["content"].startswith("<think>\n") for row in rows)
    line.ask(raised, **goes_on)
    assert funnel(line) == (20, 0, 20, 0, 0, 0)
    assert line.plan(600, **goes_on).to_ask == 0
    found = line.read("select answers, resampled, continued, truncated, shift from lengths")
    assert found == [(20, 0, len(rows), 0, 0.0)]
    whole = "continues is not null and reasoning like '% = %' and answer like 'Answer: %'"
    assert line.read(f"select count(*) from traces where {whole}") == [(len(rows),)]
    (pair,) = line.read("select sum(completion_tokens), sum(cost_usd) is null from attempts where state = 'paid'")
    assert line.read("select sum(t.completion_tokens) from traces t semi join wanted using (trace_id)")[0][0] == pair[0]


def test_a_raised_cap_is_a_fresh_draw_where_the_server_cannot_and_says_so(line: Line) -> None:
    line.write(20)
    line.server.switch(filler_tokens=40)
    line.ask(line.plan(24))
    raised = line.plan(600)
    rows = rows_of(raised)
    assert len(rows) == 20
    assert all(row["resampled"] and row["prefix"] is None and row["body"]["max_tokens"] == 600 for row in rows)
    line.ask(raised)
    assert line.read("select answers, resampled, continued from lengths") == [(20, len(rows), 0)]
    marks = line.read("select count(*) from traces as t semi join wanted using (trace_id) where t.resampled")
    (drawn,) = read_drawn_again(line.root, "sums")
    assert drawn.resampled == 20 and drawn.first_mean == 24.0  # as far as the first draws went
    assert drawn.mean is not None and drawn.mean > 40 and drawn.quantiles[0] is not None
    assert marks == line.read("select count(*) from attempts where resampled") == [(len(rows),)]


def test_what_a_budget_left_cut_off_is_not_asked_and_the_next_plan_takes_the_next_cap(line: Line) -> None:
    line.write(250)
    line.ask(line.plan(2048, "measured"))
    line.write(252)
    capped = line.plan(2048, "measured")
    line.server.switch(filler_tokens=400)
    bound = rows_of(capped)[0]["prompt_tokens_bound"]
    line.ask(capped, Ceiling(tokens=2 * (bound + 256)), continues="continue_final_message")
    assert funnel(line) == (252, 0, 250, 0, 0, 2)
    later = line.plan(2048, "measured", continues="continue_final_message")
    assert [(row["max_tokens"], row["body"]["max_tokens"]) for row in rows_of(later)] == [(512, 256)] * 2
    line.ask(later, continues="continue_final_message")
    assert funnel(line) == (252, 0, 252, 0, 0, 0)
    assert line.read("select resampled, continued, truncated from lengths") == [(0, 2, 0)]
