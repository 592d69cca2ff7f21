"""Words, runs of words, repetition and numbers of texts; stable across processes and machines (pure).

A word is a run of ASCII letters and digits or of non-ASCII letters; operators (`+ - * / = < > ^ %`) and
characters from U+2000 to U+DFFF (mathematical signs, kana, CJK, Hangul) are words by themselves, so maths
and scripts without spaces have runs of words too. Digits are kept: the same sentence with another number is
another text. The loops are in `kernel.py`, and work on a whole column of texts.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes: TypeAlias = npt.NDArray[np.uint64]
Counts: TypeAlias = npt.NDArray[np.int64]
Arrow: TypeAlias = Any
"""A pyarrow array; the stubs of `pyarrow.compute` refuse much that it takes."""


@dataclass(frozen=True)
class Columns:
    """Hashes of n texts: those of text i are `hashes[ends[i]:ends[i + 1]]`, and `ends[0]` is 0."""

    hashes: Hashes
    ends: Counts

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, row: int) -> Hashes:
        return self.hashes[self.ends[row] : self.ends[row + 1]]

    @property
    def counts(self) -> Counts:
        return np.diff(self.ends)


def normal(text: str) -> str:
    """NFKC and lower case, by Python's tables; ASCII stays as it is, as the kernel lowers it."""
    if text.isascii():
        return text
    return (text if unicodedata.is_normalized("NFKC", text) else unicodedata.normalize("NFKC", text)).lower()


def split(texts: Arrow) -> Columns:
    """The words of each text of a column, in order, after NFKC and lower case; a null is an empty text. Needs 8 bytes
    a word, and a copy of the column where not all of it is ASCII."""
    texts = texts.cast(pa.large_string()).fill_null("")
    others: Arrow = pc.invert(pc.string_is_ascii(texts))
    if pc.any(others).as_py():
        rest = [normal(text) for text in texts.filter(others).to_pylist()]
        texts = pc.replace_with_mask(texts, others, pa.array(rest, pa.large_string()))
    _, ends, data = texts.buffers()
    offsets = np.frombuffer(ends, np.int64, len(texts) + 1, 8 * texts.offset) if len(texts) else _NO_TEXTS
    return _split(np.frombuffer(data or b"", np.uint8), offsets)


_NO_TEXTS = np.zeros(1, dtype=np.int64)


def _split(data: npt.NDArray[np.uint8], offsets: Counts) -> Columns:
    hashes = np.empty(int(offsets[-1] - offsets[0]), dtype=np.uint64)
    ends = np.zeros(len(offsets), dtype=np.int64)
    if not len(hashes):
        return Columns(hashes, ends)
    from tasks.judge import kernel

    kernel.split(data, offsets, hashes, ends)
    return Columns(hashes[: ends[-1]], ends)


def words(text: str) -> Hashes:
    """One 64-bit hash a word of one text; half a surrogate pair counts as `?`."""
    data = np.frombuffer(normal(text).encode("utf-8", "replace"), dtype=np.uint8)
    return _split(data, np.array([0, len(data)], dtype=np.int64)).hashes


def one(hashes: Hashes) -> Columns:
    """The words of one text as a column of it."""
    return Columns(hashes, np.array([0, len(hashes)], dtype=np.int64))


def runs(words_of: Columns, size: int) -> Columns:
    """The set of each text's runs of `size` words, in the order of their first occurrence: one hash for each; one for
    the whole of a text that has fewer words, none for one that has none."""
    hashes, ends = np.empty(len(words_of.hashes), dtype=np.uint64), np.zeros_like(words_of.ends)
    if not len(hashes):
        return Columns(hashes, ends)
    from tasks.judge import kernel

    kernel.distinct_runs(words_of.hashes, words_of.ends, size, hashes, ends)
    return Columns(hashes[: ends[-1]], ends)


class Index:
    """Which of some known runs of words a text holds; `known` are distinct and not 0."""

    def __init__(self, known: Hashes) -> None:
        self._table = np.zeros(1 << (2 * len(known)).bit_length(), dtype=np.uint64)
        self._places = np.zeros(len(self._table), dtype=np.int64)
        if not len(known):
            return
        from tasks.judge import kernel

        kernel.enter(known, self._table, self._places)

    def met(self, hashes: Hashes, size: int) -> Counts:
        """The places in `known` of those runs that occur in a text's words, in their order."""
        from tasks.judge import kernel

        found = np.empty(len(hashes), dtype=np.int64)
        return np.unique(found[: kernel.meet(hashes, size, self._table, self._places, found)])


_ZSTD = pa.Codec("zstd", compression_level=1)


def compression_ratio(data: bytes) -> float:
    """Bytes to zstd bytes (level 1); 1 for an empty text."""
    return len(data) / len(_ZSTD.compress(data)) if data else 1.0


_NUMBERS = re.compile(r"\d+")


def number_key(text: str) -> str:
    """A hash of the multiset of the digit runs of a text; equal keys mean the same numbers, in whatever
    order."""
    runs = sorted(_NUMBERS.findall(text))
    return hashlib.blake2b(" ".join(runs).encode(), digest_size=8).hexdigest()
