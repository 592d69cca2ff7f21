"""Runs of five words that many rows of a teacher hold, with a pair of words that hardly stands anywhere else (pure).

Which runs those are is found without keeping any: a first pass counts rows by the place of a run's hash in a table of
fixed size, so that a count is never too low; a second keeps the hashes of runs whose count is within the bounds. Runs
that share a place make a count too high, which may hide a run or keep one too many; the third pass counts exactly what
was kept. Nothing depends on the order of the rows.
"""

import numpy as np
import numpy.typing as npt

from tasks.judge.words import Columns, Counts, Hashes, runs

RUN, PAIR = 5, 2
"""Words. A longer run in so many rows is made of runs of five in as many."""
MOST_BITS = 24
"""Of a place in a table: 64 MiB each."""
WORDS_AT_ONCE = 4 << MOST_BITS
"""Of more words the runs are looked at in parts, by their hash: the rare ones would else fill every place."""
APART = 0.8
"""Of the rows with the rarest pair of a run, the share that must hold the whole run. The pairs of a turn of phrase
stand in others too; a sentence that was put in is made of pairs that nothing else is made of."""
_SLACK = 1.25
"""A count may be too high by the runs that share its place."""

Mask = npt.NDArray[np.bool_]


def at_each_word(words: Columns, size: int) -> tuple[Hashes, Mask]:
    """(n,) and (n,) of n words: the hash of the run that begins there, as `words.runs` gives it, and whether it ends
    within its text."""
    from tasks.judge import kernel

    count = len(words.hashes)
    padded, total = np.append(words.hashes, np.zeros(size, np.uint64)), np.zeros(count, np.uint64)
    for offset in range(size):
        total = total * kernel.BASE + padded[offset : offset + count]
    total = (total ^ (total >> np.uint64(31))) * kernel.MIX
    total ^= total >> np.uint64(29)
    to_the_end = np.repeat(words.ends[1:], words.counts) - np.arange(count)
    return np.maximum(total, np.uint64(1)), to_the_end >= size


class RowCounts:
    """Of each run and pair at most how many rows of its teacher hold it; two tables of 4 bytes a place."""

    def __init__(self, words: int, part: int = 0, parts: int = 1) -> None:
        """`words`: about how many there will be; of `parts` the runs of one are counted."""
        self._bits = min(MOST_BITS, max(12, words.bit_length()))
        self._part, self._parts = np.uint64(part), np.uint64(parts)
        self._runs, self._pairs = np.zeros(1 << self._bits, np.uint32), np.zeros(1 << self._bits, np.uint32)

    def add(self, words: Columns, whose: Hashes) -> None:
        """Rows of words; `whose` (rows,) is a hash of each row's teacher."""
        for table, size in ((self._runs, RUN), (self._pairs, PAIR)):
            found = runs(words, size)
            places = self._places(np.maximum(found.hashes, np.uint64(1)), np.repeat(whose, found.counts))
            if size == RUN:
                places = places[self._is_mine(found.hashes)]
            np.add.at(table, places, np.uint32(1))

    def held_by(self, rows: int) -> int:
        """How many places have a count of so many rows: of how many runs that could be said."""
        return int((self._runs >= rows).sum())

    def rare(self, words: Columns, whose: Hashes, fewest: int, most: Counts) -> tuple[Hashes, Counts]:
        """The runs that from `fewest` to `most` (rows,) rows hold, or few more, and that have a pair of their own, and
        the row that each stands in; with repeats."""
        run, is_whole = at_each_word(words, RUN)
        row = np.repeat(np.arange(len(words)), words.counts)
        held = self._runs[self._places(run, whose[row])]
        at = np.flatnonzero(is_whole & (held >= fewest) & (held <= _SLACK * most[row]) & self._is_mine(run))
        pair, _ = at_each_word(words, PAIR)
        rarest = np.full(len(at), np.iinfo(np.uint32).max, np.uint32)
        for offset in range(RUN - PAIR + 1):
            np.minimum(rarest, self._pairs[self._places(pair[at + offset], whose[row[at]])], out=rarest)
        at = at[held[at] >= APART * rarest]
        return run[at], row[at]

    def _places(self, keys: Hashes, whose: Hashes) -> Counts:
        from tasks.judge import kernel

        return (((keys ^ whose) * kernel.BASE) >> np.uint64(64 - self._bits)).astype(np.int64)

    def _is_mine(self, keys: Hashes) -> Mask:
        is_mine: Mask = keys % self._parts == self._part
        return is_mine
