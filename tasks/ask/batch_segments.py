"""From an ended batch to journal segments: whole before they have a name, then taken up like any that is left."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.ask.adopt import adopt_segment
from tasks.ask.batch_results import Results
from tasks.ask.journal import Frame
from tasks.ask.segment import Segment, SegmentHeader
from tasks.ask.submissions import segment_path, write_frames
from warehouse.catalog import transaction
from warehouse.layout import DataRoot


def is_listed(root: DataRoot, header: SegmentHeader, now: datetime) -> bool:
    """Whether a segment's parts have been committed."""
    with transaction(root, now) as store:
        return bool(store.rows("select path from store.file where segment_id = ?", [header.segment_id]))


def write_segment(
    root: DataRoot, header: SegmentHeader, intents: Sequence[Mapping[str, Any]], results: Results, at: int
) -> Path:
    """Write some intents of a submission, each with what came of it; `at` is when, in microseconds since 1970."""
    path = segment_path(root, header)
    write_frames(path, header, _frames(intents, results, at))
    return path


def take_segment(root: DataRoot, path: Path, now: datetime) -> Segment:
    """Convert and commit a segment that `write_segment` has just written."""
    taken = adopt_segment(root, path, now)
    assert taken is not None, "nobody else holds a segment that this run has just written"
    return taken[0]


def _frames(intents: Sequence[Mapping[str, Any]], results: Results, at: int) -> Iterator[Frame]:
    for intent in intents:
        yield Frame("sent", intent)
        end = results.end(intent["request_key"])
        yield Frame(end.kind, {"n": intent["n"], "at": at, **end.fields}, end.body)
