"""Planning: what is asked, what is not, and that planning twice is planning once. On a real warehouse."""

import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.ask.plan import AskPlan, plan_asking
from tasks.ask.prompt_file import rows_of as rows_from
from tasks.ask.prompt_file import write_prompt_file
from tasks.ask.prompts import Prompt, PromptSource
from tasks.ask.sampling import Ask, Sampling
from tasks.ask.shares import rank_teachers
from tasks.right.gate import Admission
from tasks.right.terms import BatchTerms, Price, Quota, RouteTerms, Teacher, WeightsTerms
from warehouse.catalog import connect, transaction
from warehouse.errors import BadInput, RunFailed
from warehouse.layout import DataRoot
from warehouse.parts import write_part
from warehouse.records import ATTEMPTS, content_id

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def teacher(name: str, **fields: Any) -> Teacher:
    return Teacher(
        **{
            "name": name,
            "model": f"model-{name}",
            "route": "self-hosted",
            "base_url": "http://127.0.0.1:8000/v1",
            "account": name,
            "pool": "default",
            "price": Price(usd_per_million_input=0, usd_per_million_output=0),
            "expected_models": (),
            "weights": WeightsTerms(weights=name, license="MIT", outputs_trainable="yes"),
            "route_terms": RouteTerms(route="self-hosted", provider="us", license=None, outputs_trainable="yes"),
            "terms_id": f"{name}.1",
            "terms_sha256": "1" * 64,
            **fields,
        }
    )


class Line:
    """A recipe that is planned again and again, and a ledger that is written as the workers would."""

    def __init__(self, root: DataRoot, folder: Path, questions: int = 3) -> None:
        self.root, self.folder = root, folder
        self.ask(*(f"What is {number}+{number}?" for number in range(questions)))

    def ask(self, *questions: str) -> None:
        rows = [json.dumps({"prompt": question}) + "\n" for question in questions]
        (self.folder / "p.jsonl").write_text("".join(rows))

    def plan(self, **change: Any) -> AskPlan:
        teachers: Sequence[Teacher] = change.pop("teachers", [teacher("t")])
        arguments: dict[str, Any] = {
            "root": self.root,
            "run_id": "run-1",
            "dataset": "sums",
            "recipe_sha256": "r",
            "source": PromptSource(source="p.jsonl", license="MIT"),
            "folder": self.folder,
            "ask": Ask(),
            "sampling": Sampling(max_tokens=100),
            "samples_per_prompt": 2,
            "shares": {one.name: 1.0 for one in teachers},
            "admissions": [Admission(one, "d") for one in teachers],
            "batch_rows": 4,
            "now": NOW,
            **change,
        }
        return plan_asking.fn(**arguments)

    def answer(self, rows: Sequence[Mapping[str, Any]], by: Teacher, *outcomes: str, **columns: Any) -> None:
        """Attempts at these batch rows, one for each outcome, a second apart."""
        names = {"teacher": by.name, "terms_sha256": columns.pop("terms_sha256", by.terms_sha256)}
        attempts = [
            {
                "attempt_id": content_id(row["request_key"], number, str(columns)),
                "request_key": row["request_key"],
                "prompt_id": row["prompt_id"],
                "sample_index": row["sample_index"],
                "dataset": "sums",
                "state": state_of(outcome),
                "outcome": outcome if outcome != "maybe_paid" else None,
                "max_tokens": row["max_tokens"],
                "sent_at": NOW + timedelta(seconds=number),
                "completion_tokens": 10,
                **names,
                **columns,
            }
            for row in rows
            for number, outcome in enumerate(outcomes)
        ]
        table = pa.Table.from_pylist([{name: row.get(name) for name in ATTEMPTS.names} for row in attempts], ATTEMPTS)
        name = content_id(*(str(row) for row in attempts))
        with transaction(self.root, NOW) as changes:
            changes.add_files([write_part(self.root, "ledger", name, table, **names)])


def state_of(outcome: str) -> str:
    if outcome in ("ok", "truncated", "refused", "empty"):
        return "paid"
    return "maybe_paid" if outcome == "maybe_paid" else "failed"


def rows_of(plan: AskPlan) -> list[dict[str, Any]]:
    """Every row to ask, in order, with its batch's teacher and kind."""
    return [
        {**row, "teacher": batch.teacher, "kind": batch.kind, "body": json.loads(row["body"])}
        for batch in plan.batches
        for row in pq.read_table(batch.path).to_pylist()
    ]


