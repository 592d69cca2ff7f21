"""The public views: SQL files, run in order over the Parquet files that the catalog lists.

Each kind of Parquet has one private view, `store.<kind>_parquet`, with the absolute paths (never a glob: a
file that is not listed does not exist). Everything public is plain SQL over those and the `store` tables.
"""

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


def create_views(connection: duckdb.DuckDBPyConnection, root: Path) -> None:
    """Create or replace every view in the current database; `root` is the data root's absolute path."""
    connection.execute("begin transaction")
    for kind, schema in SCHEMAS.items():
        connection.execute(parquet_view(kind, schema, _paths(connection, kind, root)))
    for name in PUBLIC_VIEWS:
        connection.execute(view_sql(name))
    connection.execute("commit")


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


def _paths(connection: duckdb.DuckDBPyConnection, kind: str, root: Path) -> list[str]:
    found = connection.execute("select path from store.file where kind = ? order by path", [kind]).fetchall()
    return [str(root / path) for (path,) in found]


def _sql_type(arrow: pa.DataType) -> str:
    if isinstance(arrow, pa.ListType):
        return f"{_sql_type(arrow.value_type)}[]"
    if isinstance(arrow, pa.StructType):
        return "struct(" + ", ".join(f'"{field.name}" {_sql_type(field.type)}' for field in arrow) + ")"
    return _TYPES[arrow]
