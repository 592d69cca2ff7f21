"""Reading the warehouse for a publication: SQL files, batches of rows, temporary tables."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import pyarrow as pa

Connection = Any
"""What `warehouse.catalog.connect` gives; only the warehouse names its library."""


def statement(name: str) -> str:
    """The text of one of this station's SQL files."""
    return (files("tasks.publish") / "sql" / f"{name}.sql").read_text()


def batches(
    connection: Connection, sql: str, parameters: Mapping[str, Any], rows: int = 1_000
) -> Iterator[pa.RecordBatch]:
    """Stream a query's rows; nothing else may run on this connection until the last one is taken."""
    yield from connection.sql(sql, params=dict(parameters)).to_arrow_reader(rows)


def read_table(connection: Connection, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
    """All rows of a query that has few, or of one page of a query."""
    table: pa.Table = connection.sql(sql, params=dict(parameters or {})).to_arrow_table()
    return table


def pages(connection: Connection, table: str, rows: int) -> Iterator[pa.Table]:
    """Read a temporary table numbered from 1 by its column `n`, page by page; between pages the connection
    is free.
    """
    total = one_row(connection, f"select count(*) as n from {table}")["n"]
    for first in range(1, total + 1, rows):
        page = {"first": first, "last": first + rows - 1}
        yield read_table(connection, f"from {table} where n between $first and $last", page)


def column(table: pa.Table, name: str) -> list[str]:
    """A text column without nulls as a list."""
    values: list[Any] = table[name].to_pylist()
    return values


def one_row(connection: Connection, sql: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The row of a query that has exactly one, by column."""
    (row,) = all_rows(connection, sql, parameters)
    return row


def all_rows(connection: Connection, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Every row of a small query, by column."""
    return list(read_table(connection, sql, parameters).to_pylist())


def create(connection: Connection, table: str, schema: pa.Schema) -> None:
    """Make an empty temporary table, private to this connection."""
    connection.register("rows_to_append", schema.empty_table())
    connection.execute(f"create or replace temp table {table} as select * from rows_to_append")
    connection.unregister("rows_to_append")


def append(connection: Connection, table: str, rows: pa.Table) -> None:
    """Add rows to a temporary table made by `create`."""
    connection.register("rows_to_append", rows)
    connection.execute(f"insert into {table} select * from rows_to_append")
    connection.unregister("rows_to_append")