def files_of(root: DataRoot) -> set[str]:
    parts = (path for kind in ("prompts", "plans") for path in (root.path / kind).glob("*"))
    return {f"{path} {path.stat().st_mtime_ns}" for path in (*parts, root.warehouse)}


@pytest.fixture
def line(data_root: DataRoot, tmp_path: Path) -> Line:
    return Line(data_root, tmp_path)


def test_a_first_plan_asks_everything_in_batches_of_readable_names(line: Line) -> None:
    plan = line.plan()
    assert (plan.prompts, plan.wanted, plan.to_ask, plan.reused, plan.answered) == (3, 6, 6, 0, 0)
    assert [(batch.name, batch.rows, batch.kind) for batch in plan.batches] == [
        ("sums-0001", 4, "first"),
        ("sums-0002", 2, "first"),
    ]
    rows = rows_of(plan)
    assert [row["body"]["messages"][0]["content"] for row in rows[:2]] == ["What is 0+0?"] * 2
    assert [row["sample_index"] for row in rows] == [0, 1] * 3
    assert {(row["max_tokens"], row["body"]["max_tokens"], row["attempt"]) for row in rows} == {(100, 100, 0)}
    assert all(0 < row["prompt_tokens"] < row["prompt_tokens_bound"] for row in rows)
    assert plan.license == "MIT"
    assert all(Path(batch.path).is_absolute() for batch in plan.batches)


def test_prompts_and_plan_are_in_the_warehouse_before_anything_is_asked(line: Line) -> None:
    plan = line.plan()
    warehouse = connect(line.root)
    assert warehouse.execute(
        "select question, source, source_row, license from prompts order by source_row"
    ).fetchall() == [(f"What is {number}+{number}?", "p.jsonl", number + 1, "MIT") for number in range(3)]
    assert warehouse.execute("select plan_id, wanted, is_current from store.plan").fetchall() == [
        (plan.plan_id, 6, True)
    ]
    warehouse.close()
    stored = pq.read_table(line.root.path / "plans" / f"{plan.plan_id}.parquet").to_pylist()
    assert [row["request_key"] for row in stored] == [row["request_key"] for row in rows_of(plan)]


def test_planning_again_writes_nothing_and_gives_the_same_plan(line: Line) -> None:
    plan = line.plan()
    before = files_of(line.root)
    assert line.plan(now=NOW + timedelta(days=1)) == plan
    assert files_of(line.root) == before


def test_a_plan_that_comes_back_is_current_again_and_writes_no_file(line: Line) -> None:
    first, second = line.plan(), line.plan(samples_per_prompt=3)
    before = {entry for entry in files_of(line.root) if "warehouse.duckdb" not in entry}
    assert line.plan() == first
    assert before == {entry for entry in files_of(line.root) if "warehouse.duckdb" not in entry}
    warehouse = connect(line.root)
    states = dict(warehouse.execute("select plan_id, is_current from store.plan").fetchall())
    warehouse.close()
    assert states == {first.plan_id: True, second.plan_id: False}


def test_a_grown_source_adds_only_the_new_prompts(line: Line) -> None:
    plan = line.plan()
    line.answer(rows_of(plan), teacher("t"), "ok")
    line.ask(*(f"What is {number}+{number}?" for number in range(5)))
    grown = line.plan()
    assert (grown.prompts, grown.wanted, grown.answered, grown.to_ask) == (5, 10, 6, 4)
    sizes = sorted(pq.read_metadata(path).num_rows for path in (line.root.path / "prompts").glob("*.parquet"))
    assert sizes == [2, 3]


def test_everything_answered_asks_nothing_and_writes_no_batch(line: Line) -> None:
    line.answer(rows_of(line.plan()), teacher("t"), "ok")
    plan = line.plan()
    assert (plan.answered, plan.to_ask, plan.batches, plan.teachers) == (6, 0, (), ())
    assert (plan.estimated_tokens, plan.worst_tokens, plan.worst_usd) == (0, 0, 0)


def test_more_samples_buy_only_the_difference(line: Line) -> None:
    line.answer(rows_of(line.plan()), teacher("t"), "ok")
    plan = line.plan(samples_per_prompt=4)
    assert (plan.wanted, plan.answered, plan.to_ask) == (12, 6, 6)
    assert {row["sample_index"] for row in rows_of(plan)} == {2, 3}


