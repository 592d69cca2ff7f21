"""Shards of a version: their schemas, their names, and a Parquet writer whose bytes repeat.

The bytes depend on the rows and on the pyarrow version alone: row groups hold a fixed number of rows however
the rows arrive, every writer setting is stated here, and no time or path goes in.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.errors import RunFailed
from warehouse.manifest import file_sha256
from warehouse.parts import make_durable, unwritable
from warehouse.records import MESSAGES

ROW_GROUP = 1_000  # rows; a reasoning trace is 5-60 KB, so a group is 5-60 MB before compression

_IDENTITY: dict[str, pa.DataType] = {
    "trace_id": pa.string(),
    "prompt_id": pa.string(),
    "teacher": pa.string(),
    "terms_id": pa.string(),
    "terms_sha256": pa.string(),
    "simulated": pa.bool_(),
    "family": pa.string(),
    "license": pa.string(),
}
_REASONING_MESSAGES = pa.list_(
    pa.struct([("role", pa.string()), ("content", pa.string()), ("reasoning_content", pa.string())])
)


def _rows(completion: pa.DataType) -> pa.Schema:
    messages = {"prompt": MESSAGES, "completion": completion}
    return pa.schema(messages | {"reasoning": pa.string(), "answer": pa.string()} | _IDENTITY)


ROWS = {"field": _rows(_REASONING_MESSAGES), "inline": _rows(MESSAGES)}
"""Of train and validation shards, by the form that the reasoning has."""

HELDOUT = pa.schema(  # prompts of the validation side, to evaluate students on
    [
        ("prompt", MESSAGES),
        ("prompt_id", pa.string()),
        ("question", pa.string()),
        ("reference", pa.string()),
        ("verifier", pa.string()),
        ("family", pa.string()),
        ("metadata", pa.string()),
        ("license", pa.string()),
    ]
)

# few values, many rows
_DICTIONARY: Any = ["teacher", "terms_id", "terms_sha256", "family", "license", "verifier"]

SETTINGS: dict[str, Any] = {
    "version": "2.6",
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": _DICTIONARY,
    "data_page_version": "1.0",
    "data_page_size": 1 << 20,
    "write_statistics": True,
    "store_schema": True,
}
"""Of pyarrow's writer, all that the bytes depend on."""


@dataclass(frozen=True)
class ShardFile:
    """A shard that is complete on disk."""

    name: str
    rows: int
    bytes: int
    sha256: str


def shard_name(split: str, index: int, total: int) -> str:
    """Name a shard as `datasets` and the Hub do: `train-00000-of-00004.parquet`."""
    return f"{split}-{index:05d}-of-{total:05d}.parquet"


def write_shard_groups(path: Path, schema: pa.Schema, groups: Iterable[pa.Table]) -> ShardFile:
    """Write row groups to `path`, durably; RunFailed when that cannot be done (a full disk), with no unfinished
    file left. All but the last must have ROW_GROUP rows.
    """
    with _written(path) as file:
        count = _write_groups(file, schema, groups)
    return ShardFile(path.name, count, path.stat().st_size, file_sha256(path))


def write_text(path: Path, data: bytes) -> str:
    """Write a small file beside the shards, as durably, and return its SHA-256."""
    with _written(path) as file:
        file.write(data)
    return file_sha256(path)


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name once it is complete and on the disk."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        make_durable(path.parent)
    except OSError as error:
        raise RunFailed(unwritable(path, error)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _write_groups(file: BinaryIO, schema: pa.Schema, groups: Iterable[pa.Table]) -> int:
    written = 0
    with pq.ParquetWriter(file, schema, **SETTINGS) as writer:
        for group in groups:
            writer.write_table(group, row_group_size=ROW_GROUP)
            written += group.num_rows
    return written
