"""Near duplicates, from candidate pairs to clusters (pure): estimate, exact Jaccard, union-find.

Traces go by their `place`: 0, 1, 2, ... from the one most worth keeping (right, then complete, then lowest
id) to the least. The kept one of a cluster is its lowest place, so nothing depends on which answer arrived
first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from tasks.judge.sketch import PERMUTATIONS, estimate
from tasks.judge.words import Hashes, jaccard

ESTIMATE_MARGIN = 0.1
"""A pair is compared exactly if its estimate is at most this far below the threshold: nearly 3 standard
deviations."""

Pair = tuple[int, int]


def likely(left: Sequence[bytes], right: Sequence[bytes], threshold: float) -> npt.NDArray[np.bool_]:
    """Which pairs of digests are similar enough to be compared exactly."""
    matrices = [np.frombuffer(b"".join(side), dtype="<u4").reshape(-1, PERMUTATIONS) for side in (left, right)]
    return np.asarray(estimate(matrices[0], matrices[1]) >= threshold - ESTIMATE_MARGIN)


class ShingleFile:
    """Sets of shingles on disk, by place: 8 bytes a word there, 24 bytes a trace in memory. A context
    manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("w+b")
        self._extent: dict[int, tuple[int, int]] = {}
        self._end = 0

    def __enter__(self) -> "ShingleFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self._path.unlink()

    def add(self, place: int, shingles: Hashes) -> None:
        self._file.seek(self._end)
        self._file.write(shingles.tobytes())
        self._extent[place] = (self._end, len(shingles))
        self._end += 8 * len(shingles)

    def jaccard(self, left: int, right: int) -> float:
        """Exact similarity of two traces that were added."""
        return jaccard(self._read(left), self._read(right))

    def _read(self, place: int) -> Hashes:
        start, count = self._extent[place]
        self._file.seek(start)
        return np.frombuffer(self._file.read(8 * count), dtype=np.uint64)


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
