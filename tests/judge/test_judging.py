"""The judge's task on a real data root and real Ray workers."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from judge.answered import DATASET, NOW, PLAN, Answered, fill

from tasks.judge.judge import Judged, judge_answers
from tasks.judge.judging import pieces
from tasks.judge.policy import JudgePolicy
from warehouse.catalog import connect, transaction
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.parts import write_part
from warehouse.records import SCHEMAS

pytestmark = [pytest.mark.line, pytest.mark.usefixtures("cluster")]


def sums(count: int, **fields: object) -> list[Answered]:
    return [
        Answered(
            f"What is {n} plus 7?",
            f"I count on from {n}: " + ", ".join(f"{n + k}" for k in range(1, 8)) + f". The answer is {n + 7}.",
            reference=str(n + 7),
            verifier="numeric",
            **fields,
        )
        for n in range(0, 1000 * count, 1000)
    ]


def judged(root: DataRoot, policy: JudgePolicy | None = None, run: str = "run-1") -> Judged:
    return judge_answers(root, run, DATASET, PLAN, policy or JudgePolicy(), NOW)


def rows(root: DataRoot, sql: str) -> list[tuple[object, ...]]:
    with closing(connect(root)) as connection:
        return list(connection.execute(sql).fetchall())


def mixed() -> list[Answered]:
    good = sums(6)
    return [
        *good,
        replace(good[0], sample=1),
        replace(good[1], sample=1, answer="Two and two make five. The answer is 5."),
        replace(good[2], sample=1, finish_reason="length", outcome="truncated"),
        replace(good[3], sample=1, teacher="other"),
        Answered("What is it?", "It is hard to say, but the answer is 4.", verifier="numeric"),
        replace(good[4], sample=1, state="failed"),
    ]


def test_every_answer_gets_one_verdict_with_its_reason(data_root: DataRoot) -> None:
    fill(data_root, mixed())
    result = judged(data_root)
    assert (result.traces, result.kept, result.rejected, result.undecided, result.is_new) == (
        11,
        6,
        4,
        1,
        True,
    )
    assert result.reasons == {"exact_duplicate": 2, "too_few_votes": 1, "truncated": 1, "wrong_answer": 1}
    verdicts = "select trace_id, outcome, reason, dataset, judge_run from verdicts where is_current"
    assert len({row[0] for row in rows(data_root, verdicts)}) == len(rows(data_root, verdicts)) == 11
    lost = rows(data_root, "select kind, teacher, jaccard from duplicates where is_current order by teacher")
    assert [kind for kind, _, _ in lost] == ["exact", "exact"]


def test_judging_the_same_again_writes_nothing(data_root: DataRoot) -> None:
    fill(data_root, mixed())
    first = judged(data_root)
    files = rows(data_root, "select path, sha256 from store.file")
    again = judge_answers(data_root, "run-2", DATASET, PLAN, JudgePolicy(), NOW + timedelta(days=1))
    assert again == replace(first, is_new=False)
    assert rows(data_root, "select path, sha256 from store.file") == files


def test_a_changed_policy_judges_anew_and_the_old_one_comes_back_as_it_was(data_root: DataRoot) -> None:
    fill(data_root, mixed())
    strict = judged(data_root)
    loose = judged(data_root, JudgePolicy(answer="annotate", annotate=("finish", "duplicate")))
    assert loose.judge_run != strict.judge_run
    assert loose.kept == 11
    current = "select judge_run from store.judge_run where is_current"
    assert rows(data_root, current) == [(loose.judge_run,)]
    assert judged(data_root) == replace(strict, is_new=False)
    assert rows(data_root, current) == [(strict.judge_run,)]


def test_a_new_answer_is_a_new_judging(data_root: DataRoot) -> None:
    fill(data_root, sums(2), "0")
    first = judged(data_root)
    fill(data_root, sums(3)[2:], "1")
    second = judged(data_root)
    assert second.judge_run != first.judge_run
    assert (second.traces, second.is_new) == (3, True)


def test_verdicts_are_the_same_bytes_whatever_order_the_answers_came_in(
    data_root: DataRoot, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def parts(answers: Sequence[Answered], root: DataRoot) -> list[object]:
        fill(root, answers)
        judged(root)
        return rows(root, "select path, sha256 from store.file where kind in ('verdicts', 'duplicates') order by path")

    other = DataRoot(tmp_path_factory.mktemp("other") / "data").create()
    assert parts(mixed(), data_root) == parts(mixed()[::-1], other)


def test_each_part_holds_one_teacher(data_root: DataRoot) -> None:
    fill(
        data_root,
        [*sums(3), *(replace(one, teacher="other", question=one.question + "?") for one in sums(3))],
    )
    judged(data_root)
    paths = [path for (path,) in rows(data_root, "select path from store.file where kind = 'verdicts'")]
    teachers = [set(pq.read_table(data_root.path / str(path))["teacher"].to_pylist()) for path in paths]
    assert sorted(teachers, key=min) == [{"mine"}, {"other"}]


def test_an_answer_is_checked_against_the_prompt_of_the_plan(data_root: DataRoot) -> None:
    """A corrected reference is another prompt with the same request: judged anew, not bought again."""
    (asked,) = sums(1)
    fill(data_root, [replace(asked, reference="8")], "0")
    assert judged(data_root).rejected == 1
    corrected = replace(asked, reference="7")
    with closing(connect(data_root)) as connection:
        assert connection.execute("select count(*) from wanted").fetchall() == [(1,)]
    replan(data_root, corrected)
    result = judged(data_root)
    assert (result.traces, result.kept) == (1, 1)


def replan(root: DataRoot, answer: Answered) -> None:
    """Make a plan current that wants this answer's prompt, without asking."""
    planned = answer.planned() | {"plan_id": "plan-2"}
    files = [
        write_part(root, "prompts", "again", pa.Table.from_pylist([answer.prompt()], schema=SCHEMAS["prompts"])),
        write_part(root, "plans", "again", pa.Table.from_pylist([planned], schema=SCHEMAS["plans"]), dataset=DATASET),
    ]
    with transaction(root, NOW, publish="now") as changes:
        changes.add_files(files)
        changes.execute("update store.plan set is_current = false")
        row = {
            "plan_id": "plan-2",
            "dataset": DATASET,
            "run_id": "run-2",
            "recipe_sha256": "0",
            "wanted": 1,
            "planned_at": NOW,
        }
        changes.insert("plan", [row | {"is_current": True}])


