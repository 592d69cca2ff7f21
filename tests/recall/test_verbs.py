"""The verbs as a person gives them, and students made elsewhere."""

import json
from pathlib import Path

import pytest
from publish.kept_answers import NOW
from recall.drilled import LATE, Drill, copy
from typer.testing import CliRunner

from flows.command.app import app
from tasks.recall.students import add_student, list_students
from warehouse.errors import BadInput


def still(drilled: Drill, *arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--data", str(drilled.root.path)])
    if isinstance(result.exception, BadInput):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def drilled(made: Drill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drill:
    for name in ("STILLHOUSE_DATA", "STILLHOUSE_TEACHERS"):
        monkeypatch.setenv(name, "")  # the verbs set it for their children; it is put back
    return copy(made, tmp_path / "data")


def test_a_plan_is_printed_and_kept_under_its_id(drilled: Drill) -> None:
    plan = json.loads(still(drilled, "recall", "plan", "--teacher", "theirs", "--why", "terms", "--json"))
    assert (plan["attempts"], plan["denies"], plan["why"]) == (40, True, "terms")
    assert (drilled.root.path / "recalls" / f"{plan['recall_id']}.json").exists()
    assert drilled.ask("select count(*) from recalls") == [(0,)]


def test_a_list_of_traces_is_read_from_a_file(drilled: Drill, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text(f"{LATE[0].trace_id}\n\n{LATE[1].trace_id}\n")
    plan = json.loads(still(drilled, "recall", "plan", "--traces", str(tmp_path / "ids"), "--json"))
    assert (plan["attempts"], plan["denies"]) == (2, False)


def test_a_trace_id_that_is_not_there_is_named_beside_those_that_are(drilled: Drill, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text(f"{LATE[0].trace_id}\n{'0' * 32}\n")
    plan = ("recall", "plan", "--traces", str(tmp_path / "ids"))
    assert json.loads(still(drilled, *plan, "--json"))["unknown"] == ["0" * 32]
    assert f"1 of the trace ids are not in the data root: {'0' * 32}" in still(drilled, *plan)


def test_a_registered_teacher_that_was_never_asked_can_be_recalled_and_is_denied(drilled: Drill) -> None:
    own = ("--teachers", str(drilled.root.path / "teachers"))
    (drilled.root.path / "teachers" / "new.yaml").write_text(
        "name: new\nbase_url: http://127.0.0.1:9/v1\nmodel: new-7b\nlicense: MIT\n"
        "reviewed: {by: Ada Lovelace, on: 2026-11-01}\n"
    )
    with pytest.raises(BadInput, match="nothing in the data root is of teacher new"):
        still(drilled, "recall", "plan", "--teacher", "new")
    plan = json.loads(still(drilled, "recall", "plan", "--teacher", "new", *own, "--json"))
    assert (plan["attempts"], plan["denies"]) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("recall", "plan"), "nothing was named to be recalled"),
        (("recall", "plan", "--decision", "none"), "nothing in the data root is of decision none"),
        (
            ("recall", "plan", "--teacher", "thiers"),
            "nothing in the data root is of teacher thiers: did you mean theirs?",
        ),
        (
            ("recall", "apply", "--route", "nowhere", "--why", "w"),
            "nothing in the data root is of route nowhere: check",
        ),
        (
            ("recall", "apply", "--teacher", "theirs", "--to", "2020-01-01", "--why", "w"),
            "nothing in the data root is of",
        ),
        (("recall", "apply", "--teacher", "theirs"), "--why is missing"),
        (("recall", "apply", "abc123"), "no plan begins with abc123"),
        (("recall", "purge", ""), "'' is too short to name a recall"),
        (("recall", "apply", ""), "'' is too short to name a recall"),
        (("recall", "purge", "abc123"), "no recall begins with abc123"),
        (("recall", "verify", "abc123"), "no recall begins with abc123"),
        (("recall", "plan", "--traces", "/nowhere"), "--traces /nowhere cannot be read"),
    ],
)
def test_what_is_wrong_is_one_line_that_says_what_to_do(drilled: Drill, arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadInput) as error:
        still(drilled, *arguments)
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


def test_a_student_made_elsewhere_is_registered_and_listed(drilled: Drill) -> None:
    parents = ("--from", "small-copy", "--from", drilled.versions[2])
    still(drilled, "students", "add", "merged", *parents, "--kind", "merge", "--note", "on the shelf")
    listed = json.loads(still(drilled, "students", "--json"))
    (merged,) = [row for row in listed if row["student"] == "merged"]
    assert (merged["kind"], merged["parents"]) == ("merge", sorted(["small-copy", drilled.versions[2]]))
    assert (merged["note"], merged["is_tainted"]) == ("on the shelf", False)


@pytest.mark.parametrize(
    ("name", "parent", "said"),
    [
        ("new", "nobody", "nobody is neither a version nor a student"),
        ("a@b", "small-copy", "is no name for a student"),
        ("student-of-one", "small-copy", "is a student run of this data root"),
        ("small-copy", "small-copy", "would be made from itself"),
    ],
)
def test_a_student_that_cannot_be_is_refused(made: Drill, name: str, parent: str, said: str) -> None:
    before = list_students(made.root)
    with pytest.raises(BadInput, match=said):
        add_student(made.root, name, [parent], "merge", None, NOW)
    assert list_students(made.root) == before


def test_no_circle_of_students_can_be_made(drilled: Drill) -> None:
    add_student(drilled.root, "below", ["small-copy"], "finetune", None, NOW)
    with pytest.raises(BadInput, match="would be made from itself"):
        add_student(drilled.root, "small-copy", ["below"], "merge", None, NOW)