def test_answers_bought_for_another_dataset_are_reused(line: Line) -> None:
    line.answer(rows_of(line.plan()), teacher("t"), "ok")
    plan = line.plan(dataset="others")
    assert (plan.reused, plan.answered, plan.to_ask) == (6, 0, 0)


def test_a_moved_server_a_new_price_or_quota_buys_nothing_again(line: Line) -> None:
    line.answer(rows_of(line.plan()), teacher("t"), "ok")
    moved = teacher("t", base_url="http://elsewhere:1/v1", quota=Quota(requests_per_minute=1), price=None)
    assert line.plan(teachers=[moved]).to_ask == 0


def test_streaming_changes_how_answers_travel_and_buys_nothing_again(line: Line) -> None:
    line.answer(rows_of(line.plan()), teacher("t"), "ok")
    assert line.plan(sampling=Sampling(max_tokens=100, stream=True)).to_ask == 0


def test_other_weights_another_route_or_other_sampling_ask_again(line: Line) -> None:
    line.answer(rows_of(line.plan()), teacher("t"), "ok")
    assert line.plan(teachers=[teacher("t", revision="r2")]).to_ask == 6
    assert line.plan(teachers=[teacher("t", route="hosted")]).to_ask == 6
    assert line.plan(sampling=Sampling(max_tokens=100, temperature=0.5)).to_ask == 6


def test_answers_under_other_terms_are_not_reused(line: Line) -> None:
    line.answer(rows_of(line.plan()), teacher("t"), "ok", terms_sha256="0" * 64)
    assert line.plan().to_ask == 6


@pytest.mark.parametrize("outcome", ["ok", "refused", "empty"])
def test_an_answer_of_any_kind_is_paid_for_once(line: Line, outcome: str) -> None:
    line.answer(rows_of(line.plan()), teacher("t"), outcome)
    assert line.plan(sampling=Sampling(max_tokens=5000)).to_ask == 0


def test_a_truncated_answer_is_asked_again_only_under_a_higher_cap(line: Line) -> None:
    rows = rows_of(line.plan())
    line.answer(rows[:1], teacher("t"), "truncated")
    line.answer(rows[1:], teacher("t"), "ok")
    for cap in (50, 100):
        assert line.plan(sampling=Sampling(max_tokens=cap)).to_ask == 0
    plan = line.plan(sampling=Sampling(max_tokens=101))
    assert (plan.to_ask, plan.resampled, plan.answered) == (1, 1, 5)
    (again,) = rows_of(plan)
    assert (again["request_key"], again["max_tokens"], again["attempt"]) == (rows[0]["request_key"], 101, 1)


@pytest.mark.parametrize("outcome", ["malformed", "rate_limited", "overloaded", "timeout", "connection"])
def test_a_failure_is_asked_again_by_a_later_plan(line: Line, outcome: str) -> None:
    line.answer(rows_of(line.plan()), teacher("t"), outcome, outcome)
    plan = line.plan()
    assert (plan.to_ask, plan.maybe_paid) == (6, 0)
    assert {row["attempt"] for row in rows_of(plan)} == {2}


def test_a_request_the_teacher_rejects_is_given_up_until_its_cap_changes(line: Line) -> None:
    line.answer(rows_of(line.plan()), teacher("t"), "rejected")
    plan = line.plan()
    assert (plan.to_ask, plan.given_up) == (0, 6)
    assert line.plan(sampling=Sampling(max_tokens=50)).to_ask == 6


def test_what_may_have_been_paid_is_asked_last_in_batches_of_its_own(line: Line) -> None:
    rows = rows_of(line.plan())
    line.answer(rows[:2], teacher("t"), "maybe_paid")
    line.answer(rows[2:3], teacher("t"), "maybe_paid", "ok")
    plan = line.plan(batch_rows=2)
    assert (plan.to_ask, plan.maybe_paid, plan.answered) == (5, 2, 1)
    assert [(batch.name, batch.kind, batch.rows) for batch in plan.batches] == [
        ("sums-0001", "first", 2),
        ("sums-0002", "first", 1),
        ("sums-0003", "again", 2),
    ]
    assert [row["request_key"] for row in rows_of(plan)[3:]] == [row["request_key"] for row in rows[:2]]


