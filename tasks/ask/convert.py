"""A segment that its worker has let go of becomes parts, and what the driver must know of it."""

from collections.abc import Sequence
from pathlib import Path

from tasks.ask.call import WorkerDone
from tasks.ask.segment import Segment, read_segment, write_parts
from warehouse.errors import RunFailed
from warehouse.layout import DataRoot
from warehouse.records import DataFile


def convert(root: DataRoot, path: Path) -> WorkerDone:
    """Write a segment's parts, by the path that a crash would take too.

    Raises: RunFailed: the disk would not take them, or the segment's first record is damaged.
    """
    segment = read_segment(path)
    if segment is None:
        raise RunFailed(f"{path} cannot be read: its first record is damaged; move the file away and run again")
    return what_came(path, segment, write_parts(root, segment))


def what_came(path: Path, segment: Segment, files: Sequence[DataFile]) -> WorkerDone:
    """What a segment says of its worker's batch."""
    return WorkerDone(
        segment=path,
        segment_id=segment.header.segment_id,
        files=tuple(files),
        states=segment.states,
        spent=segment.spent,
        settled=segment.settled,
        lengths=segment.lengths,
    )
