"""Marks of a text, by which it is found again without being kept: hashes of a few stretches of 32 bytes (pure).

A stretch holds no character that JSON, HTML or a shell write otherwise, so a text is found in whichever form it lies
uncompressed. The hash of every stretch of a file is worked out by rolling (Karp and Rabin 1987), modulo 2^64.
"""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

WIDTH = 32
"""Bytes of a stretch: as long as an id, so that ids are found by the same search."""
MOST = 3
"""Stretches of one text: of its longest plain runs the middles."""
_FACTOR = 0x9E3779B97F4A7C15  # odd, of no pattern: 2^64 over the golden ratio
_PLAIN = re.compile(r"[^\x00-\x1f\x7f\"'\\<>&/]{8,}")
_BITS = 20
_PIECE = 1 << 22  # bytes hashed at a time: 32 MiB as numbers

Marks = NDArray[np.uint64]


def marks_of(texts: Iterable[str | None]) -> list[int]:
    """The marks of some texts, sorted; none of texts without a plain run of 32 bytes: those are known by key alone."""
    found: set[int] = set()
    for text in texts:
        runs = [run for match in _PLAIN.finditer(text or "") if len(run := match[0].encode(errors="replace")) >= WIDTH]
        for run in sorted(runs, key=len, reverse=True)[:MOST]:
            start = (len(run) - WIDTH) // 2
            found.add(int(_hashes(run[start : start + WIDTH])[0]))
    return sorted(found)


def mark_of_id(key: str) -> int:
    """The mark of an id, which is 32 characters."""
    return int(_hashes(key.encode())[0])


class Seeker:
    """Looks for any of many marks in bytes."""

    def __init__(self, marks: Iterable[int]) -> None:
        self._marks: Marks = np.unique(np.fromiter(marks, np.uint64))
        self._may = np.zeros(1 << _BITS, np.bool_)
        self._may[self._short(self._marks)] = True

    def found(self, data: bytes | memoryview) -> set[int]:
        """The marks that occur in it."""
        seen: set[int] = set()
        for start in range(0, max(0, len(data) - WIDTH + 1), _PIECE) if len(self._marks) else ():
            hashes = _hashes(data[start : start + _PIECE + WIDTH - 1])
            likely = np.unique(hashes[self._may[self._short(hashes)]])
            seen |= set(np.intersect1d(likely, self._marks, assume_unique=True).tolist())
        return seen

    @staticmethod
    def _short(hashes: Marks) -> NDArray[np.intp]:
        return (hashes >> np.uint64(64 - _BITS)).astype(np.intp)


def _hashes(data: bytes | memoryview) -> Marks:
    """Of every stretch of WIDTH bytes, by doubling: of two neighbours of w bytes, first * factor^w + second."""
    hashes = np.frombuffer(data, np.uint8).astype(np.uint64) + np.uint64(1)
    width, factor = 1, _FACTOR
    while width < WIDTH:
        hashes = hashes[:-width] * np.uint64(factor) + hashes[width:]
        width, factor = 2 * width, factor * factor % 2**64
    return hashes
