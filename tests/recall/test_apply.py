"""A recall from plan to successor: two teachers, three versions, two students, one descendant."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from publish.kept_answers import NOW
from recall.drilled import LATE, SAME, SHARED, Drill, copy, recipe

from flows.early import refuse_early
from flows.recall import apply
from flows.recipe import parse_recipe
from tasks.recall.reach import reach
from tasks.recall.selection import select
from tasks.right.denials import denials
from tasks.right.describe import describe_teachers
from tasks.right.gate import admit
from tasks.right.registry import load_teachers
from tasks.train.student import Student
from tasks.train.train_student import train_once
from warehouse.errors import BadInput, Busy, Denied
from warehouse.locks import hold

THEIRS = select(teacher="theirs")


@pytest.fixture(scope="module")
def recalled(made: Drill, tmp_path_factory: pytest.TempPathFactory) -> Drill:
    """After the recall, for tests that only look."""
    after = copy(made, tmp_path_factory.mktemp("recalled") / "data")
    apply(after.here, THEIRS, "terms changed", tell=told)
    return after


@pytest.fixture
def drilled(made: Drill, tmp_path: Path) -> Drill:
    """A copy of its own for each test."""
    return copy(made, tmp_path / "data")


def state(drilled: Drill) -> list[object]:
    """All that a recall changes and readers see, times left out."""
    return [
        drilled.ask("select trace_id, recalled_by is not null from traces order by 1"),
        drilled.ask("select trace_id from kept order by 1"),
        drilled.ask("select * exclude (begun_at, applied_at, purged_at) from recalls"),
        drilled.ask("select version, content_digest, revoked_by, successor, is_successor from versions order by 1"),
        drilled.ask("select * exclude (added_at) from students order by student"),
        drilled.ask("select status, count(*) from wanted group by 1 order by 1"),
    ]


def test_a_plan_shows_all_that_is_reached_and_changes_nothing(drilled: Drill) -> None:
    before = state(drilled)
    found = reach(drilled.root, THEIRS)
    assert (found.attempts, found.traces, found.datasets) == (40, 40, ("sums",))
    assert {file.kind for file in found.files} == {"ledger", "traces", "findings", "verdicts"}
    assert [row["version"] for row in found.versions] == list(drilled.versions[1:])
    assert {row["student"]: row["kind"] for row in found.students} == {
        "student-of-two": "trained",
        "small-copy": "quantise",
    }
    assert 0 < found.losers < 20
    assert state(drilled) == before


def test_the_list_of_teachers_says_who_was_recalled(made: Drill, recalled: Drill) -> None:
    teachers = load_teachers(recalled.here.teacher_folders).values()
    for drill, reason in ((made, None), (recalled, "recalled")):
        (line,) = [line for line in describe_teachers(teachers, NOW, denials(drill.root)) if line.name == "theirs"]
        assert (reason in {reason.code for reason in line.reasons}) == (reason is not None)
        assert (line.once_signed == "deny") == (reason is not None)


def test_a_run_that_wants_who_was_recalled_is_refused_before_anything_starts(recalled: Drill, tmp_path: Path) -> None:
    after = copy(recalled, tmp_path / "data")
    with pytest.raises(Denied, match="it was recalled on"):
        refuse_early(after.here, parse_recipe(recipe(), "here"), "refused-1", NOW)


def test_what_is_recalled_is_nowhere_kept_wanted_or_published_and_who_lost_to_it_comes_back(
    made: Drill, recalled: Drill
) -> None:
    theirs = {a.trace_id for a in (*SHARED, *LATE)}
    before = {trace for (trace,) in made.ask("select trace_id from kept where teacher = 'mine'")}
    lost = {a.trace_id for a in SAME} - before
    assert 0 < len(lost) < 20
    assert recalled.ask("select state, attempts, versions from recalls") == [("applied", 40, list(made.versions[1:]))]
    kept = {trace for (trace,) in recalled.ask("select trace_id from kept")}
    assert kept == before | lost
    wanted = {trace for (trace,) in recalled.ask("select trace_id from wanted where trace_id is not null")}
    assert not wanted & theirs
    ((successor,),) = recalled.ask("select version from versions where is_successor")
    rows = {trace for (trace,) in recalled.ask("select trace_id from version_rows where version = ?", successor)}
    assert lost & rows
    assert not rows & theirs
    assert recalled.ask("select version, revoked_by is not null, successor from versions order by 1") == [
        (made.versions[0], False, None),
        (made.versions[1], True, successor),
        (made.versions[2], True, successor),
        (successor, False, None),
    ]


def test_students_of_revoked_versions_and_what_was_made_of_them_are_tainted_with_their_shares(recalled: Drill) -> None:
    found = recalled.ask(
        "select student, is_tainted, tainted_versions, row_share, token_share from students order by 1"
    )
    shares = "select count(*) filter (where teacher = 'theirs') / count(*) from version_rows"
    sql = f"{shares} where version = ? and split = 'train'"
    ((share,),) = recalled.ask(sql, recalled.versions[1])
    assert 0 < share < 1
    assert found == [
        ("small-copy", True, [recalled.versions[1]], share, share),
        ("student-of-one", False, [], None, None),
        ("student-of-two", True, [recalled.versions[1]], share, share),
    ]


def test_the_gate_denies_the_teacher_for_every_purpose_and_says_why(recalled: Drill) -> None:
    teachers = load_teachers(recalled.here.teacher_folders)
    for purpose in ("ask", "publish", "train"):
        with pytest.raises(Denied, match=r"teacher 'theirs' .*recalled on .*terms changed"):
            admit(recalled.root, [teachers["theirs"]], "MIT", purpose, None, "run", NOW)
        assert admit(recalled.root, [teachers["mine"]], "MIT", purpose, None, "run", NOW)


def test_nothing_is_trained_on_a_revoked_version(recalled: Drill) -> None:
    ((successor,),) = recalled.ask("select version from versions where is_successor")
    with pytest.raises(BadInput, match=f"was revoked by recall .*terms changed.*train on its successor {successor}"):
        train_once(recalled.root, "run", recalled.versions[2], Student(model="tiny"), "cpu", NOW)


def test_a_time_range_or_a_list_of_traces_denies_nobody(drilled: Drill) -> None:
    one = select(traces=[LATE[0].trace_id])
    done = apply(drilled.here, one, "a person asked", tell=told)
    assert (done["attempts"], done["versions"], done["denies"]) == (1, [drilled.versions[2]], False)
    assert admit(drilled.root, [load_teachers(drilled.here.teacher_folders)["theirs"]], "MIT", "ask", None, "r", NOW)
    assert drilled.ask("select count(*) from kept where trace_id = ?", LATE[0].trace_id) == [(0,)]


def test_a_teacher_without_an_entry_is_said_where_its_rows_are_left_out(drilled: Drill) -> None:
    shipped_alone = replace(drilled.here, teacher_folders=drilled.here.teacher_folders[:1])
    done = apply(shipped_alone, THEIRS, "terms changed", tell=told)
    ((version, note),) = [(one["version"], one["note"]) for one in done["succession"]]
    assert version is None and "rows of mine, theirs are left out: no such entry, give --teachers DIR" in note
    again = apply(drilled.here, THEIRS, "terms changed", tell=told)
    assert again["succession"][0]["version"] in again["successors"], "with the entry it comes back"


def test_the_successor_starts_no_training_and_the_event_is_told_once(drilled: Drill) -> None:
    told: list[str] = []

    def tell(summary: Mapping[str, Any]) -> bool:
        told.append(summary["recall_id"])
        return True

    apply(drilled.here, THEIRS, "terms changed", tell=tell)
    done = apply(drilled.here, THEIRS, "terms changed", tell=tell)
    assert told == [THEIRS.recall_id]
    assert drilled.ask("select version from versions where is_successor") == [
        (version,) for version in done["successors"]
    ]


def test_a_running_dataset_is_waited_for_and_the_teacher_is_denied_already(drilled: Drill) -> None:
    with hold(drilled.root, "dataset-sums", "distill of sums", NOW), pytest.raises(Busy, match="denies what it names"):
        apply(drilled.here, THEIRS, "terms changed", tell=told)
    with pytest.raises(Denied):
        admit(drilled.root, [load_teachers(drilled.here.teacher_folders)["theirs"]], "MIT", "ask", None, "r", NOW)
    assert apply(drilled.here, THEIRS, "terms changed", tell=told)["state"] == "applied"


@pytest.mark.slow
def test_killed_after_each_step_in_turn_the_same_command_comes_to_the_same_end(made: Drill, tmp_path: Path) -> None:
    steps: list[str] = []
    whole, broken = copy(made, tmp_path / "whole"), copy(made, tmp_path / "broken")
    apply(whole.here, THEIRS, "why", steps.append, told)
    assert len(steps) == 8
    for step in steps:

        def kill(done: str, last: str = step) -> None:
            if done == last:
                raise KeyboardInterrupt

        if step == "announced":
            break
        with pytest.raises(KeyboardInterrupt):
            apply(broken.here, THEIRS, "why", kill, told)
    apply(broken.here, THEIRS, "why", tell=told)
    assert state(broken) == state(whole)


def told(summary: Mapping[str, Any]) -> bool:
    return True
