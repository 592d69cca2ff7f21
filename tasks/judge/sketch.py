"""MinHash sketches: 125 hashes of a trace's word 5-grams, cut into 25 bands of 5 (pure).

Two traces whose Jaccard is 0.8 share a band with probability 0.9999 (at 0.7, 0.99), by 1 - (1 - J^5)^25.
What shares a band is only a candidate: `near.py` estimates its similarity from the sketches, and then
computes it exactly.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from tasks.judge.words import Hashes, distinct, ngrams

VERSION = 1
BANDS, ROWS = 25, 5
PERMUTATIONS = BANDS * ROWS
SHINGLE = 5
_SEED = 42


def shingles(hashes: Hashes) -> Hashes:
    """The sorted set of word 5-grams of a text's words."""
    return distinct(ngrams(hashes, SHINGLE))


def digests(sets: Sequence[Hashes]) -> npt.NDArray[np.uint32]:
    """One row of 125 hashes for each set of shingles; an empty set gives the digest of nothing, equal for
    all."""
    offsets = np.cumsum([0, *map(len, sets)], dtype=np.uint64)
    flat = np.concatenate([*sets, np.empty(0, dtype=np.uint64)])
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(flat, offsets, PERMUTATIONS, _SEED)
    return np.array(matrix.to_rows(), dtype=np.uint32).reshape(len(sets), PERMUTATIONS)


def bands(matrix: npt.NDArray[np.uint32]) -> Hashes:
    """25 keys a row; the number of the band is part of its key, so one column of keys can be joined."""
    cells = matrix.reshape(-1, BANDS, ROWS).astype(np.uint64)
    keys = np.broadcast_to(np.arange(1, BANDS + 1, dtype=np.uint64), cells.shape[:2]).copy()
    for row in range(ROWS):
        keys = (keys ^ cells[:, :, row]) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(32)
    return keys


def estimate(left: npt.NDArray[np.uint32], right: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """The estimated Jaccard of each pair of rows; its standard deviation at 0.8 is 0.036."""
    return np.asarray((left == right).mean(axis=1))
