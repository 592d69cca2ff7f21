"""The public views: SQL files, run in order over the Parquet files that the catalog lists.

Each kind of Parquet has one private view, `store.<kind>_parquet`, with the absolute paths (never a glob: a
file that is not listed does not exist). Everything public is plain SQL over those and the `store` tables.
"""

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import duckdb
import pyarrow as pa

from warehouse.records import SCHEMAS, SINCE

PUBLIC_VIEWS = (  # in order: a view is made after those it reads
    "prompts",
    "attempts",
    "traces",
    "readings",
    "verdicts",
    "duplicates",
    "kept",
    "rejected",
    "teachers",
    "terms",
    "runs",
    "versions",
    "shards",
    "version_rows",
    "student_runs",
    "students",
    "recalls",
    "screens",
    "spend",
    "wanted",
    "funnel",
    "lengths",
    "lineage",
    "lineage_by_teacher",
    "provenance",
)

CURRENT_VIEWS = ("reading", "recalled", "attempt", "trace", "reach")
"""Private: what is read now of each attempt, and what each teacher has reached, which the public views are made of;
`store.current_<name>`."""

_TYPES = {
    pa.string(): "varchar",
    pa.large_string(): "varchar",
    pa.binary(): "blob",
    pa.large_binary(): "blob",
    pa.bool_(): "boolean",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.uint64(): "ubigint",
    pa.float64(): "double",
    pa.timestamp("us", tz="UTC"): "timestamptz",
}


def renew_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the catalog's views anew if the SQL files have changed since (making them takes 0.1 s)."""
    digest = views_digest()
    if connection.execute("select sha256 from store.view_set").fetchall() == [(digest,)]:
        return
    connection.execute("begin transaction")
    for kind, schema in SCHEMAS.items():
        connection.execute(parquet_view(kind, schema, {}))
    create_public_views(connection)
    connection.execute("delete from store.view_set")
    connection.execute("insert into store.view_set (sha256) values (?)", [digest])
    connection.execute("commit")


def create_public_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Create or replace the public views in the current database, and those they share, over its private ones."""
    for sql in _statements():
        connection.execute(sql)


def point_at_files(connection: duckdb.DuckDBPyConnection, root: Path) -> None:
    """Make the private views read the listed files under `root`, the data root's absolute path."""
    paths: dict[str, dict[int, list[str]]] = {kind: {} for kind in SCHEMAS}
    files = connection.execute("from store.file order by path")
    names = [column[0] for column in files.description or ()]
    for file in (dict(zip(names, row, strict=True)) for row in files.fetchall()):
        # A copy that was published before there were layouts has no such column either.
        paths[file["kind"]].setdefault(file.get("layout") or 1, []).append(str(root / file["path"]))
    for kind, schema in SCHEMAS.items():
        connection.execute(parquet_view(kind, schema, paths[kind]))


def keep_reach(connection: duckdb.DuckDBPyConnection) -> None:
    """Replace `store.current_reach` by a table of its rows, in a copy that nobody will change: who asks what a teacher
    has reached opens the file for that alone, and then joins and aggregates take five times as long as reading."""
    connection.execute("create table store.reach as from store.current_reach")
    connection.execute("drop view store.current_reach")
    connection.execute("alter table store.reach rename to current_reach")


def view_sql(name: str) -> str:
    """The SQL file of a public view."""
    return (files("warehouse") / "sql" / "views" / f"{name}.sql").read_text()


def _statements() -> Iterator[str]:
    """Every view's SQL, in order."""
    current = files("warehouse") / "sql" / "current"
    yield from ((current / f"{name}.sql").read_text() for name in CURRENT_VIEWS)
    yield from (view_sql(name) for name in PUBLIC_VIEWS)


def mirror_tables(connection: duckdb.DuckDBPyConnection, *, as_tables: bool = False) -> None:
    """Make `memory` current and show it the tables of the read-only `warehouse`: for a root that has moved.

    The file's own views hold the old paths and cannot be replaced in it, so they are made anew in memory. As tables,
    they are copies, which can be migrated; only the catalog's own, not the rows in Parquet nor what was made of them.
    """
    tables = connection.execute(
        "select table_name from duckdb_tables() where database_name = 'warehouse' and schema_name = 'store' "
        "and table_name not in (select 'current_' || unnest(?))",
        [CURRENT_VIEWS],
    ).fetchall()
    connection.execute("use memory")
    connection.execute("create schema store")
    for (table,) in tables:
        kind = "table" if as_tables else "view"
        connection.execute(f'create {kind} store."{table}" as from warehouse.store."{table}"')


def parquet_view(kind: str, schema: pa.Schema, paths: Mapping[int, list[str]]) -> str:
    """The private view over the files of one kind, by layout; typed and empty when there is none."""
    selects = [
        f"select {_columns(kind, schema, layout)} from read_parquet([{_listed(paths[layout])}])"
        for layout in sorted(paths)
    ]
    empty = f"select {_columns(kind, schema, 0)} where false"
    return f"create or replace view store.{kind}_parquet as {' union all '.join(selects) or empty}"


def _columns(kind: str, schema: pa.Schema, layout: int) -> str:
    """The columns of a kind; those that its files do not have yet are null."""
    there = {field.name for field in schema if SINCE.get((kind, field.name), 1) <= layout}
    return ", ".join(
        f'"{field.name}"' if field.name in there else f'null::{_sql_type(field.type)} as "{field.name}"'
        for field in schema
    )


def _listed(paths: list[str]) -> str:
    return ", ".join("'" + path.replace("'", "''") + "'" for path in paths)


@cache
def views_digest() -> str:
    """Changes with the SQL files and with the schemas that the private views are made from."""
    digest = hashlib.sha256()
    for part in (*_statements(), *(str(schema) for schema in SCHEMAS.values())):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _sql_type(arrow: pa.DataType) -> str:
    if isinstance(arrow, pa.ListType):
        return f"{_sql_type(arrow.value_type)}[]"
    if isinstance(arrow, pa.StructType):
        return "struct(" + ", ".join(f'"{field.name}" {_sql_type(field.type)}' for field in arrow) + ")"
    return _TYPES[arrow]
