"""Entries as a user writes them, loaded beside the shipped registry."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from tasks.right.registry import load_teachers, shipped_teachers
from tasks.right.terms import Teacher

Own = Callable[..., dict[str, Teacher]]


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def own(tmp_path: Path) -> Own:
    """`own("name: a ...", **{"weights/x.yaml": "..."})` gives what the registry makes of such a folder."""

    def load(*entries: str, **files: str) -> dict[str, Teacher]:
        folder = tmp_path / "teachers"
        folder.mkdir(exist_ok=True)
        for number, entry in enumerate(entries):
            (folder / f"entry{number}.yaml").write_text(dedent(entry), encoding="utf-8")
        for path, text in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(dedent(text), encoding="utf-8")
        return load_teachers([shipped_teachers(), folder])

    return load
