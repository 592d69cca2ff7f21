"""Writing Parquet parts: a file that has its final name is complete, fits its schema, and is on the disk.

A part exists for readers once a transaction has listed it (`Transaction.add_files`).
"""

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from warehouse.errors import RunFailed
from warehouse.layout import DataRoot
from warehouse.records import SCHEMAS, DataFile

ROW_GROUP_ROWS = 8192
"""Rows of a row group: at 20 KB a trace about 160 MB, the most that `write_part` holds in memory."""

ONE_TEACHER_KINDS = frozenset({"ledger", "traces", "readings", "findings"})
"""Kinds whose files must say their one (teacher, terms_sha256), so that a recall drops whole files."""

_ZSTD_LEVEL = 3


def write_part(
    root: DataRoot,
    kind: str,
    name: str,
    rows: pa.Table | Iterable[pa.RecordBatch],
    *,
    dataset: str | None = None,
    teacher: str | None = None,
    terms_sha256: str | None = None,
    segment_id: str | None = None,
) -> DataFile:
    """Write `<kind>/<name>.parquet` and return its record; equal rows give equal bytes, however batched.

    `rows` may be an iterator: no more than one row group is held in memory. Where `teacher` or
    `terms_sha256` is given, every row must carry it. Raises `ValueError` for rows that do not fit the
    kind's schema, and `RunFailed` when the file cannot be written (a full disk), after removing what was
    begun.
    """
    if kind in ONE_TEACHER_KINDS and (teacher is None or terms_sha256 is None):
        raise ValueError(f"a part of {kind} holds rows of one teacher and one terms_sha256: give both")
    relative = part_path(kind, name)
    checked = _checked(kind, _batches(rows), {"teacher": teacher, "terms_sha256": terms_sha256})
    target = root.path / relative
    try:
        count = _write(target, SCHEMAS[kind], _row_groups(SCHEMAS[kind], checked))
        size = target.stat().st_size
        with target.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunFailed(unwritable(target, error)) from error
    return DataFile(kind, relative, count, size, digest, teacher, terms_sha256, dataset, segment_id)


def part_path(kind: str, name: str) -> str:
    """Where a part lies, relative to the data root. `name` may hold folders, but no way out of the kind's."""
    steps = name.split("/")
    if kind not in SCHEMAS:
        raise ValueError(f"unknown kind of part {kind!r}: known are {', '.join(SCHEMAS)}")
    if any(not step or step.startswith(".") for step in steps):
        raise ValueError(f"a part's name has plain words between its slashes, not {name!r}")
    return str(PurePosixPath(kind, *steps[:-1], f"{steps[-1]}.parquet"))


def unwritable(path: Path, error: OSError) -> str:
    """The one line for a file that could not be written: the path, the system's reason, and what to do."""
    reason = error.strerror or " ".join(str(error).split())
    return f"cannot write {path}: {reason}: make room or mend the disk, then run the same command again"


def make_durable(path: Path) -> None:
    """Bring a file's bytes, or a rename within a folder, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _batches(rows: pa.Table | Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    return rows.to_batches() if isinstance(rows, pa.Table) else rows


def _checked(kind: str, batches: Iterable[pa.RecordBatch], constant: dict[str, str | None]) -> Iterator[pa.RecordBatch]:
    schema = SCHEMAS[kind]
    expected = {column: value for column, value in constant.items() if value is not None and column in schema.names}
    for batch in batches:
        if not batch.schema.equals(schema):
            raise ValueError(f"rows of {kind} do not fit its schema: {_difference(batch.schema, schema)}")
        for column, value in expected.items():
            if batch.num_rows and not pc.all(pc.equal(batch[column], pa.scalar(value)), skip_nulls=False).as_py():
                raise ValueError(f"a part of {kind} for {column}={value!r} holds rows with another {column}")
        yield batch.replace_schema_metadata(None)  # a reader's own notes (pandas) would change the bytes


def _difference(found: pa.Schema, expected: pa.Schema) -> str:
    wanted = {field.name: str(field.type) for field in expected}
    given = {field.name: str(field.type) for field in found}
    lines = [f"{name} is missing" for name in wanted if name not in given]
    lines += [f"{name} is not a column" for name in given if name not in wanted]
    lines += [
        f"{name} is {given[name]}, not {wanted[name]}"
        for name in wanted
        if given.get(name, wanted[name]) != wanted[name]
    ]
    return "; ".join(lines) or f"the columns are not in the order {', '.join(wanted)}"


def _row_groups(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Cut batches of any size into tables of ROW_GROUP_ROWS rows, so that bytes do not depend on batching."""
    pending: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        while batch.num_rows:
            head = batch.slice(0, ROW_GROUP_ROWS - count)
            pending.append(head)
            count += head.num_rows
            batch = batch.slice(head.num_rows)
            if count == ROW_GROUP_ROWS:
                yield pa.Table.from_batches(pending, schema).combine_chunks()
                pending, count = [], 0
    if pending:
        yield pa.Table.from_batches(pending, schema).combine_chunks()


def _write(target: Path, schema: pa.Schema, groups: Iterable[pa.Table]) -> int:
    """Write through a temporary file beside it; returns the rows. No half-written file has the name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
    count = 0
    try:
        with temporary.open("wb") as file:
            with pq.ParquetWriter(file, schema, compression="zstd", compression_level=_ZSTD_LEVEL) as writer:
                for group in groups:
                    writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
                    count += group.num_rows
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    make_durable(target.parent)
    return count