def test_a_dataset_without_answers_is_judged_to_be_empty(data_root: DataRoot) -> None:
    fill(data_root, [replace(sums(1)[0], state="failed")])
    result = judged(data_root)
    assert (result.traces, result.reasons, result.is_new) == (0, {}, True)


def test_scratch_files_are_gone_afterwards(data_root: DataRoot) -> None:
    fill(data_root, mixed())
    judged(data_root)
    assert not list(data_root.scratch("run-1").rglob("*.parquet"))


def test_without_a_warehouse_the_error_says_what_to_run(data_root: DataRoot) -> None:
    with pytest.raises(BadInput, match="still demo"):
        judged(data_root)


def test_chunks_are_bounded_in_rows_and_bytes() -> None:
    batch = pa.RecordBatch.from_pydict({"answer": ["x" * 2**20] * 100})
    cut = list(pieces(batch))
    assert sum(piece.num_rows for piece in cut) == 100
    assert max(piece.nbytes for piece in cut) <= 32 * 2**20
    assert max(piece.num_rows for piece in pieces(pa.RecordBatch.from_pydict({"n": range(5000)}))) <= 1000


def test_an_evaluation_pack_judges_anew_and_a_changed_one_again(data_root: DataRoot, tmp_path: Path) -> None:
    fill(data_root, sums(6))
    pack = tmp_path / "test.jsonl"
    pack.write_text('{"question": "What is 2000 plus 7?"}\n{"question": "Who wrote it?"}\n')
    policy = JudgePolicy(eval_packs=(pack,))
    assert judged(data_root).kept == 6
    first = judged(data_root, policy)
    assert (first.is_new, first.reasons) == (True, {"contamination_review": 5, "contaminated_question": 1})
    assert not judged(data_root, policy).is_new
    details = "select details from verdicts where is_current and reason = 'contaminated_question'"
    assert "test.jsonl:1" in str(rows(data_root, details)[0][0])
    pack.write_text('{"question": "Who wrote it?"}\n')
    assert (judged(data_root, policy).kept, judged(data_root, policy).is_new) == (6, False)


def test_an_evaluation_pack_that_is_not_there_ends_the_judging_before_it_begins(data_root: DataRoot) -> None:
    fill(data_root, sums(1))
    with pytest.raises(BadInput, match="nowhere.jsonl"):
        judged(data_root, JudgePolicy(eval_packs=(data_root.path / "nowhere.jsonl",)))


def test_what_was_found_in_a_trace_is_not_looked_for_again_when_more_answers_come(data_root: DataRoot) -> None:
    """A second part of answers probes what exists: only its own rows are judged by themselves."""
    first, second = sums(8)[:5], sums(8)[5:]
    fill(data_root, first)
    judged(data_root)
    assert rows(data_root, "select count(*) from store.findings_parquet") == [(5,)]
    like_first = replace(first[0], teacher="other")
    fill(data_root, [*second, like_first], "1")
    again = judged(data_root, run="run-2")
    assert (again.traces, again.kept, again.reasons) == (9, 8, {"exact_duplicate": 1})
    assert rows(data_root, "select count(*), count(distinct trace_id) from store.findings_parquet") == [(9, 9)]
    other = JudgePolicy(keep_per_prompt=3)  # concerns only what compares traces
    assert judged(data_root, other, "run-3").kept == 8
    assert rows(data_root, "select count(*) from store.findings_parquet") == [(9,)]
    assert judged(data_root, JudgePolicy(min_tokens=5), "run-4").kept == 8
    assert rows(data_root, "select count(*) from store.findings_parquet") == [(18,)]


@pytest.mark.slow
def test_verdicts_are_the_same_whether_answers_came_at_once_or_in_parts(data_root: DataRoot, tmp_path: Path) -> None:
    answers = mixed()
    at_once = DataRoot(tmp_path / "at once")
    fill(at_once, answers)
    judged(at_once)
    for number, start in enumerate(range(0, len(answers), 4)):
        fill(data_root, answers[start : start + 4], str(number))
        judged(data_root, run=f"run-{number}")
    said = "select trace_id, outcome, reason, details, signals from verdicts where is_current order by trace_id"
    assert rows(data_root, said) == rows(at_once, said)
