"""Near duplicates, from candidate pairs to clusters (pure): estimate, exact Jaccard, union-find.

Traces go by their `place`: 0, 1, 2, ... from the one most worth keeping (right, then complete, then lowest
id) to the least. The kept one of a cluster is its lowest place, so nothing depends on which answer arrived
first.
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from tasks.judge.sketch import Mask, estimate, loaded
from tasks.judge.words import Arrow, Columns, Counts

ESTIMATE_MARGIN = 0.15
"""A pair is compared exactly if its estimate is at most this far below the threshold: 4 standard
deviations."""

CORES = min(4, os.cpu_count() or 1)
"""Threads that compare; the kernel holds no lock of Python's."""

Pair = tuple[int, int]


def likely(left: Arrow, right: Arrow, threshold: float) -> Mask:
    """Which pairs of stored digests are similar enough to be compared exactly."""
    return np.asarray(estimate(loaded(left), loaded(right)) >= threshold - ESTIMATE_MARGIN)


def similarities(sets: Columns, left: Counts, right: Counts) -> npt.NDArray[np.float64]:
    """The exact Jaccard of each pair of sets, by their rows, on all cores. Fastest where equal `left` follow each
    other."""
    from tasks.judge import kernel

    jaccards = np.empty(len(left), np.float64)

    def compare(first: int, last: int) -> None:
        some = slice(first, last)
        kernel.similarities(sets.hashes, sets.ends, left[some], right[some], jaccards[some])

    cuts = np.linspace(0, len(left), CORES + 1).astype(np.int64).tolist()
    with ThreadPoolExecutor(CORES) as threads:
        list(threads.map(compare, cuts[:-1], cuts[1:]))
    return jaccards


class ShingleFile:
    """Sets of shingles on disk, by place: 8 bytes a word there, about 100 bytes a trace in memory. A context
    manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("w+b")
        self._rows: dict[int, int] = {}
        self._ends = [0]
        self._adding = Lock()

    def __enter__(self) -> "ShingleFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self._path.unlink()

    def add(self, places: Iterable[int], sets: Columns) -> None:
        """The sets of these traces, in the same order; threads may do so at once."""
        with self._adding:
            self._file.write(sets.hashes.data)
            self._rows.update((place, len(self._ends) - 1 + row) for row, place in enumerate(places))
            self._ends.extend((self._ends[-1] + sets.ends[1:]).tolist())

    def similarities(self, pairs: Sequence[Pair]) -> list[float]:
        """Exact similarity of each pair of traces that were added; the sets are read as they are needed."""
        if not self._ends[-1]:
            return [1.0] * len(pairs)
        self._file.flush()
        left, right = (np.array([self._rows[pair[side]] for pair in pairs], np.int64) for side in (0, 1))
        sets = np.memmap(self._path, np.uint64, "r")
        found: list[float] = similarities(Columns(sets, np.array(self._ends)), left, right).tolist()
        return found


@dataclass(frozen=True)
class Close:
    """Two traces that are exactly similar enough; `best` has the lower place."""

    best: int
    place: int
    jaccard: float


@dataclass(frozen=True)
class Similar:
    """A trace and the better one that it is similar to."""

    place: int
    to: int
    jaccard: float


def clusters(pairs: Iterable[Pair]) -> dict[int, int]:
    """For every place that is not the lowest of those it is connected to, the lowest; whatever the order of
    the pairs."""
    parent: dict[int, int] = {}

    def root(place: int) -> int:
        while (above := parent.get(place, place)) != place:
            parent[place] = parent.get(above, above)
            place = above
        return place

    for left, right in pairs:
        low, high = sorted((root(left), root(right)))
        parent[high] = low
    return {place: root(place) for place in sorted(parent) if root(place) != place}


def best_of(close: Iterable[Close]) -> list[Similar]:
    """For every trace that is similar to a better one, the one it is most similar to (of equals, the lowest
    place)."""
    best: dict[int, Close] = {}
    for pair in close:
        known = best.get(pair.place)
        if known is None or (-pair.jaccard, pair.best) < (-known.jaccard, known.best):
            best[pair.place] = pair
    return [Similar(place, pair.best, pair.jaccard) for place, pair in sorted(best.items())]
