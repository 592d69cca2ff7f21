"""What can be done inside a transaction of the catalog."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

import duckdb
import pyarrow as pa

from warehouse.errors import RunFailed
from warehouse.records import DataFile

_REFRESHED = {"teacher": "seen_at"}
"""Tables where a row that is there already gets a newer time, so that the latest entry seen is known."""


class Transaction:
    """An open transaction; made by `warehouse.catalog.transaction`, dead after its block."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def add_files(self, files: Sequence[DataFile]) -> None:
        """List parts, so that they exist for readers. A path that is listed already is left as it is.

        Raises `RunFailed` when a listed path now has other content: a part never changes.
        """
        if not files:
            return
        paths = [file.path for file in files]
        listed = dict(
            self._connection.execute(
                "select path, sha256 from store.file where path in (select unnest(?))", [paths]
            ).fetchall()
        )
        for file in files:
            if listed.get(file.path, file.sha256) != file.sha256:
                raise RunFailed(
                    f"{file.path} was listed with other content ({listed[file.path]}): a part never changes"
                )
        self.insert("file", [{**asdict(file), "added_at": self._now} for file in files])

    def remove_files(self, paths: Sequence[str]) -> None:
        """List parts no longer, so that they do not exist for readers; their files are the caller's to delete."""
        self._connection.execute("delete from store.file where path in (select unnest(?))", [list(paths)]).fetchall()

    def insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert rows into `store.<table>`, columns by name; a row whose key is there already is left out.

        Dictionaries and lists are stored as JSON with sorted keys. Raises `ValueError` for an unknown table
        or column.
        """
        if not rows:
            return
        columns = list(rows[0])
        self._check_columns(table, rows)
        names = ", ".join(f'"{column}"' for column in columns)
        refreshed = _REFRESHED.get(table)
        conflict = f"do update set {refreshed} = excluded.{refreshed}" if refreshed else "do nothing"
        incoming = pa.Table.from_pylist([{column: _stored(row[column]) for column in columns} for row in rows])
        self._connection.register("incoming", incoming)
        self._connection.execute(
            f"insert into store.{table} ({names}) select {names} from incoming on conflict {conflict}"
        )
        self._connection.unregister("incoming")

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run one statement on the `store` tables; values are bound, never written into the text."""
        self._connection.execute(sql, list(parameters)).fetchall()  # an unread result would block the commit

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, object]]:
        """The rows of a query on the `store` tables; read views by `connect`, from the published file."""
        result = self._connection.execute(sql, list(parameters))
        columns = [column[0] for column in result.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]

    def _check_columns(self, table: str, rows: Sequence[Mapping[str, object]]) -> None:
        known = self._connection.execute(
            "select column_name from duckdb_columns() where schema_name = 'store' and table_name = ?", [table]
        ).fetchall()
        if not known:
            raise ValueError(f"store.{table} is not a table of the catalog")
        unknown = sorted(set(rows[0]) - {name for (name,) in known})
        if unknown:
            raise ValueError(f"store.{table} has no column {', '.join(unknown)}")
        if any(set(row) != set(rows[0]) for row in rows):
            raise ValueError(f"rows for store.{table} do not all have the columns {', '.join(rows[0])}")


def _stored(value: object) -> object:
    return json.dumps(value, sort_keys=True, separators=(",", ":")) if isinstance(value, dict | list | tuple) else value
