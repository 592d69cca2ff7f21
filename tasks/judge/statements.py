"""This station's SQL, and the connection it runs on."""

from importlib import resources
from typing import Any

Connection = Any
"""What `warehouse.catalog.connect` gives; only the warehouse names its library."""


def statement(name: str) -> str:
    """The text of one of this station's SQL files."""
    return resources.files("tasks.judge").joinpath("sql", f"{name}.sql").read_text()
