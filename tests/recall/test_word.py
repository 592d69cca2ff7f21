"""Rows that the recalled teacher never gave: kept on its word as an LLM judge, or answers to prompts that it wrote."""

from pathlib import Path

import pytest
from publish.kept_answers import NOW
from recall.drilled import Drill, copy
from recall.opinions import CHECKED, ON_ITS_WORD, OPEN, WRITTEN, by_llm, drill
from recall.test_purge import texts_left

from flows.early import refuse_early
from flows.recall import apply, delete
from flows.recipe import parse_recipe
from tasks.recall.reach import reach
from tasks.recall.selection import select
from tasks.recall.verify import verify
from warehouse.errors import Denied

JUDGE, AUTHOR = select(teacher="theirs"), select(teacher="author")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Drill:
    return drill(tmp_path_factory.mktemp("opinions"))


@pytest.fixture(scope="module")
def recalled(made: Drill, tmp_path_factory: pytest.TempPathFactory) -> Drill:
    """After the recall of the judge."""
    after = copy(made, tmp_path_factory.mktemp("recalled") / "data")
    apply(after.here, JUDGE, "terms changed", tell=lambda summary: True)
    return after


def kept(drilled: Drill) -> set[str]:
    return {trace for (trace,) in drilled.ask("select trace_id from kept where dataset = 'sums'")}


def test_a_plan_names_the_rows_that_were_kept_on_a_judges_word_and_who_learned_from_them(made: Drill) -> None:
    found = reach(made.root, JUDGE)
    assert (found.attempts, found.kept, found.judged, found.datasets) == (12, 0, 8, ("sums",))
    assert [(row["version"], row["recalled_rows"], row["judged_rows"]) for row in found.versions] == [
        (made.versions[1], 0, 8)
    ]
    assert [(row["student"], row["row_share"], row["judged_rows"]) for row in found.students] == [
        ("after", 0.0, 8),
        ("small-copy", 0.0, 8),
    ]
    assert {file.path.split("/")[1] for file in found.files} == {"sums+judge-opinions-0-theirs.parquet"}


def test_what_was_decided_by_a_judges_word_is_judged_again_without_it(made: Drill, recalled: Drill) -> None:
    rules_alone = {a.trace_id for a in (*CHECKED, *WRITTEN)}
    assert kept(made) == rules_alone | ON_ITS_WORD
    assert kept(recalled) == rules_alone
    open_now = recalled.ask(
        "select outcome, signals::json -> 'answer' ->> 'opinion' from verdicts "
        "where is_current and trace_id in (select unnest(?))",
        [a.trace_id for a in OPEN],
    )
    assert open_now == [("undecided", None)] * len(OPEN)
    assert recalled.ask("select count(*) from traces where teacher = 'mine' and recalled_by is not null") == [(0,)]


def test_a_successor_is_published_without_them_and_versions_before_the_judge_stay(recalled: Drill) -> None:
    ((successor,),) = recalled.ask("select version from versions where is_successor")
    rows = {trace for (trace,) in recalled.ask("select trace_id from version_rows where version = ?", successor)}
    assert rows and not rows & {a.trace_id for a in OPEN}
    sql = "select version, revoked_by is not null, successor from versions where not is_successor order by version"
    assert recalled.ask(sql) == [
        (recalled.versions[0], False, None),
        (recalled.versions[1], True, successor),
    ]


def test_students_of_rows_kept_on_its_word_are_tainted_and_say_how_many(recalled: Drill) -> None:
    assert recalled.ask("select student, is_tainted, row_share, judged_rows from students order by student") == [
        ("after", True, 0.0, 8),
        ("before", False, None, 0),
        ("small-copy", True, 0.0, 8),
    ]


def test_a_recipe_whose_judge_was_recalled_is_refused(recalled: Drill, tmp_path: Path) -> None:
    after = copy(recalled, tmp_path / "data")
    with pytest.raises(Denied, match=r"teacher 'theirs' .*recalled on"):
        refuse_early(after.here, parse_recipe(by_llm(), "here"), "refused-1", NOW)


def test_a_purged_judge_leaves_no_reply_and_the_rows_of_others_in_their_files(recalled: Drill, tmp_path: Path) -> None:
    after = copy(recalled, tmp_path / "data")
    done = delete(after.here, JUDGE.recall_id)
    assert {path.split("/")[0] for path in done.deleted} <= {"ledger", "traces", ".scratch"}
    assert verify(after.root, JUDGE.recall_id).left == []
    assert texts_left(after.root.path / "shards", OPEN), "what `mine` said is under its own terms"
    assert kept(after) == kept(recalled)


def test_prompts_that_a_recalled_teacher_wrote_go_with_their_answers(made: Drill, tmp_path: Path) -> None:
    after = copy(made, tmp_path / "data")
    found = reach(after.root, AUTHOR)
    assert (found.attempts, found.prompts, found.judged) == (6, 6, 0)
    apply(after.here, AUTHOR, "terms changed", tell=lambda summary: True)
    gone = {a.trace_id for a in WRITTEN}
    assert kept(after) == kept(made) - gone
    ((successor,),) = after.ask("select version from versions where is_successor")
    rows = {trace for (trace,) in after.ask("select trace_id from version_rows where version = ?", successor)}
    assert rows and not rows & gone
    assert verify(after.root, AUTHOR.recall_id).left
    delete(after.here, AUTHOR.recall_id)
    assert verify(after.root, AUTHOR.recall_id).left == []
    assert after.ask("select count(*) from prompts where metadata ->> 'written_by' = 'author'") == [(0,)]
    assert texts_left(after.root.path, WRITTEN) == set()