def test_repeated_questions_are_asked_once_and_counted(line: Line) -> None:
    line.ask("a", "b", "a", "a")
    plan = line.plan()
    assert (plan.prompts, plan.repeated, plan.wanted, plan.to_ask) == (2, 2, 4, 4)


def test_one_request_serves_two_prompts_that_differ_only_in_their_reference(line: Line) -> None:
    rows = [{"q": "2+2?", "a": reference} for reference in ("4", "four")]
    (line.folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = PromptSource(source="p.jsonl", columns={"prompt": "q", "reference": "a"}, license="MIT")
    plan = line.plan(source=source)
    assert (plan.prompts, plan.wanted, plan.to_ask, plan.shared) == (2, 4, 2, 2)
    line.answer(rows_of(plan), teacher("t"), "ok")
    assert line.plan(source=source).answered == 4


def test_every_sample_is_accounted_for(line: Line) -> None:
    rows = rows_of(line.plan())
    line.answer(rows[:1], teacher("t"), "ok")
    line.answer(rows[1:2], teacher("t"), "ok", dataset="others")
    line.answer(rows[2:3], teacher("t"), "rejected")
    line.answer(rows[3:4], teacher("t"), "maybe_paid")
    plan = line.plan()
    assert (plan.answered, plan.reused, plan.given_up, plan.shared, plan.to_ask) == (1, 1, 1, 0, 3)
    assert plan.wanted == plan.answered + plan.reused + plan.given_up + plan.shared + plan.to_ask


def test_two_teachers_share_the_samples_and_each_batch_has_one(line: Line) -> None:
    line.ask(*(f"question {number}" for number in range(200)))
    plan = line.plan(teachers=[teacher("a"), teacher("b")], shares={"a": 3.0, "b": 1.0}, batch_rows=16)
    counts = Counter(row["teacher"] for row in rows_of(plan))
    assert 255 < counts["a"] < 345 and sum(counts.values()) == 400  # 300 of 400, five standard deviations
    for row in rows_of(plan):
        assert row["body"]["model"] == f"model-{row['teacher']}"
    order = [batch.teacher for batch in plan.batches if batch.rows == 16]
    assert "b" in order[:8], "the teachers' batches alternate"


def test_changed_shares_move_nothing_that_is_bought_and_little_else(line: Line) -> None:
    line.ask(*(f"question {number}" for number in range(100)))
    both = [teacher("a"), teacher("b")]
    plan = line.plan(teachers=both, shares={"a": 1.0, "b": 1.0})
    before = {(row["prompt_id"], row["sample_index"]): row["teacher"] for row in rows_of(plan)}
    for one in both:
        bought = [row for row in rows_of(plan)[:80] if row["teacher"] == one.name]
        line.answer(bought, one, "ok")
    changed = line.plan(teachers=both, shares={"a": 1.0, "b": 9.0})
    assert (changed.answered, changed.to_ask) == (80, 120)
    for row in rows_of(changed):
        was = before[row["prompt_id"], row["sample_index"]]
        assert row["teacher"] == "b" or was == "a", "a sample moves only to the teacher whose share grew"
    assert line.plan(teachers=both, shares={"a": 1.0, "b": 9.0}) == changed


def test_shares_are_kept_whatever_the_order_and_a_new_teacher_takes_from_all() -> None:
    samples = [(f"prompt-{number}", index) for number in range(2000) for index in range(2)]
    two = {sample: rank_teachers({"a": 0.8, "b": 0.2}, *sample)[0] for sample in samples}
    assert two == {sample: rank_teachers({"b": 2.0, "a": 8.0}, *sample)[0] for sample in samples}
    assert 0.77 < Counter(two.values())["a"] / len(samples) < 0.83
    three = {sample: rank_teachers({"a": 0.8, "b": 0.2, "c": 1.0}, *sample)[0] for sample in samples}
    assert all(three[sample] in (two[sample], "c") for sample in samples)


def test_dollars_are_unknown_as_soon_as_one_price_is(line: Line) -> None:
    priced = teacher("a", price=Price(usd_per_million_input=1, usd_per_million_output=2, as_of=NOW.date()))
    plan = line.plan(teachers=[priced])
    (cost,) = plan.teachers
    assert plan.worst_tokens == cost.worst_tokens > plan.estimated_tokens > 0
    rows = rows_of(plan)
    bound = sum(row["prompt_tokens_bound"] for row in rows)
    assert plan.worst_usd == pytest.approx((bound * 1 + 600 * 2) / 1e6)
    both = line.plan(teachers=[priced, teacher("b", price=None)], samples_per_prompt=8)
    assert len(both.teachers) == 2 and both.worst_usd is None and both.worst_tokens > 0


def test_what_goes_by_batch_is_planned_at_the_batchs_price(line: Line) -> None:
    price = Price(usd_per_million_input=1, usd_per_million_output=2, as_of=NOW.date())
    able, unable = teacher("a", price=price, batch=BatchTerms(discount=0.25)), teacher("a", price=price)
    full = line.plan(teachers=[able])
    reduced = line.plan(teachers=[able], by_batch=True)
    assert full.worst_usd and full.estimated_usd
    assert reduced.worst_usd == pytest.approx(0.75 * full.worst_usd)
    assert reduced.estimated_usd == pytest.approx(0.75 * full.estimated_usd)
    assert line.plan(teachers=[unable], by_batch=True).worst_usd == full.worst_usd


def test_the_estimate_learns_from_the_ledger_and_time_from_the_quota(line: Line) -> None:
    line.ask(*(f"question {number}" for number in range(20)))
    limited = teacher("t", quota=Quota(requests_per_minute=60))
    guess = line.plan(teachers=[limited])
    assert guess.teachers[0].estimated_s == 40.0
    line.answer(rows_of(guess)[:20], limited, "ok")
    learned = line.plan(teachers=[limited])
    prompt_tokens = sum(row["prompt_tokens"] for row in rows_of(learned))
    assert learned.estimated_tokens == prompt_tokens + 20 * 10
    assert guess.estimated_tokens > 2 * learned.estimated_tokens


def test_a_plan_that_is_not_recorded_counts_and_leaves_nothing(line: Line) -> None:
    shown = line.plan(record=False)
    assert shown.batches == ()
    assert not list((line.root.path / ".scratch").rglob("*.parquet"))
    assert not (line.root.path / "plans").exists() and not (line.root.path / "prompts").exists()
    assert replace(line.plan(), batches=()) == shown


def test_a_bad_row_stops_the_plan_before_anything_is_written(line: Line) -> None:
    (line.folder / "p.jsonl").write_text('{"prompt": "fine"}\n{"prompt": ""}\n')
    with pytest.raises(BadInput, match=r"p\.jsonl:2: 'prompt' is empty"):
        line.plan()
    assert not (line.root.path / "prompts").exists()
    assert not list((line.root.path / ".scratch").rglob("*"))[1:]


def test_an_empty_source_is_bad_input(line: Line) -> None:
    (line.folder / "p.jsonl").write_text("")
    with pytest.raises(BadInput, match="holds no rows"):
        line.plan()


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({}, "names no teacher"),
        ({"x": 1.0}, "'x' has not passed the gate"),
        ({"t": 0.0}, "is 0.0: it must be above 0"),
    ],
    ids=["none", "unknown", "zero"],
)
def test_shares_that_cannot_be_are_refused(line: Line, shares: dict[str, float], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        line.plan(shares=shares)


def test_a_disk_that_cannot_be_written_fails_the_run_in_one_line(line: Line) -> None:
    line.root.scratches.rmdir()
    line.root.scratches.write_text("a file where a folder should be")
    with pytest.raises(RunFailed, match=r"cannot write .*\.scratch/run-1"):
        line.plan()


def test_prompts_stream_to_disk_whatever_their_number(tmp_path: Path) -> None:
    def prompts(rows: int) -> Iterator[Prompt]:
        for number in range(rows):
            question = f"question {number} " + "x" * 1000
            messages = ({"role": "user", "content": question},)
            yield Prompt(str(number), question, messages, None, "none", None, None, "s", number + 1, "MIT")

    def peak(rows: int) -> int:
        tracemalloc.start()
        file = write_prompt_file(prompts(rows), tmp_path / "prompts.parquet")
        mask = np.ones(file.rows, dtype=np.bool_)
        assert sum(1 for _ in rows_from(file, mask, ["prompt_id", "messages"])) == rows
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(10)  # what is imported and cached once
    assert peak(12_288) < 1.5 * peak(3_072), "four times the rows, the same peak"
