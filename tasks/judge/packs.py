"""Evaluation packs: files of questions that a student will be tested on, which must not be among what it learns."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from warehouse.errors import BadInput

QUESTION_FIELDS = ("question", "problem", "prompt", "instruction", "input")
_SHOWN = 60


@dataclass(frozen=True)
class Pack:
    """One file of evaluation questions."""

    name: str
    """The file's last folder and name."""
    sha256: str
    """Of the file: another version is another rule set, and everything is judged again."""
    questions: tuple[str, ...]
    lines: tuple[int, ...]
    """The line of each question, from 1."""


def read_packs(paths: Sequence[Path]) -> tuple[Pack, ...]:
    """Read JSON lines, each with a question in one of `QUESTION_FIELDS`.

    Raises:
        BadInput: a file cannot be read, a line is no JSON object, or holds no question; the message names the line.
    """
    return tuple(_read(path) for path in paths)


def _read(path: Path) -> Pack:
    try:
        data = path.read_bytes()
        lines = data.decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"evaluation pack {path}: cannot be read ({error}); correct judge.eval_packs") from None
    found = [(number, _question(path, number, line)) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise BadInput(f"evaluation pack {path}: holds no question; correct judge.eval_packs")
    numbers, questions = zip(*found, strict=True)
    return Pack(f"{path.parent.name}/{path.name}", hashlib.sha256(data).hexdigest(), questions, numbers)


def _question(path: Path, number: int, line: str) -> str:
    where = f"evaluation pack {path}, line {number}"
    try:
        row = json.loads(line)
    except ValueError:
        raise BadInput(f"{where}: no JSON, {line[:_SHOWN]!r}; write one JSON object a line") from None
    texts = [row[name] for name in QUESTION_FIELDS if name in row] if isinstance(row, dict) else []
    if not texts or not isinstance(texts[0], str) or not texts[0].strip():
        names = ", ".join(QUESTION_FIELDS)
        raise BadInput(f"{where}: no question in {line[:_SHOWN]!r}; give it as one of {names}") from None
    return texts[0]
