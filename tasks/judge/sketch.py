"""MinHash sketches: 125 hashes of a trace's word 5-grams, cut into 25 bands of 5 (pure).

Two traces whose Jaccard is 0.8 share a band with probability 0.9999 (at 0.7, 0.99), by 1 - (1 - J^5)^25.
What shares a band is only a candidate: `near.py` estimates its similarity from the sketches, and then
computes it exactly.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.judge.words import Arrow, Columns, Hashes, one, runs, split, words

VERSION = 3
"""Changes with any value of a sketch, and so the rule set with it: sketches of two versions are never compared."""
BANDS, ROWS = 25, 5
PERMUTATIONS = BANDS * ROWS
SHINGLE, REPEATED = 5, 8
"""Words in a run whose set is compared, and in a run that is counted as repeated."""
Digests: TypeAlias = npt.NDArray[np.uint32]
Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sketches:
    """What one pass over a column of n texts gives; a text without words has the digest of nothing."""

    words: Columns
    digests: Digests
    """(n, 125)"""
    bands: Hashes
    """(n, 25); the number of the band is part of its key, so one column of keys can be joined."""
    repeated: npt.NDArray[np.float64]
    """(n,): the share of a text's runs of 8 words that occurred before in it; 0 for a text of up to 8 words."""


def sketches(texts: Arrow) -> Sketches:
    """Words, digests, bands and repetition of each text of a column."""
    return sketched(split(texts))


def sketched(split_texts: Columns, repeated_run: int = REPEATED) -> Sketches:
    """The same of texts that are already words; of a text of up to `repeated_run` words no repetition is counted."""
    from tasks.judge import kernel

    count = len(split_texts)
    digests, bands = np.empty((count, PERMUTATIONS), np.uint32), np.empty((count, BANDS), np.uint64)
    repeated = np.empty(count, np.float64)
    kernel.sketch(split_texts.hashes, split_texts.ends, SHINGLE, repeated_run, digests, bands, repeated)
    return Sketches(split_texts, digests, bands, repeated)


@dataclass(frozen=True)
class Measured:
    """What rules need of one text's words."""

    words: Hashes
    repeated: float


def measured(text: str) -> Measured:
    """The words and repetition of one text."""
    return row_of(sketched(one(words(text))), 0)


def row_of(found: Sketches, row: int) -> Measured:
    return Measured(found.words[row], float(found.repeated[row]))


def shingles(split_texts: Columns) -> Columns:
    """The set of word 5-grams of each text."""
    return runs(split_texts, SHINGLE)


def stored(found: Sketches, wanted: Mask) -> dict[str, Arrow]:
    """The columns `digest` (500 bytes) and `bands` (a list of 25 keys), null where they are not wanted."""
    count = len(found.words)
    digests = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(4 * PERMUTATIONS),
        count,
        [pa.array(wanted).buffers()[1], pa.py_buffer(found.digests.astype("<u4", copy=False).data)],
    )
    offsets: Arrow = pa.array(np.arange(0, BANDS * count + 1, BANDS, dtype=np.int32))
    bands = pa.ListArray.from_arrays(offsets, pa.array(found.bands.reshape(-1)), mask=pa.array(~wanted))
    return {"digest": digests.cast(pa.binary()), "bands": bands}


def loaded(digests: Arrow) -> Digests:
    """The matrix of a column `digest` without nulls."""
    fixed = digests.cast(pa.binary(4 * PERMUTATIONS))
    values = np.frombuffer(fixed.buffers()[1], "<u4", PERMUTATIONS * len(fixed), 4 * PERMUTATIONS * fixed.offset)
    return np.asarray(values.reshape(-1, PERMUTATIONS))


def estimate(left: Digests, right: Digests) -> npt.NDArray[np.float64]:
    """The estimated Jaccard of each pair of rows; its standard deviation at 0.8 is 0.036."""
    return np.asarray((left == right).mean(axis=1))
