"""The compiled loops over texts: words, runs of words, MinHash, repetition, exact similarity (pure).

Compiled by numba on first import, and kept in its cache: in `__pycache__` beside this file, or in the user's cache
folder where that cannot be written, or in `NUMBA_CACHE_DIR`. Where none can be written it is compiled by each process.
Import it inside functions: commands that judge nothing need not pay for numba.

All arrays are C-contiguous. Texts are UTF-8, `data[offsets[n]:offsets[n + 1]]` for text n; its words are
`words[ends[n]:ends[n + 1]]`, so that `ends` starts with 0. None of the loops allocates more than a few arrays of the
length of the longest text's words; none holds Python's lock.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt

Loop = TypeVar("Loop", bound=Callable[..., Any])

_SEPARATOR, _LETTER, _ALONE, _CONTINUATION = (np.uint64(kind) for kind in (0, 1, 2, 4))
_OUTSIDE, _IN_WORD, _IN_SIGN = range(3)
"""Where a text is after a byte: in no word, in one of letters, or in one that is a single character."""
_GOES_ON = {_OUTSIDE: _SEPARATOR, _IN_WORD: _LETTER | _CONTINUATION, _IN_SIGN: _CONTINUATION}
_BEGINS = {_LETTER: _IN_WORD, _ALONE: _IN_SIGN}
BASE = np.uint64(0x9E3779B97F4A7C15)
LANES = 128
"""MinHash values computed: those of a sketch, rounded up to whole vectors."""

MIX = np.uint64(0xBF58476D1CE4E5B9)
_S29, _S31, _S32 = np.uint64(29), np.uint64(31), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_ZERO, _ONE, _TWO, _THREE, _FOUR = (np.uint64(count) for count in range(5))


def _byte_kinds() -> npt.NDArray[np.uint64]:
    """What the first byte of a UTF-8 character says of it, see `words.py`."""
    kinds = np.zeros(256, dtype=np.uint64)
    kinds[[ord(c) for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"]] = _LETTER
    kinds[[ord(c) for c in "+-*/=<>^%"]] = _ALONE
    kinds[0xC3:0xE2] = _LETTER
    kinds[0xE2:0xEE] = _ALONE
    kinds[0xEE:] = _LETTER
    kinds[0x80:0xC0] = _CONTINUATION
    return kinds


def _steps() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.uint16]]:
    """By 256 * where + byte: the factor of the word so far, 0 if it does not go on; 1 if one ended before this byte;
    256 * where the text is then. The end of a word is what a processor cannot foresee: with branches instead, splitting
    takes a quarter more."""
    grows, ended, then = np.zeros(768, np.uint64), np.zeros(768, np.uint64), np.zeros(768, np.uint16)
    for where, kinds in _GOES_ON.items():
        for byte, kind in enumerate(_byte_kinds()):
            step, goes_on = 256 * where + byte, bool(kind & kinds)
            grows[step] = BASE if goes_on else 0
            ended[step] = where != _OUTSIDE and not goes_on
            then[step] = 256 * (where if goes_on else _BEGINS.get(kind, _OUTSIDE))
    return grows, ended, then


def _lowered() -> npt.NDArray[np.uint64]:
    """One more than each byte, ASCII letters lowered."""
    values = np.arange(1, 257, dtype=np.uint64)
    values[ord("A") + np.arange(26)] += np.uint64(32)
    return values


def _factors(seed: int) -> npt.NDArray[np.uint32]:
    """The first 128 high halves of SplitMix64 from a seed (Steele, Lea and Flood 2014, figure 16)."""
    state = (np.uint64(seed) + np.arange(1, LANES + 1, dtype=np.uint64) * BASE).astype(np.uint64)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((state ^ (state >> _S31)) >> _S32).astype(np.uint32)


_GROWS, _ENDED, _THEN = _steps()
_VALUES, _IS_APART = _lowered(), _byte_kinds() == _SEPARATOR
_TIMES, _PLUS = _factors(1) | np.uint32(1), _factors(2)

_U8, _U64 = (numba.types.Array(kind, 1, "C", readonly=True) for kind in (numba.u1, numba.u8))
_I64 = numba.types.Array(numba.i8, 1, "C", readonly=True)
_OUT32, _OUT64, _COUNTS, _SHARES = numba.u4[:, ::1], numba.u8[::1], numba.i8[::1], numba.f8[::1]


def _compiled(*signature: Any) -> Callable[[Loop], Loop]:
    """Compile now, or load from the cache; without arguments, whatever calls it compiles it."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}

    def compiled(function: Loop) -> Loop:
        try:
            loop: Loop = numba.njit(*signature, cache=True, **options)(function)
        except (RuntimeError, OSError):  # no folder for the cache can be written
            loop = numba.njit(*signature, **options)(function)
        return loop

    return compiled


