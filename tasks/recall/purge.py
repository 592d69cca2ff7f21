"""Delete what a recall withdrew: whole files where they hold nothing else, else a file without the rows takes their
place.

The ledger keeps its rows, which are the account of what was asked and paid, and loses what the teacher said. Readers
that opened the warehouse before lose their files: a purge does not wait.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.recall.reach import GONE, KEYS, touched
from tasks.recall.statements import Connection, rows, statement
from warehouse.catalog import connect, rewrite, transaction
from warehouse.layout import DataRoot
from warehouse.manifest import CARD, MANIFEST
from warehouse.parts import make_durable, write_part
from warehouse.records import SCHEMAS, DataFile

CONTENT = ("body", "headers", "error")
"""Columns of the ledger that are emptied; every other one stays: keys, times, tokens, dollars, who was asked under
which terms."""
STAY = (MANIFEST, CARD)
"""Files of a version that stay when its shards go: what it was, and no row of it."""


@dataclass(frozen=True)
class Purged:
    """What was deleted, as paths relative to the data root."""

    deleted: tuple[str, ...]
    rewritten: tuple[str, ...]


def purge(root: DataRoot, recall_id: str, now: datetime, after: Callable[[str], None]) -> Purged:
    """Delete what the recall withdrew; the recall is applied, the journal taken up, and nobody writes meanwhile.

    Raises:
        RunFailed: a file could not be written (a full disk); running it again goes on.
    """
    with transaction(root, now, publish="now") as store:
        store.execute("update store.recall set state = 'purging' where recall_id = ?", [recall_id])
    deleted, rewritten = _parts(root, recall_id, now)
    after("parts")
    deleted += [str(path.relative_to(root.path)) for path in (*_unlisted(root), *_beside(root, recall_id))]
    after("files")
    with transaction(root, now) as store:
        store.execute((statement("phrases")), [recall_id])
    rewrite(root, now)
    after("catalog")
    with transaction(root, now, publish="now") as store:
        store.execute(
            "update store.recall set state = 'purged', purged_at = coalesce(purged_at, ?) where recall_id = ?",
            [now, recall_id],
        )
    return Purged(tuple(sorted(deleted)), tuple(sorted(rewritten)))


def _parts(root: DataRoot, recall_id: str, now: datetime) -> tuple[list[str], list[str]]:
    """Replace the listed parts in one transaction; then nothing lists the old ones, and they go."""
    with closing(connect(root)) as connection:
        connection.execute(statement("recalled"), {"recall_id": recall_id})
        files = [file for file in touched(connection, root) if file.kind != "ledger" or _says(root.path / file.path)]
        gone = {key: connection.sql(sql).to_arrow_table()["key"].combine_chunks() for key, sql in GONE.items()}
        listed = {row["path"]: row for row in rows(connection, "from store.file")}
    new = [
        _without(root, DataFile(**_record(listed[file.path])), gone[KEYS[file.kind]], recall_id)
        for file in files
        if file.kind == "ledger" or file.recalled < file.rows
    ]
    with transaction(root, now, publish="now") as store:
        store.remove_files([file.path for file in files])
        store.add_files(new)
    for file in files:
        (root.path / file.path).unlink(missing_ok=True)
    return [file.path for file in files], [file.path for file in new]


def _record(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in DataFile.__dataclass_fields__}


def _says(path: Path) -> bool:
    """Whether a part of the ledger holds anything that a teacher said."""
    return any(
        batch.num_rows > column.null_count
        for batch in pq.ParquetFile(path).iter_batches(columns=list(CONTENT), batch_size=256)
        for column in batch.columns
    )


def _without(root: DataRoot, old: DataFile, gone: Any, recall_id: str) -> DataFile:
    """Write a part without the rows; of the ledger, without what they say. Its name says which recall it was."""
    name = f"{old.path.removeprefix(old.kind + '/').removesuffix('.parquet')}-less-{recall_id[:12]}"
    schema = SCHEMAS[old.kind]

    def left() -> Iterator[pa.RecordBatch]:
        for batch in pq.ParquetFile(root.path / old.path).iter_batches(batch_size=256):
            is_gone = pc.is_in(batch[KEYS[old.kind]], value_set=gone)
            columns = [_column(batch, field) for field in schema]
            if old.kind == "ledger":
                columns = [
                    pc.if_else(is_gone, pa.scalar(None, field.type), column) if field.name in CONTENT else column
                    for field, column in zip(schema, columns, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)
            else:
                yield pa.RecordBatch.from_arrays(columns, schema=schema).filter(pc.invert(is_gone))

    return write_part(
        root, old.kind, name, left(), dataset=old.dataset, teacher=old.teacher, terms_sha256=old.terms_sha256,
        segment_id=old.segment_id,
    )  # fmt: skip


def _column(batch: pa.RecordBatch, field: Any) -> Any:
    """A column that parts of an earlier layout do not have is null."""
    there = field.name in batch.schema.names
    return batch[field.name].cast(field.type) if there else pa.nulls(batch.num_rows, field.type)


def _unlisted(root: DataRoot) -> Iterator[Path]:
    """Delete parts that no catalog lists: a killed process left them, and nobody writes now."""
    with closing(connect(root)) as connection:
        listed = {row["path"] for row in rows(connection, "select path from store.file")}
    for kind in KEYS:
        for path in sorted(root.parts(kind).rglob("*")):
            if path.is_file() and str(path.relative_to(root.path)) not in listed:
                path.unlink()
                yield path


def _beside(root: DataRoot, recall_id: str) -> Iterator[Path]:
    """Delete the shards of revoked versions, and what can be made again: reports, scratch, a training's own copies."""
    with closing(connect(root)) as connection:
        versions = _versions(connection, recall_id)
        students = rows(connection, "select student from students where list_contains(recalls, $id)", {"id": recall_id})
        prompts = rows(connection, "select prompts from recalls where recall_id = $id", {"id": recall_id})[0]["prompts"]
    for version in versions:
        folder = root.path / version["folder"]
        yield from _delete(path for path in sorted(folder.glob("*")) if path.name not in STAY)
        yield from _delete(sorted(folder.parent.glob(".tmp-*")))
        yield from _delete(sorted(root.reports.glob(f"*{version['dataset']}*")))
    for student in students:
        folder = root.students / student["student"]
        yield from _delete([folder / "work", *([folder / "heldout.parquet"] if prompts else [])])
    yield from _delete(sorted(root.scratches.glob("*")))


def _versions(connection: Connection, recall_id: str) -> Sequence[dict[str, str]]:
    """Those that hold such rows, or held out such prompts; not those that other rows made wrong."""
    sql = (
        "select v.version, v.dataset, v.folder from store.version as v join store.revocation as r using (version) "
        "where r.recall_id = $id and (r.recalled_rows > 0 or r.judged_rows = 0) order by all"
    )
    return rows(connection, sql, {"id": recall_id})


def _delete(paths: Sequence[Path] | Iterator[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.exists() or path.is_symlink():
            path.unlink()
        else:
            continue
        make_durable(path.parent)
        yield path
