"""The SQL files of this station, and rows by column."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

Connection = Any
"""What `warehouse.catalog.connect` gives; only the warehouse names its library."""


def statement(name: str) -> str:
    """The text of one of this station's SQL files."""
    return (files("tasks.recall") / "sql" / f"{name}.sql").read_text()


def rows(connection: Connection, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Every row of a small query, by column."""
    return list(connection.sql(sql, params=dict(parameters or {})).to_arrow_table().to_pylist())