@_compiled()
def _mixed(value: Any) -> Any:
    value = (value ^ (value >> _S31)) * MIX
    return value ^ (value >> _S29)


@_compiled()
def _read(byte: Any, word: Any, where: Any) -> Any:
    """The word so far after one more byte, whether one ended before it, and where the text is then."""
    step = where | byte
    return word * _GROWS[step] + _VALUES[byte], _ENDED[step], np.uint64(_THEN[step])


@_compiled()
def _middle(data: Any, first: Any, last: Any) -> Any:
    """The first byte of the second half that is of no word, so that what begins there can be read by itself."""
    middle = last - (last - first) // _TWO
    while middle < last and not _IS_APART[data[middle]]:
        middle += _ONE
    return middle


@_compiled(numba.void(_U8, _I64, _OUT64, _COUNTS))
def split(data: Any, offsets: Any, words: Any, ends: Any) -> None:
    """One 64-bit hash a word of each text; `words` must have room for one a byte. A capital ASCII letter counts as
    its small one.

    Each byte waits for the one before it, so both halves of a text are read at once, the second's words kept where the
    first has room and then moved up: 7 us a text of 900 words instead of 10."""
    at = _ZERO
    ends[0] = 0
    for row in range(len(offsets) - 1):
        first, last = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        middle = _middle(data, first, last)
        began, second = at, at + (middle - first)
        beside = second
        word, where, word2, where2 = _ZERO, _ZERO, _ZERO, _ZERO
        for i in range(last - middle):
            words[at], words[beside] = word, word2
            word, ended, where = _read(np.uint64(data[first + i]), word, where)
            word2, ended2, where2 = _read(np.uint64(data[middle + i]), word2, where2)
            at += ended
            beside += ended2
        for i in range(first + (last - middle), middle):
            words[at] = word
            word, ended, where = _read(np.uint64(data[i]), word, where)
            at += ended
        if where != _ZERO:
            words[at] = word
            at += _ONE
        if where2 != _ZERO:
            words[beside] = word2
            beside += _ONE
        for i in range(began, at):
            words[i] = _mixed(words[i])
        for i in range(second, beside):
            words[at] = _mixed(words[i])
            at += _ONE
        ends[row + 1] = at


@_compiled()
def _runs(words: Any, start: Any, end: Any, size: Any, runs: Any) -> Any:
    """One hash for each run of `size` words; one for a text of fewer, none for one of none. Says how many."""
    if end == start:
        return _ZERO
    first, total, leading = np.uint64(start), _ZERO, _ONE
    size, count = np.uint64(min(size, end - start)), np.uint64(end - start)
    for i in range(size):
        total = total * BASE + words[first + i]
        leading *= BASE
    runs[0] = _mixed(total)
    for i in range(size, count):
        total = total * BASE + words[first + i] - words[first + i - size] * leading
        runs[i - size + _ONE] = _mixed(total)
    return count - size + _ONE


@_compiled()
def _room(count: Any) -> Any:
    """Places of a table that is at most half full, a power of two."""
    room = np.uint64(16)
    while room < _TWO * np.uint64(count):
        room *= _TWO
    return room


@_compiled()
def _cleared(table: Any, count: Any) -> Any:
    """Make room for so many keys; gives the mask of its places."""
    room = _room(count)
    for i in range(room):
        table[i] = _ZERO
    return room - _ONE


@_compiled()
def _seat(table: Any, mask: Any, key: Any) -> Any:
    """Where in a table a key is, or would be. 0 marks an empty place, so the key 0 counts as 1."""
    seat = key & mask
    while table[seat] != key and table[seat] != _ZERO:
        seat = (seat + _ONE) & mask
    return seat


@_compiled()
def _distinct(runs: Any, count: Any, table: Any) -> Any:
    """Move the first of each to the front, and say how many there are."""
    mask, kept = _cleared(table, count), _ZERO
    for i in range(count):
        key = max(runs[i], _ONE)
        seat = _seat(table, mask, key)
        if table[seat] == _ZERO:
            table[seat] = key
            runs[kept] = key
            kept += _ONE
    return kept


@_compiled()
def _longest(ends: Any) -> Any:
    longest = 0
    for row in range(len(ends) - 1):
        longest = max(longest, ends[row + 1] - ends[row])
    return longest


