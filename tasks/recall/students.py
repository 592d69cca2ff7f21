"""Students that were made elsewhere: registered with what they were made from, so that a recall finds them."""

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from typing import Any, Literal

from tasks.recall.statements import rows
from warehouse.catalog import connect, transaction
from warehouse.errors import BadInput
from warehouse.layout import DataRoot

Kind = Literal["finetune", "merge", "quantise", "distill"]

_KNOWN = """
    select version as name from versions union select student from students
"""
_BELOW = """
    with recursive made as (
        select parent from store.model_edge where child in (select unnest($parents))
        union
        select e.parent from store.model_edge as e join made on e.child = made.parent
    )
    select parent from made where parent = $student
"""


def add_student(
    root: DataRoot, student: str, parents: Sequence[str], kind: Kind, note: str | None, now: datetime
) -> None:
    """Register a model, or more that a registered one was made from (a merge has several parents).

    Raises:
        BadInput: a parent is neither a version nor a student, the name is that of a version or a student run, or the
            model would come of itself.
    """
    _check_name(student)
    with closing(connect(root)) as connection:
        known = {row["name"] for row in rows(connection, _KNOWN)}
        trained = rows(connection, "select 1 from student_runs where student_run_id = $name", {"name": student})
        circle = rows(connection, _BELOW, {"parents": list(parents), "student": student})
    if trained:
        raise BadInput(f"{student} is a student run of this data root: choose another name")
    for parent in parents:
        if parent not in known:
            raise BadInput(
                f"{parent} is neither a version nor a student: `still versions` and `still students` list them, and "
                "what was made elsewhere is registered first"
            )
    if circle or student in parents:
        raise BadInput(f"{student} would be made from itself: check --from")
    edges = [{"child": student, "parent": parent, "kind": kind, "added_at": now} for parent in parents]
    with transaction(root, now, publish="now") as store:
        store.insert("student", [{"student": student, "note": note, "added_at": now}])
        store.insert("model_edge", edges)


def list_students(root: DataRoot) -> list[dict[str, Any]]:
    """Every student, those that were made first, first."""
    with closing(connect(root)) as connection:
        return rows(connection, "select * from students order by added_at, student")


def _check_name(student: str) -> None:
    if not student.strip() or "@" in student or len(student) > 200 or any(sign < " " for sign in student):
        raise BadInput(f"{student!r} is no name for a student: one line without @, which names a version")
