"""Take up what dead workers left: their segments become parts, are committed, and are deleted.

It is the same path that a finished batch takes, so a crash at any point of that path is repaired by walking
it again.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.ask.journal import SUFFIX, owned
from tasks.ask.segment import Segment, read_segment, write_parts
from warehouse.catalog import transaction
from warehouse.errors import RunFailed
from warehouse.layout import DataRoot
from warehouse.records import DataFile

WAIT_S = 60.0
"""For the orphaned workers of a dead driver to notice and let go; their drain and their authority's timeout
fit in."""


@dataclass(frozen=True)
class Adopted:
    """What was taken up."""

    segments: int
    answers: int
    maybe_paid: int


@task(name="adopt-journals", task_run_name="adopt journals", cache_policy=NO_CACHE)
def adopt_journals(root: DataRoot, now: datetime, dataset: str | None = None, wait_s: float = WAIT_S) -> Adopted:
    """Convert, commit and delete every segment whose worker is gone.

    Args: dataset: wait only for segments of this dataset that are still held; those of others are left to
    their run. wait_s: how long to wait for segments that are still held.

    Raises:
        RunFailed: a segment is still held after `wait_s`, or cannot be read.
    """
    adopted = Adopted(0, 0, 0)
    sweep_unborn(root, now)
    deadline = time.monotonic() + wait_s
    while True:
        held: list[Path] = []
        for path in segments_in(root):
            taken = adopt_segment(root, path, now)
            if taken is None:
                held.append(path)
            else:
                adopted = _with(adopted, taken[0])
        waited_for = [path for path in held if path.exists() and dataset in (None, path.parent.name)]
        if not waited_for:
            return adopted
        if time.monotonic() >= deadline:
            raise RunFailed(
                f"{waited_for[0]} is still held by a worker after {wait_s:g} s: wait for the run that it "
                "belongs to, or stop it, and run again"
            )
        time.sleep(0.2)


def segments_in(root: DataRoot) -> Iterable[Path]:
    """Every segment of the data root."""
    return sorted(root.journal.glob(f"*/*{SUFFIX}"))


def adopt_segment(root: DataRoot, path: Path, now: datetime) -> tuple[Segment, tuple[DataFile, ...]] | None:
    """Convert, commit and delete one segment; None if its worker still holds it, or it is gone.

    Raises:
        RunFailed: its first record is damaged, which no crash can bring about.
    """
    with owned(path) as is_mine:
        if not is_mine:
            return None
        segment = read_segment(path)
        if segment is None:
            raise RunFailed(f"{path} cannot be read: its first record is damaged; move the file away and run again")
        files = write_parts(root, segment)
        commit(root, segment.header.segment_id, files, now)
        path.unlink(missing_ok=True)
        return segment, files


def sweep_unborn(root: DataRoot, now: datetime) -> None:
    """Delete segments whose worker died before they had their name: nothing had been sent."""
    for path in root.journal.glob(f"*/*{SUFFIX}.new"):
        with owned(path) as is_mine:
            if is_mine and now.timestamp() - path.stat().st_mtime > WAIT_S:
                path.unlink()


def commit(root: DataRoot, segment_id: str, files: Sequence[DataFile], now: datetime) -> None:
    """List a segment's parts, unless they have been listed before."""
    if not files:
        return
    with transaction(root, now) as store:
        if not store.rows("select path from store.file where segment_id = ?", [segment_id]):
            store.add_files(files)


def _with(adopted: Adopted, segment: Segment) -> Adopted:
    states = list(segment.states.values())
    return Adopted(
        adopted.segments + 1,
        adopted.answers + len(segment.traces),
        adopted.maybe_paid + states.count("maybe_paid"),
    )