@_compiled()
def _minima(runs: Any, count: Any, least: Any) -> None:
    """For each of 128 multiply-add hashes of 32 bits, its least value; four runs at a time, as loading and storing the
    minima costs more than a hash."""
    for lane in range(LANES):
        least[lane] = np.uint32(0xFFFFFFFF)
    last = count - _ONE
    for i in range(_ZERO, count, _FOUR):
        a = np.uint32(runs[i] & _LOW)
        b = np.uint32(runs[min(i + _ONE, last)] & _LOW)
        c = np.uint32(runs[min(i + _TWO, last)] & _LOW)
        d = np.uint32(runs[min(i + _THREE, last)] & _LOW)
        for lane in range(LANES):
            times, plus = _TIMES[lane], _PLUS[lane]
            first = min(np.uint32(a * times + plus), np.uint32(b * times + plus))
            second = min(np.uint32(c * times + plus), np.uint32(d * times + plus))
            least[lane] = min(least[lane], min(first, second))


@_compiled(numba.void(_U64, _I64, numba.i8, numba.i8, _OUT32, numba.u8[:, ::1], _SHARES))
def sketch(words: Any, ends: Any, shingle: Any, size: Any, digests: Any, bands: Any, repeated: Any) -> None:
    """For each text the MinHash values, at most 128, of its runs of `shingle` words; the keys of their bands; and the
    share of its runs of `size` words that occurred in it before (0 for a text of up to `size` words). A text without
    words has the highest values."""
    longest = _longest(ends)
    runs, table = np.empty(longest, np.uint64), np.empty(_room(longest), np.uint64)
    least, rows = np.empty(LANES, np.uint32), digests.shape[1] // bands.shape[1]
    for row in range(len(ends) - 1):
        start, end = ends[row], ends[row + 1]
        _minima(runs, _runs(words, start, end, shingle, runs), least)
        for band in range(bands.shape[1]):
            key = np.uint64(band + 1)
            for at in range(band * rows, (band + 1) * rows):
                digests[row, at] = least[at]
                key = (key ^ np.uint64(least[at])) * BASE
                key ^= key >> _S32
            bands[row, band] = key
        repeated[row] = 0.0
        if end - start > size:
            count = _runs(words, start, end, size, runs)
            repeated[row] = 1.0 - _distinct(runs, count, table) / count


@_compiled(numba.void(_U64, _I64, numba.i8, _OUT64, _COUNTS))
def distinct_runs(words: Any, ends: Any, size: Any, sets: Any, set_ends: Any) -> None:
    """The set of each text's runs of `size` words, in the order of their first occurrence; `sets` must have room for
    one a word."""
    longest = _longest(ends)
    runs, table = np.empty(longest, np.uint64), np.empty(_room(longest), np.uint64)
    at = 0
    set_ends[0] = 0
    for row in range(len(ends) - 1):
        count = _distinct(runs, _runs(words, ends[row], ends[row + 1], size, runs), table)
        for i in range(count):
            sets[at] = runs[i]
            at += 1
        set_ends[row + 1] = at


@_compiled(numba.void(_U64, _I64, _I64, _I64, _SHARES))
def similarities(sets: Any, ends: Any, left: Any, right: Any, jaccards: Any) -> None:
    """The exact Jaccard of each pair (left[n], right[n]) of sets without repeats; 1 for two empty ones. Pairs in the
    order of `left` are fastest: its table is made once."""
    largest = 0
    for pair in range(len(left)):
        largest = max(largest, ends[left[pair] + 1] - ends[left[pair]])
    table, tabled = np.empty(_room(largest), np.uint64), -1
    mask = _ZERO
    for pair in range(len(left)):
        start, end = ends[left[pair]], ends[left[pair] + 1]
        if left[pair] != tabled:
            tabled = left[pair]
            mask = _cleared(table, end - start)
            for i in range(start, end):
                table[_seat(table, mask, sets[i])] = sets[i]
        shared, union = 0, end - start
        for i in range(ends[right[pair]], ends[right[pair] + 1]):
            is_shared = table[_seat(table, mask, sets[i])] == sets[i]
            shared += is_shared
            union += not is_shared
        jaccards[pair] = shared / union if union else 1.0


@_compiled(numba.void(_U64, _OUT64, _COUNTS))
def enter(keys: Any, table: Any, places: Any) -> None:
    """Fill a table of zeros, a power of two that is larger than the number of keys, and where each key came from."""
    mask = np.uint64(len(table) - 1)
    for i in range(len(keys)):
        seat = _seat(table, mask, keys[i])
        table[seat] = keys[i]
        places[seat] = i


@_compiled(numba.i8(_U64, numba.i8, _U64, _I64, _COUNTS))
def meet(words: Any, size: Any, table: Any, places: Any, found: Any) -> Any:
    """The places of the keys of a table among a text's runs of `size` words, with repeats; says how many."""
    runs, mask, met = np.empty(len(words), np.uint64), np.uint64(len(table) - 1), 0
    for i in range(_runs(words, 0, len(words), size, runs)):
        key = max(runs[i], _ONE)
        seat = _seat(table, mask, key)
        if table[seat] == key:
            found[met] = places[seat]
            met += 1
    return met
