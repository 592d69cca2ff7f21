"""The public views: SQL files, run in order over the Parquet files that the catalog lists.

Each kind of Parquet has one private view, `store.<kind>_parquet`, with the absolute paths (never a glob: a
file that is not listed does not exist). Everything public is plain SQL over those and the `store` tables.
"""

import hashlib
from importlib.resources import files
from pathlib import Path

import duckdb
import pyarrow as pa

from warehouse.records import SCHEMAS

PUBLIC_VIEWS = (  # in order: a view is made after those it reads
    "prompts",
    "attempts",
    "traces",
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
    "spend",
    "wanted",
    "funnel",
    "lineage",
)

_TYPES = {
    pa.string(): "varchar",
    pa.large_string(): "varchar",
    pa.large_binary(): "blob",
    pa.bool_(): "boolean",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.timestamp("us", tz="UTC"): "timestamptz",
}


def renew_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the catalog's views anew if the SQL files have changed since (making them takes 0.1 s)."""
    digest = _digest()
    if connection.execute("select sha256 from store.view_set").fetchall() == [(digest,)]:
        return
    connection.execute("begin transaction")
    for kind, schema in SCHEMAS.items():
        connection.execute(parquet_view(kind, schema, []))
    create_public_views(connection)
    connection.execute("delete from store.view_set")
    connection.execute("insert into store.view_set (sha256) values (?)", [digest])
    connection.execute("commit")


def create_public_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Create or replace the public views in the current database, over its private ones."""
    for name in PUBLIC_VIEWS:
        connection.execute(view_sql(name))


def point_at_files(connection: duckdb.DuckDBPyConnection, root: Path) -> None:
    """Make the private views read the listed files under `root`, the data root's absolute path."""
    paths: dict[str, list[str]] = {kind: [] for kind in SCHEMAS}
    for kind, path in connection.execute("select kind, path from store.file order by path").fetchall():
        paths[kind].append(str(root / path))
    for kind, schema in SCHEMAS.items():
        connection.execute(parquet_view(kind, schema, paths[kind]))


def view_sql(name: str) -> str:
    """The SQL file of a public view."""
    return (files("warehouse") / "sql" / "views" / f"{name}.sql").read_text()


def mirror_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `memory` current and show it the tables of the read-only `warehouse`: for a root that has moved.

    The file's own views hold the old paths and cannot be replaced in it, so they are made anew in memory.
    """
    tables = connection.execute(
        "select table_name from duckdb_tables() where database_name = 'warehouse' and schema_name = 'store'"
    ).fetchall()
    connection.execute("use memory")
    connection.execute("create schema store")
    for (table,) in tables:
        connection.execute(f'create view store."{table}" as from warehouse.store."{table}"')


def parquet_view(kind: str, schema: pa.Schema, paths: list[str]) -> str:
    """The private view over the files of one kind; typed and empty when there is none."""
    if not paths:
        nulls = ", ".join(f'null::{_sql_type(field.type)} as "{field.name}"' for field in schema)
        return f"create or replace view store.{kind}_parquet as select {nulls} where false"
    columns = ", ".join(f'"{field.name}"' for field in schema)
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    return f"create or replace view store.{kind}_parquet as select {columns} from read_parquet([{listed}])"


def _digest() -> str:
    """Changes with the SQL files and with the schemas that the private views are made from."""
    digest = hashlib.sha256()
    for part in (*(view_sql(name) for name in PUBLIC_VIEWS), *(str(schema) for schema in SCHEMAS.values())):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _sql_type(arrow: pa.DataType) -> str:
    if isinstance(arrow, pa.ListType):
        return f"{_sql_type(arrow.value_type)}[]"
    if isinstance(arrow, pa.StructType):
        return "struct(" + ", ".join(f'"{field.name}" {_sql_type(field.type)}' for field in arrow) + ")"
    return _TYPES[arrow]
