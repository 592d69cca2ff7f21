"""Append-only segments of what a worker sent and received: durable before it is sent, durable before it is
read.

A segment is one file: a magic line, then frames of (length, CRC-32, record). A frame that is cut off or does
not match its checksum ends the segment: it was never confirmed as durable, so nothing was sent or counted
because of it. The owner holds a `flock` on the file for as long as it lives; a segment that nobody holds
belongs to a dead worker.
"""

import asyncio
import fcntl
import os
import time
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any, Literal, Protocol

import orjson

from tasks.ask.segment_file import SegmentFile
from warehouse.errors import RunFailed

MAGIC = b"stillhouse journal 1\n"
SUFFIX = ".journal"
FSYNC_WINDOW_S = 0.005
"""Of a journal on the worker's own disk."""

_FRAME = Struct("<III")  # length of the record's JSON, length of its body, CRC-32 of both
_HIDDEN = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key"})

Kind = Literal["segment", "sent", "received", "lost", "unsent"]


@dataclass(frozen=True)
class Frame:
    """One record of a segment."""

    kind: Kind
    fields: Mapping[str, Any]
    body: bytes = b""


class Storage(Protocol):
    """Where a segment is made durable, one group of frames at a time."""

    window_s: float
    """Frames that arrive within this time share a group; they also share one with all that arrive while the last is
    on its way."""

    async def append(self, group: bytes) -> None:
        """Returns once it is on the disk. Raises: RunFailed: it is not, and nothing more is to be appended."""

    async def close(self) -> None:
        """Give the segment up."""


class OnDisk:
    """A segment in a file that this process sees; the disk is touched on a thread of its own."""

    window_s = FSYNC_WINDOW_S

    def __init__(self, file: SegmentFile) -> None:
        self._file = file
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal")

    async def append(self, group: bytes) -> None:
        await asyncio.get_running_loop().run_in_executor(self._disk, self._file.append, group)

    async def close(self) -> None:
        self._disk.shutdown()
        self._file.close()


class Journal:
    """The writer of one segment, used from one event loop."""

    def __init__(self, path: Path, storage: Storage) -> None:
        self.path = path
        """In the data root, wherever its writer is."""
        self._storage = storage
        self._group: list[bytes] = []
        self._durable: asyncio.Future[None] | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._broken: RunFailed | None = None

    @classmethod
    def create(cls, path: Path, segment: Mapping[str, Any]) -> "Journal":
        """Make a segment in a file of this node, whose first record says what it is, and lock it."""
        return cls(path, OnDisk(SegmentFile.create(path, beginning(segment))))

    async def append(self, kind: Kind, fields: Mapping[str, Any], body: bytes = b"") -> None:
        """Write a record; returns once it is on the disk.

        Raises:
            RunFailed: the disk would not take it; nothing more can be appended.
        """
        if self._broken:
            raise self._broken
        self._group.append(encode(kind, fields, body))
        if self._durable is None:
            self._durable = asyncio.get_running_loop().create_future()
        durable = self._durable
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        await asyncio.shield(durable)  # one waiter that is cancelled must not cancel the others'

    async def close(self) -> None:
        """Make everything durable, and give the segment up."""
        while self._flushing is not None:
            await asyncio.shield(self._flushing)
        await self._storage.close()

    async def _flush(self) -> None:
        while self._group:
            await asyncio.sleep(self._storage.window_s)
            group, durable = b"".join(self._group), self._durable
            self._group, self._durable = [], None
            assert durable is not None
            try:
                await self._storage.append(group)
                durable.set_result(None)
            except RunFailed as error:
                self._fail(error, durable)
        self._flushing = None

    def _fail(self, error: RunFailed, durable: asyncio.Future[None]) -> None:
        self._broken = error
        later, self._group, self._durable = self._durable, [], None
        for future in (durable, later):
            if future is not None:
                future.set_exception(error)
                future.exception()  # retrieved here too, for the case that every waiter was cancelled


def beginning(segment: Mapping[str, Any]) -> bytes:
    """What a segment begins with: that it is one, and what it is."""
    return MAGIC + encode("segment", segment)


def encode(kind: Kind, fields: Mapping[str, Any], body: bytes = b"") -> bytes:
    """A record as a frame."""
    record = orjson.dumps({"kind": kind, **fields})
    return _FRAME.pack(len(record), len(body), zlib.crc32(body, zlib.crc32(record))) + record + body


def read_frames(path: Path) -> Iterator[Frame]:
    """The records of a segment up to its end or the first frame that is torn; none if it is no journal at
    all."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            record_length, body_length, checksum = _FRAME.unpack(head)
            record, body = file.read(record_length), file.read(body_length)
            if zlib.crc32(body, zlib.crc32(record)) != checksum:
                return
            fields = orjson.loads(record)
            yield Frame(fields.pop("kind"), fields, body)


@contextmanager
def owned(path: Path) -> Iterator[bool]:
    """Hold a segment that a worker has left for a `with` block; False if its worker still holds it, or it is
    gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield path.exists()
    finally:
        os.close(descriptor)


def microseconds() -> int:
    """The wall clock as records of a segment have it: since 1970, UTC."""
    return time.time_ns() // 1000


def redacted(headers: Mapping[str, str], key: str | None) -> dict[str, str]:
    """Response headers with lower-case names, less cookies and credentials, and with the key blotted out."""
    kept = {name.lower(): value for name, value in headers.items() if name.lower() not in _HIDDEN}
    return {name: value.replace(key, "***") for name, value in kept.items()} if key else kept


def blotted(body: bytes, key: str | None) -> bytes:
    """A body without the key: some servers quote it when they refuse it."""
    return body.replace(key.encode(), b"***") if key else body
