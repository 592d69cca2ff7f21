"""The file of one segment: locked for as long as it is open, grown by whole groups of frames, each on the disk before
the next."""

import fcntl
import os
from pathlib import Path

from warehouse.errors import RunFailed
from warehouse.parts import make_durable, unwritable


class SegmentFile:
    """One owner appends to it, one call at a time; every call may wait for the disk."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    @classmethod
    def create(cls, path: Path, first: bytes) -> "SegmentFile":
        """Make a segment that begins with `first`, and lock it.

        It gets its name only once it is locked and durable, so nobody can take it for a dead worker's.

        Raises: RunFailed: the disk would not take it.
        """
        fresh = path.with_name(path.name + ".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, first)
            os.fsync(descriptor)
            fresh.rename(path)
            make_durable(path.parent)
        except OSError as error:
            raise RunFailed(unwritable(path, error)) from error
        return cls(path, descriptor)

    def append(self, group: bytes) -> None:
        """Append a group, or leave the file as it was: half a frame would hide what came after it.

        Raises: RunFailed: the disk would not take it.
        """
        try:
            view = memoryview(group)
            while view:
                view = view[os.write(self._descriptor, view) :]
            os.fdatasync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, self.size)
            raise RunFailed(unwritable(self.path, error)) from error
        self.size += len(group)

    def ends_with(self, group: bytes, offset: int) -> bool:
        """Whether `group` is what was last appended, at this offset."""
        return offset + len(group) == self.size and os.pread(self._descriptor, len(group), offset) == group

    def close(self) -> None:
        """Give the segment up: from here on it is whoever's adopts it."""
        os.close(self._descriptor)
