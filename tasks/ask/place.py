"""Where a worker's batch is read, its journal written and its parts made: on its own node if that sees the data root,
else at the keeper on the driver's."""

from io import BytesIO
from pathlib import Path
from typing import Protocol

from tasks.ask.call import WorkerDone
from tasks.ask.convert import convert
from tasks.ask.journal import Journal
from tasks.ask.keeper import Keeps
from tasks.ask.keeping import Actors, RemoteKeeper
from tasks.ask.segment import SegmentHeader
from tasks.ask.shared_root import sees
from warehouse.layout import DataRoot

KEPT_WINDOW_S = 0.02
"""A group takes about 3 ms to be kept and as much CPU, of worker and keeper together, whatever it holds
(`bench/ask/kept_journal.py`): at most 50 a second. An intent still is durable well before its request is due."""


class Place(Protocol):
    """What a worker needs of the data root."""

    async def batch(self, path: str) -> str | BytesIO:
        """A batch file, to be read."""

    async def journal(self, path: Path, header: SegmentHeader) -> Journal:
        """Begin a segment and lock it. Raises: RunFailed: the disk would not take it."""

    async def convert(self, path: Path, header: SegmentHeader) -> WorkerDone:
        """Write the parts of a segment that was given up."""


class Here:
    """The data root is on this node."""

    def __init__(self, root: DataRoot) -> None:
        self._root = root

    async def batch(self, path: str) -> str:
        return path

    async def journal(self, path: Path, header: SegmentHeader) -> Journal:
        return Journal.create(path, vars(header))

    async def convert(self, path: Path, header: SegmentHeader) -> WorkerDone:
        return convert(self._root, path)


class AtKeeper:
    """The data root is on another node, with its keeper."""

    def __init__(self, keeper: Keeps) -> None:
        self._keeper = keeper

    async def batch(self, path: str) -> BytesIO:
        return BytesIO(await self._keeper.read(path))

    async def journal(self, path: Path, header: SegmentHeader) -> Journal:
        size = await self._keeper.open(header)
        return Journal(path, KeptSegment(self._keeper, header.segment_id, size))

    async def convert(self, path: Path, header: SegmentHeader) -> WorkerDone:
        return await self._keeper.convert(header)


class KeptSegment:
    """A segment at the keeper: the journal's groups go to it one after the other."""

    window_s = KEPT_WINDOW_S

    def __init__(self, keeper: Keeps, segment_id: str, size: int) -> None:
        self._keeper, self._segment_id, self._size = keeper, segment_id, size

    async def append(self, group: bytes) -> None:
        await self._keeper.append(self._segment_id, self._size, group)
        self._size += len(group)

    async def close(self) -> None:
        await self._keeper.close(self._segment_id)


def find_place(root: DataRoot, batch: str, keeper: Actors | None) -> Place | None:
    """Where this node's worker journals; None if it does not see the data root and was given no keeper."""
    if sees(root, batch):
        return Here(root)
    return None if keeper is None else AtKeeper(RemoteKeeper(keeper))
