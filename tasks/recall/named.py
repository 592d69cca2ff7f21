"""Whether what a person named is known at all: a misspelt name would withdraw nothing, and deny nobody who is asked."""

import difflib
from collections.abc import Iterable
from contextlib import closing

from tasks.recall.reach import find
from tasks.recall.selection import Selection
from tasks.recall.statements import rows
from tasks.right.terms import Teacher
from warehouse.catalog import connect
from warehouse.errors import BadInput
from warehouse.layout import DataRoot

_SEEN = """
    select teacher, route, null as terms_id, null as terms_sha256 from store.teacher
    union
    select teacher, route, terms_id, terms_sha256 from store.terms
"""


def check_named(root: DataRoot, selection: Selection, teachers: Iterable[Teacher]) -> None:
    """Refuse a recall of nothing: there must be rows, or else somebody known whom it denies.

    A recall that was begun passes, whatever is left of its rows.

    Args:
        teachers: the registry.

    Raises:
        BadInput: no row was ever had from what is named, and it denies nobody who is known.
    """
    with closing(connect(root)) as connection:
        begun = rows(connection, "select 1 from store.recall where recall_id = $id", {"id": selection.recall_id})
        if begun:
            return
        find(connection, selection)
        if rows(connection, "select 1 from linked union all select 1 from gone_prompt limit 1"):
            return
        seen = rows(connection, _SEEN)
    names = {t.name for t in teachers} | {row["teacher"] for row in seen}
    routes = {t.route for t in teachers} | {row["route"] for row in seen}
    terms = {key for t in teachers for key in (t.terms_id, t.terms_sha256)}
    terms |= {row[key] for row in seen for key in ("terms_id", "terms_sha256")}
    given = ((selection.teacher, names), (selection.route, routes), (selection.terms, terms))
    unknown = [(name, known) for name, known in given if name is not None and name not in known]
    if unknown or not selection.denies:
        raise BadInput(
            f"nothing in the data root is of {selection.words}: {_guess(unknown)}check the name or id and the times"
        )


def _guess(unknown: list[tuple[str, set[str]]]) -> str:
    near = [name for given, known in unknown for name in difflib.get_close_matches(given, known - {None}, n=1)]
    return f"did you mean {near[0]}? Else " if near else ""
