"""A recall from plan to successor: two teachers, three versions, two students, one descendant."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from publish.kept_answers import NOW, SHIPPED
from recall.drilled import LATE, SAME, SHARED, Drill, drill

from flows.recall import apply
from flows.settings import Settings
from tasks.recall.reach import reach
from tasks.recall.selection import select
from tasks.right.gate import admit
from tasks.right.registry import load_teachers
from tasks.train.student import Student
from tasks.train.train_student import train_once
from warehouse.errors import BadInput, Denied
from warehouse.layout import DataRoot

THEIRS = select(teacher="theirs")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Drill:
    return drill(tmp_path_factory.mktemp("drill"))


@pytest.fixture
def drilled(made: Drill, tmp_path: Path) -> Drill:
    """A copy of its own for each test."""
    shutil.copytree(made.root.path, tmp_path / "data")
    root = DataRoot(tmp_path / "data")
    return replace(made, here=Settings(root, (SHIPPED, root.path / "teachers"), None, 1))


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "false")


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


def test_what_is_recalled_is_nowhere_kept_wanted_or_published_and_who_lost_to_it_comes_back(drilled: Drill) -> None:
    theirs = {a.trace_id for a in (*SHARED, *LATE)}
    before = {trace for (trace,) in drilled.ask("select trace_id from kept where teacher = 'mine'")}
    lost = {a.trace_id for a in SAME} - before
    assert 0 < len(lost) < 20
    done = apply(drilled.here, THEIRS, "terms changed")
    assert (done["state"], done["attempts"], done["versions"]) == ("applied", 40, list(drilled.versions[1:]))
    kept = {trace for (trace,) in drilled.ask("select trace_id from kept")}
    assert kept == before | lost
    assert drilled.ask("select count(*) from wanted where trace_id in (select trace_id from traces where recalled_by is not null)") == [(0,)]  # fmt: skip
    (successor,) = done["successors"]
    rows = {trace for (trace,) in drilled.ask("select trace_id from version_rows where version = ?", successor)}
    assert lost & rows
    assert not rows & theirs
    assert drilled.ask("select version, revoked_by is not null, successor, is_successor from versions order by 1") == [
        (drilled.versions[0], False, None, False),
        (drilled.versions[1], True, successor, False),
        (drilled.versions[2], True, successor, False),
        (successor, False, None, True),
    ]


def test_students_of_revoked_versions_and_what_was_made_of_them_are_tainted_with_their_shares(drilled: Drill) -> None:
    apply(drilled.here, THEIRS, "terms changed")
    found = drilled.ask("select student, is_tainted, tainted_versions, row_share, token_share from students order by 1")
    sql = "select count(*) filter (where teacher = 'theirs') / count(*) from version_rows where version = ? and split = 'train'"  # fmt: skip
    ((share,),) = drilled.ask(sql, drilled.versions[1])
    assert 0 < share < 1
    assert found == [
        ("small-copy", True, [drilled.versions[1]], share, share),
        ("student-of-one", False, [], None, None),
        ("student-of-two", True, [drilled.versions[1]], share, share),
    ]


def test_the_gate_denies_the_teacher_for_every_purpose_and_says_why(drilled: Drill) -> None:
    apply(drilled.here, THEIRS, "terms changed")
    teachers = load_teachers(drilled.here.teacher_folders)
    for purpose in ("ask", "publish", "train"):
        with pytest.raises(Denied, match=r"teacher 'theirs' .*recalled on .*terms changed"):
            admit(drilled.root, [teachers["theirs"]], "MIT", purpose, None, "run", NOW)
        assert admit(drilled.root, [teachers["mine"]], "MIT", purpose, None, "run", NOW)


def test_nothing_is_trained_on_a_revoked_version(drilled: Drill) -> None:
    done = apply(drilled.here, THEIRS, "terms changed")
    with pytest.raises(BadInput, match=rf"was revoked by recall .*terms changed.*train on its successor {done['successors'][0]}"):  # fmt: skip
        train_once(drilled.root, "run", drilled.versions[2], Student(model="tiny"), "cpu", NOW)


def test_a_time_range_or_a_list_of_traces_denies_nobody(drilled: Drill) -> None:
    one = select(traces=[LATE[0].trace_id])
    done = apply(drilled.here, one, "a person asked")
    assert (done["attempts"], done["versions"], done["denies"]) == (1, [drilled.versions[2]], False)
    assert admit(drilled.root, [load_teachers(drilled.here.teacher_folders)["theirs"]], "MIT", "ask", None, "r", NOW)
    assert drilled.ask("select count(*) from kept where trace_id = ?", LATE[0].trace_id) == [(0,)]


def test_killed_between_any_two_steps_the_same_command_comes_to_the_same_end(made: Drill, tmp_path: Path) -> None:
    steps: list[str] = []
    whole = copy(made, tmp_path / "whole")
    apply(whole.here, THEIRS, "why", steps.append)
    expected, once = state(whole), apply(whole.here, THEIRS, "why")
    assert state(whole) == expected, "applied again, nothing changes"
    assert once["successors"] and len(steps) >= 7
    broken = copy(made, tmp_path / "broken")
    for step in steps:

        def kill(done: str, at: str = step) -> None:
            if done == at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            apply(broken.here, THEIRS, "why", kill)
        shutil.copytree(broken.root.path, tmp_path / step.replace(" ", "-"))
        if step != "announced":
            goes_on = at(made, tmp_path / step.replace(" ", "-"))
            apply(goes_on.here, THEIRS, "why")
            assert state(goes_on) == expected, step
        shutil.rmtree(broken.root.path)
        broken = copy(made, tmp_path / "broken")


def at(made: Drill, path: Path) -> Drill:
    return replace(made, here=Settings(DataRoot(path), (SHIPPED, path / "teachers"), None, 1))


def copy(made: Drill, path: Path) -> Drill:
    shutil.copytree(made.root.path, path)
    return at(made, path)
