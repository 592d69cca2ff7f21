"""Several shards written at once: compressing takes threads of its own, while the caller makes the next rows.

Each shard has one writer, which gets its row groups in their order, so the bytes do not depend on the number of
threads; what waits to be written is bounded in bytes.
"""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import pyarrow as pa

from warehouse.shards import ROW_GROUP, ShardFile, write_shard_groups

WAITING_BYTES = 256 * 2**20
"""Most bytes of rows that wait to be compressed; one row group more where it is larger than that by itself."""
MOST_THREADS = 8


@dataclass
class _Shard:
    """Row groups on their way to one writer, and how many bytes of them wait."""

    groups: "SimpleQueue[pa.Table | BaseException | None]" = field(default_factory=SimpleQueue)
    waiting: int = 0
    has_ended: bool = False


class ShardWriters:
    """Writers side by side, to be used as a context: leaving it waits for all of them."""

    def __init__(self, threads: int | None = None, waiting_bytes: int = WAITING_BYTES) -> None:
        self._pool = ThreadPoolExecutor(threads or min(MOST_THREADS, os.cpu_count() or 1), "shard")
        self._most, self._waiting = waiting_bytes, 0
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)

    def write(
        self, path: Path, schema: pa.Schema, rows: Iterable[Mapping[str, object]] | pa.Table
    ) -> "Future[ShardFile]":
        """Take all rows of a shard, and return its record to come.

        Returns once the last row is taken, which waits for room, or once the writer has failed: its RunFailed is the
        future's. Raises what `rows` raises. Of a shard that could not be finished no file is left.
        """
        shard = _Shard()
        job = self._pool.submit(self._write, path, schema, shard)
        try:
            for group in _groups(schema, rows):
                if not self._has_room(shard, group.nbytes):
                    break
                shard.groups.put(group)
        except BaseException as error:
            shard.groups.put(error)
            raise
        shard.groups.put(None)
        return job

    def _write(self, path: Path, schema: pa.Schema, shard: _Shard) -> ShardFile:
        try:
            return write_shard_groups(path, schema, self._taken(shard))
        finally:
            with self._changed:
                shard.has_ended = True
            self._give_back(shard, shard.waiting)

    def _taken(self, shard: _Shard) -> Iterator[pa.Table]:
        while (group := shard.groups.get()) is not None:
            if isinstance(group, BaseException):
                raise group
            yield group
            self._give_back(shard, group.nbytes)

    def _has_room(self, shard: _Shard, size: int) -> bool:
        """Wait for room and take it; False where the shard's writer has ended, which before the last row is a
        failure."""
        with self._changed:
            self._changed.wait_for(lambda: shard.has_ended or not self._waiting or self._waiting + size <= self._most)
            if not shard.has_ended:
                self._waiting += size
                shard.waiting += size
            return not shard.has_ended

    def _give_back(self, shard: _Shard, size: int) -> None:
        with self._changed:
            self._waiting -= size
            shard.waiting -= size
            self._changed.notify_all()


def _groups(schema: pa.Schema, rows: Iterable[Mapping[str, object]] | pa.Table) -> Iterator[pa.Table]:
    if isinstance(rows, pa.Table):
        yield from (rows.slice(start, ROW_GROUP) for start in range(0, rows.num_rows, ROW_GROUP))
        return
    left = iter(rows)
    while group := list(islice(left, ROW_GROUP)):
        yield pa.Table.from_pylist(group, schema=schema)
