"""Prove that nothing of a recall is left: every file of the data root is read, and searched by key and by content.

By key: rows of Parquet files that hold content under a recalled id, and the journal's own records. By content: the
marks of the recalled texts (`tasks.recall.marks`), in every text column of Parquet files decoded, in the tables of
DuckDB files decoded, and in the bytes of every other file. Keys alone stay on purpose: in the ledger, in lineage, in
the recall.
"""

import mmap
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.recall.marks import Seeker, mark_of_id
from tasks.recall.purge import CONTENT
from tasks.recall.statements import rows, statement
from warehouse.catalog import connect
from warehouse.errors import RunFailed
from warehouse.generation import texts
from warehouse.layout import DataRoot

KEYS_STAY = frozenset({"plans", "duplicates", "version_rows", "splits", "recalled"})
"""Folders of parts that hold keys and no content."""
WEIGHTS = frozenset({".safetensors", ".bin", ".pt", ".pth", ".gguf"})
"""Not searched: what a model has learned is not found by searching its weights."""
_IS_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
_ROWS = 256  # of a Parquet file, decoded at a time


@dataclass
class Searched:
    """What was searched in one folder of the data root."""

    files: int = 0
    bytes: int = 0


@dataclass
class Verified:
    """What was searched, and what is left."""

    recall_id: str
    traces: int
    marks: int
    by_key_alone: int
    """Texts too short, or without a plain stretch, to be searched for by content."""
    common: int = 0
    """Marks that rows which stay hold too: their words, found everywhere these are."""
    searched: dict[str, Searched] = field(default_factory=lambda: defaultdict(Searched))
    skipped: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.left


@dataclass(frozen=True)
class _Sought:
    attempts: Any
    traces: Any
    prompts: Any
    content: Seeker
    ids: Seeker


def verify(root: DataRoot, recall_id: str) -> Verified:
    """Read every file of the data root and say what is left of a recall; changes nothing.

    Raises:
        RunFailed: a file cannot be read, so that nothing can be said of it.
    """
    with closing(connect(root)) as connection:
        connection.execute(statement("recalled"), {"recall_id": recall_id})
        found = rows(connection, statement("sought"))[0]
        listed = {row["path"] for row in rows(connection, "select path from store.file")}
    ids = [key for key in (*found["attempts"], *found["traces"]) if len(key) == 32]
    attempts, traces, prompts = (pa.array(found[name], pa.string()) for name in ("attempts", "traces", "prompts"))
    sought = _Sought(attempts, traces, prompts, Seeker(found["marks"]), Seeker(map(mark_of_id, ids)))
    done = Verified(recall_id, len(found["traces"]), len(found["marks"]), found["by_key_alone"])
    hits: dict[str, set[int]] = {}
    common: set[int] = set()
    for path in sorted(root.path.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        name = str(path.relative_to(root.path))
        if path.suffix in WEIGHTS:
            done.skipped.append(name)
            continue
        try:
            by_key, marks = _search(path, name, sought)
        except (OSError, pa.ArrowException) as error:
            why = str(error).splitlines()[0]
            raise RunFailed(f"{name} cannot be read ({why}): mend or remove it, then verify again") from error
        where = done.searched[name.split("/")[0] if "/" in name else "."]
        where.files, where.bytes = where.files + 1, where.bytes + path.stat().st_size
        done.left += [f"{name}: {line}" for line in by_key]
        if name.split("/")[0] in ("traces", "prompts") and name in listed and not by_key:
            common |= marks
        elif marks:
            hits[name] = marks
    done.common = len(common)
    done.left += [
        f"{name}: {len(marks - common)} stretches of recalled text" for name, marks in hits.items() if marks - common
    ]
    return done


def _search(path: Path, name: str, sought: _Sought) -> tuple[list[str], set[int]]:
    """What a file holds: lines on recalled keys, and marks of recalled texts."""
    if path.suffix == ".parquet":
        return _parquet(path, name.split("/")[0], sought)
    marks = _bytes(path, sought.content)
    if path.suffix == ".duckdb":
        marks |= {mark for text in texts(path) for mark in sought.content.found(text.encode())}
    is_journal = name.split("/")[0] == "journal"
    ids = len(_bytes(path, sought.ids)) if is_journal else 0
    return [f"{ids} recalled ids"] if ids else [], marks


def _bytes(path: Path, seeker: Seeker) -> set[int]:
    if not path.stat().st_size:
        return set()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return seeker.found(data[:]) if len(data) < 1 << 26 else _long(data, seeker)


def _long(data: mmap.mmap, seeker: Seeker) -> set[int]:
    """A long file, a piece after the other, each with the end of the one before."""
    piece, seen = 1 << 26, set[int]()
    for start in range(0, len(data), piece):
        seen |= seeker.found(data[max(0, start - 32) : start + piece])
    return seen


def _parquet(path: Path, kind: str, sought: _Sought) -> tuple[list[str], set[int]]:
    keys = {"attempt_id": sought.attempts, "trace_id": sought.traces}
    if kind == "prompts":
        keys = {"prompt_id": sought.prompts}
    counts: dict[str, int] = defaultdict(int)
    marks: set[int] = set()
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS):
            for key in () if kind in KEYS_STAY else keys.keys() & set(batch.schema.names):
                gone = pc.is_in(batch[key], value_set=keys[key])
                if kind == "ledger":
                    gone = pc.and_(gone, _says(batch))
                counts[key] += sum(1 for is_gone in gone.to_pylist() if is_gone)
            for column in batch.columns if kind != "recalled" else ():
                for text in _texts(column):
                    marks |= sought.content.found(text)
    return [f"{count} rows of recalled {key}" for key, count in sorted(counts.items()) if count], marks


def _says(batch: pa.RecordBatch) -> Any:
    said = [pc.is_valid(batch[name]) for name in CONTENT]
    return pc.or_(pc.or_(said[0], said[1]), said[2])


def _texts(column: Any) -> Iterator[memoryview]:
    """The bytes of every text in a column, however it is nested; of a slice, of the slice alone."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        yield from _texts(column.dictionary_decode())
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _texts(column.flatten())
    elif pa.types.is_struct(kind):
        for part in column.flatten():
            yield from _texts(part)
    elif any(is_text(kind) for is_text in _IS_TEXT):
        yield memoryview(b"\n".join(column.drop_null().cast(pa.large_binary()).to_pylist()))
