"""The steps of a recall that change the catalog; each is one transaction, and done again changes nothing."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from tasks.recall.marks import marks_of
from tasks.recall.reach import fill
from tasks.recall.selection import Selection, from_dict
from tasks.recall.statements import Connection, rows, statement
from warehouse.catalog import connect, transaction
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.parts import write_part
from warehouse.records import RECALLED, DataFile

STREAM_ROWS = 512
"""Traces held at a time: 10 MB of 20 KB each."""

LEAST_DIGITS = 4
"""Of a recall's id: an empty shell variable must not purge the only recall there is."""


@dataclass(frozen=True)
class Recorded:
    """A recall that was begun."""

    selection: Selection
    why: str
    state: str


def begin(root: DataRoot, selection: Selection, why: str, now: datetime) -> None:
    """List the recall: from here on the gate refuses whom it denies, in every run that asks it."""
    whom = (selection.teacher, selection.route, selection.terms) if selection.denies else (None, None, None)
    row = {
        "recall_id": selection.recall_id, "why": why, "selection": json.dumps(selection.as_dict()),
        "denies": selection.denies, "teacher": whom[0], "route": whom[1], "terms": whom[2],
        "state": "applying", "begun_at": now,
    }  # fmt: skip
    with transaction(root, now, publish="now") as store:
        store.insert("recall", [row])
        _set_state(store, selection.recall_id, "applying")


def recorded(root: DataRoot, recall_id: str) -> Recorded | None:
    """The recall of this id, or of an id that begins so.

    Raises:
        BadInput: more than one begins so, or so few characters are given that a slip could name a recall.
    """
    if len(recall_id) < LEAST_DIGITS:
        raise BadInput(f"{recall_id!r} is too short to name a recall: give {LEAST_DIGITS} or more digits of its id")
    with closing(connect(root)) as connection:
        sql = "select selection, why, state from store.recall where starts_with(recall_id, $id)"
        found = rows(connection, sql, {"id": recall_id})
    if len(found) > 1:
        raise BadInput(f"{len(found)} recalls begin with {recall_id}: give more digits")
    return next((Recorded(from_dict(json.loads(r["selection"])), r["why"], r["state"]) for r in found), None)


def withdraw(
    root: DataRoot, selection: Selection, now: datetime, after: Callable[[str], None]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Withdraw the rows that are not withdrawn yet, then revoke the versions that hold such rows; nobody writes
    meanwhile, so what is reached is worked out once.

    Returns:
        Every version that this recall ever revoked, and the datasets to be judged again.
    """
    with closing(connect(root)) as connection:
        fill(connection, root, selection)
        _tombstone(root, connection, selection.recall_id, now)
        after("tombstoned")
        revoked = _revoke(root, connection, selection.recall_id, now)
        after("revoked")
        return revoked, tuple(row["dataset"] for row in rows(connection, statement("datasets")))


def _tombstone(root: DataRoot, connection: Connection, recall_id: str, now: datetime) -> None:
    """From here on no view shows the rows as kept."""
    file = _write(root, connection, recall_id, now)
    if file.rows:
        with transaction(root, now, publish="now") as store:
            store.add_files([file])
            store.execute("update store.recall set purged_at = null where recall_id = ?", [recall_id])


def _write(root: DataRoot, connection: Connection, recall_id: str, now: datetime) -> DataFile:
    """The next part of the recall; one that a killed process wrote and did not list is written over."""
    sql = "select count(*) as files from store.file where kind = 'recalled' and starts_with(path, $begins)"
    (listed,) = rows(connection, sql, {"begins": f"recalled/{recall_id}/"})
    reader = connection.sql(statement("texts"), params={"recall_id": recall_id}).to_arrow_reader(STREAM_ROWS)
    return write_part(root, "recalled", f"{recall_id}/{listed['files']:04}", _marked(reader, recall_id, now))


def _marked(reader: Any, recall_id: str, now: datetime) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        found = [
            {name: row.get(name) for name in RECALLED.names}
            | {"recall_id": recall_id, "recalled_at": now}
            | {"marks": marks_of(row[name] for name in ("reasoning", "content", "answer", "question"))}
            for row in batch.to_pylist()
        ]
        yield from pa.Table.from_pylist(found, schema=RECALLED).to_batches()


def _revoke(root: DataRoot, connection: Connection, recall_id: str, now: datetime) -> tuple[str, ...]:
    """With their shares as they are now; every version it has revoked."""
    found = rows(connection, "from reached_version order by version")
    marked = [{"recall_id": recall_id, **row, "revoked_at": now} for row in found]
    with transaction(root, now, publish="now") as store:
        store.insert("revocation", marked)
        revoked = store.rows("select version from store.revocation where recall_id = ? order by version", [recall_id])
    return tuple(str(row["version"]) for row in revoked)


def succeed(root: DataRoot, recall_id: str, dataset: str, version: str | None, note: str | None, now: datetime) -> None:
    """Say what took the place of a dataset's revoked versions, or why nothing did. What was said first holds, unless it
    was that there is nothing."""
    row = {"recall_id": recall_id, "dataset": dataset, "version": version, "note": note, "succeeded_at": now}
    with transaction(root, now) as store:
        store.execute(
            "delete from store.succession where recall_id = ? and dataset = ? and version is null", [recall_id, dataset]
        )
        store.insert("succession", [row])


def complete(root: DataRoot, recall_id: str, now: datetime) -> None:
    """The recall is through."""
    with transaction(root, now, publish="now") as store:
        store.execute(
            "update store.recall set applied_at = coalesce(applied_at, ?), "
            "state = case when purged_at is null then 'applied' else 'purged' end where recall_id = ?",
            [now, recall_id],
        )


def is_announced(root: DataRoot, recall_id: str) -> bool:
    """Whether Prefect's users were told of it."""
    with closing(connect(root)) as connection:
        sql = "select announced_at is not null as told from store.recall where recall_id = $id"
        return bool(rows(connection, sql, {"id": recall_id})[0]["told"])


def announced(root: DataRoot, recall_id: str, now: datetime) -> None:
    """Note that they were told; told and not noted, they are told again."""
    with transaction(root, now) as store:
        store.execute("update store.recall set announced_at = ? where recall_id = ?", [now, recall_id])


def summary(root: DataRoot, recall_id: str) -> Mapping[str, Any]:
    """The recall as the view `recalls` has it, with what became of each version and student."""
    with closing(connect(root)) as connection:
        own = {"id": recall_id}
        (row,) = rows(connection, "select * from recalls where recall_id = $id", own)
        revoked = rows(connection, "select * from store.revocation where recall_id = $id order by version", own)
        after = rows(connection, "select dataset, version, note from store.succession where recall_id = $id", own)
        tainted = "select * from students where list_contains(recalls, $id) order by student"
        students = rows(connection, tainted, own)
    return {**row, "revoked": revoked, "succession": after, "students": students}


def _set_state(store: Any, recall_id: str, state: str) -> None:
    store.execute("update store.recall set state = ? where recall_id = ?", [state, recall_id])
