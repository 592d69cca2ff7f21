"""Words, runs of words, sketches and similarity of one text in plain numpy: what the compiled kernel must equal."""

import unicodedata
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Hashes: TypeAlias = npt.NDArray[np.uint64]

_SEPARATOR, _LETTER, _ALONE, _CONTINUATION = 0, 1, 2, 3
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


def _byte_kinds() -> npt.NDArray[np.uint8]:
    kinds = np.zeros(256, dtype=np.uint8)
    kinds[[ord(c) for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"]] = _LETTER
    kinds[[ord(c) for c in "+-*/=<>^%"]] = _ALONE
    kinds[0xC3:0xE2] = _LETTER
    kinds[0xE2:0xEE] = _ALONE
    kinds[0xEE:] = _LETTER
    kinds[0x80:0xC0] = _CONTINUATION
    return kinds


_KINDS = _byte_kinds()


def _powers(count: int) -> Hashes:
    """The base to the power of 0, 1, ..., `count` - 1."""
    with np.errstate(over="ignore"):
        return np.multiply.accumulate(np.append(np.uint64(1), np.full(count - 1, _BASE, dtype=np.uint64)))


def _mixed(hashes: Hashes) -> Hashes:
    hashes = (hashes ^ (hashes >> np.uint64(31))) * _MIX
    return hashes ^ (hashes >> np.uint64(29))


def words(text: str) -> Hashes:
    """One 64-bit hash a word, in order, after NFKC and lower case."""
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    data = np.frombuffer(text.lower().encode("utf-8", "replace"), dtype=np.uint8)
    if not len(data):
        return np.empty(0, dtype=np.uint64)
    kinds = _KINDS[data]
    starts = np.flatnonzero(_starts(kinds))
    if not len(starts):
        return np.empty(0, dtype=np.uint64)
    return _word_hashes(data, kinds, starts)


def _starts(kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Where a word or a gap begins; a continuation byte belongs to whatever its character is."""
    before = np.empty_like(kinds)
    before[0] = _SEPARATOR
    lead = np.maximum.accumulate(np.where(kinds == _CONTINUATION, 0, np.arange(len(kinds))))
    owner = kinds[lead]
    before[1:] = owner[:-1]
    is_lead = kinds != _CONTINUATION
    begins: npt.NDArray[np.bool_] = is_lead & ((kinds == _ALONE) | (kinds != before))
    return begins


def _word_hashes(data: npt.NDArray[np.uint8], kinds: npt.NDArray[np.uint8], starts: npt.NDArray[np.intp]) -> Hashes:
    lengths = np.diff(np.append(starts, len(data)))
    before_its_end = np.repeat(starts + lengths, lengths) - np.arange(starts[0], len(data)) - 1
    values = (data[starts[0] :].astype(np.uint64) + np.uint64(1)) * _powers(int(lengths.max()))[before_its_end]
    hashes = np.add.reduceat(values, starts - starts[0])
    return _mixed(hashes[kinds[starts] != _SEPARATOR])


def ngrams(hashes: Hashes, size: int) -> Hashes:
    """One hash for each run of `size` words; one for the whole text where it has fewer words, none where it
    has none."""
    if not len(hashes):
        return hashes
    size = min(size, len(hashes))
    count = len(hashes) - size + 1
    total = np.zeros(count, dtype=np.uint64)
    for offset in range(size):
        total = total * _BASE + hashes[offset : offset + count]
    return _mixed(total)


def distinct(hashes: Hashes) -> Hashes:
    """Sorted, each once. Sorting beats numpy's own `unique`, which hashes, several times at the lengths of
    traces."""
    ordered = np.sort(hashes)
    if len(ordered) < 2:
        return ordered
    firsts: Hashes = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    return firsts


def repeated_share(hashes: Hashes, size: int = 8) -> float:
    """Share of the word n-grams of a text that occurred before in it; 0 for a text of fewer words."""
    if len(hashes) <= size:
        return 0.0
    grams = ngrams(hashes, size)
    return 1.0 - len(distinct(grams)) / len(grams)


def jaccard(left: Hashes, right: Hashes) -> float:
    """Exact Jaccard similarity of two sorted sets of n-grams."""
    shared = len(np.intersect1d(left, right, assume_unique=True))
    union = len(left) + len(right) - shared
    return shared / union if union else 1.0


LANES = 125


def _factors(seed: int) -> npt.NDArray[np.uint32]:
    """The high halves of SplitMix64."""
    with np.errstate(over="ignore"):
        state = np.uint64(seed) + np.arange(1, LANES + 1, dtype=np.uint64) * _BASE
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((state ^ (state >> np.uint64(31))) >> np.uint64(32)).astype(np.uint32)


def digest(hashes: Hashes) -> npt.NDArray[np.uint32]:
    """The 125 MinHash values of a set of shingles."""
    low = (hashes & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    values = low[:, None] * (_factors(1) | np.uint32(1)) + _factors(2)
    return np.vstack([values, np.full(LANES, 0xFFFFFFFF, np.uint32)]).min(axis=0)


def bands(matrix: npt.NDArray[np.uint32]) -> Hashes:
    """25 keys a row, of 5 values each."""
    cells = matrix.reshape(-1, 25, 5).astype(np.uint64)
    keys = np.broadcast_to(np.arange(1, 26, dtype=np.uint64), cells.shape[:2]).copy()
    for row in range(5):
        keys = (keys ^ cells[:, :, row]) * _BASE
        keys ^= keys >> np.uint64(32)
    return keys
