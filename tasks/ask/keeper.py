"""Journals of workers whose nodes do not see the data root (no Ray here: `keeping.py` makes an actor of it).

The keeper is where the data root is. A worker sends it what it would have written itself, group by group, and a group
counts as durable once the keeper has synced it: a node that is lost with its disk loses what it had in flight, as a
killed worker does, and nothing else.

The keeper holds each segment's lock for its worker. Whoever knows that the worker is gone has it given up, and from
then on nothing more of that worker is accepted, dead or cut off: what is adopted does not grow any more.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from tasks.ask.call import WorkerDone
from tasks.ask.convert import convert
from tasks.ask.journal import SUFFIX, beginning
from tasks.ask.segment import SegmentHeader
from tasks.ask.segment_file import SegmentFile
from warehouse.errors import RunFailed
from warehouse.layout import DataRoot

Result = TypeVar("Result")
DISK_THREADS = 32
"""Segments that may wait for the disk at once; more wait for one another."""


class Keeps(Protocol):
    """What a worker asks of a keeper, wherever that is. Each may be asked twice, and happens once."""

    async def read(self, path: str) -> bytes:
        """A batch file."""

    async def open(self, header: SegmentHeader) -> int:
        """Make a segment and lock it; returns its size."""

    async def append(self, segment_id: str, offset: int, group: bytes) -> None:
        """Returns once the group is on the disk, and begins at this offset."""

    async def close(self, segment_id: str) -> None:
        """Let go of a segment's lock, and accept nothing more for it."""

    async def convert(self, header: SegmentHeader) -> WorkerDone:
        """Write the parts of a segment that is closed."""


@dataclass
class _Kept:
    file: SegmentFile
    began: int
    """Its size when it was made."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Keeper:
    """The journals of one run; used from one event loop, and the disk on threads."""

    def __init__(self, root: DataRoot) -> None:
        self._root = root
        self._open: dict[str, _Kept] = {}
        self._opening = asyncio.Lock()
        self._closed: set[str] = set()
        self._disk = ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="keeper")

    async def read(self, path: str) -> bytes:
        """A batch file of the run."""
        return await _on(self._disk, Path(path).read_bytes)

    async def open(self, header: SegmentHeader) -> int:
        """Make a segment that begins with what it is, and hold its lock; returns its size.

        Raises: RunFailed: the disk would not take it, or its worker was given up.
        """
        name = header.segment_id
        async with self._opening:
            if name in self._closed:
                raise _given_up(name)
            if name not in self._open:
                first = beginning(vars(header))
                file = await _on(self._disk, lambda: SegmentFile.create(_path(self._root, header), first))
                self._open[name] = _Kept(file, file.size)
        return self._open[name].began

    async def append(self, segment_id: str, offset: int, group: bytes) -> None:
        """Append a group of frames at this offset, once, and sync it.

        Raises: RunFailed: the disk would not take it; the worker was given up; or the offset is neither the end of
        the segment nor that of the same group, appended before.
        """
        kept = self._kept(segment_id)
        async with kept.turn:
            file = self._kept(segment_id).file  # it may have been closed meanwhile
            if offset == file.size:
                await _on(self._disk, lambda: file.append(group))
            elif not await _on(self._disk, lambda: file.ends_with(group, offset)):
                raise RunFailed(f"{file.path} ends at byte {file.size}, and its worker would go on at {offset}")

    async def close(self, segment_id: str) -> None:
        """Let go of a segment, if it is held, and accept nothing more for it, even if it was never opened."""
        async with self._opening:
            self._closed.add(segment_id)
            kept = self._open.get(segment_id)
            if kept is not None:
                async with kept.turn:
                    del self._open[segment_id]
                    kept.file.close()

    async def close_all(self) -> None:
        for name in tuple(self._open):
            await self.close(name)

    def _kept(self, segment_id: str) -> _Kept:
        if segment_id not in self._open:
            raise _given_up(segment_id)
        return self._open[segment_id]


class Converter:
    """Writes the parts of segments that are closed. It has a process of its own: the making of a part keeps the
    interpreter busy for 0.1 s and more at a time, and every append would wait for that."""

    def __init__(self, root: DataRoot) -> None:
        self._root = root

    def convert(self, header: SegmentHeader) -> WorkerDone:
        return convert(self._root, _path(self._root, header))


def _path(root: DataRoot, header: SegmentHeader) -> Path:
    return root.journal / header.dataset / f"{header.segment_id}{SUFFIX}"


def _given_up(segment_id: str) -> RunFailed:
    return RunFailed(f"the journal {segment_id} was given up: its worker was taken for dead; run again")


async def _on(executor: Executor, work: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(executor, work)
