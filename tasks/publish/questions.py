"""When two questions are the same, and when so near that they must sit on one side of a split (pure).

The same: one `question_key`. Near: token 3-shingles with an exact Jaccard of at least 0.8 *and* the same
multiset of numbers. Another number is another problem: of MATH questions that are 95 % alike, 94 % have
different answers, so numbers are never folded, written as digits or as words.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import rensa

SHINGLE = 3  # tokens: questions are short, and 5-grams of a 20-word question are mostly one edit away from none
JACCARD = 0.8
PERMUTATIONS, BANDS, ROWS = 125, 25, 5  # finds a pair at J = 0.8 with probability 0.9999, at 0.6 with 0.87
SEED = 1

CROWD = 20
"""More questions than this in one bucket share a template, not a problem (AM-DeepSeek drops 20-grams seen
over 20 times).
"""
LARGEST = 100
"""Questions in a cluster. Real near-duplicates come in twos and threes (GSM8K: one pair in 7,473);
reasoning-gym's word-sorting, letter-jumble and word-reversal prompts chain to at most 37, propositional
logic to 976 of 3,000.
"""

_TOKEN = re.compile(r"\w+|[^\w\s]")
_DIGITS = re.compile(r"\d+")
_MARKS = {"<super>": "^", "<sub>": "_", "<fraction>": " "}
_NUMBER_WORDS = frozenset(
    {
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
        "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
        "hundred", "thousand", "million", "billion", "dozen",
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
        "half", "halves", "thirds", "quarter", "quarters", "once", "twice", "thrice",
        "single", "double", "triple", "quadruple",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Question:
    """A question by its key."""

    key_id: str
    key: str


def question_key(question: str) -> str:
    """Normalise a question: NFKC, case folded, white space folded; digits, letters and operators are kept.

    White space around punctuation does not count ("2+2" is "2 + 2"); a superscript stays one ("2²" is "2^2",
    not "22").
    """
    return " ".join(_TOKEN.findall(unicodedata.normalize("NFKC", _mark(question)).casefold()))


def _mark(text: str) -> str:
    if text.isascii():
        return text
    return "".join(_MARKS.get(unicodedata.decomposition(char).partition(" ")[0], "") + char for char in text)


def key_id(key: str) -> str:
    """Hash a question key to 32 hex digits."""
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=4096)
def numbers(key: str) -> Counter[str]:
    """Count the numbers of a question key, in digits or in English words."""
    found = Counter(_DIGITS.findall(key))
    found.update(token for token in key.split(" ") if token in _NUMBER_WORDS)
    return found


@lru_cache(maxsize=4096)
def shingles(key: str) -> frozenset[str]:
    """Cut a question key into overlapping runs of three tokens; a shorter question is one shingle."""
    tokens = key.split(" ")
    return frozenset(" ".join(tokens[start : start + SHINGLE]) for start in range(max(1, len(tokens) - SHINGLE + 1)))


def is_near(key: str, other: str) -> bool:
    """Say whether two question keys are so alike that they belong on one side, exactly (no sketch)."""
    if numbers(key) != numbers(other):
        return False
    here, there = shingles(key), shingles(other)
    return len(here & there) >= JACCARD * len(here | there)


def buckets(keys: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Give each key its 25 buckets: near questions share at least one, questions with other numbers share
    none.
    """
    rows = rensa.RMinHash.digest_matrix_from_token_sets([shingles(key) for key in keys], PERMUTATIONS, SEED).to_rows()
    bands = np.asarray(rows, dtype=np.uint64).reshape(len(keys), BANDS, ROWS)
    mixed = np.tile(np.arange(BANDS, dtype=np.uint64), (len(keys), 1))
    mixed = _mix(mixed ^ np.array([_numbers_hash(key) for key in keys], dtype=np.uint64)[:, None])
    for row in range(ROWS):
        mixed = _mix(mixed ^ bands[:, :, row])
    return mixed


def _numbers_hash(key: str) -> int:
    text = " ".join(sorted(numbers(key).elements()))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble 64 bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class Clusters:
    """Joins near questions into clusters, in whatever order candidates come; holds linked questions only."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def consider(self, one: Question, other: Question) -> None:
        """Join two questions if they are near; those that are in one cluster already are not compared
        again.
        """
        low, high = sorted((self._root(one.key_id), self._root(other.key_id)))
        if low != high and is_near(one.key, other.key):
            self._parent[low] = low
            self._parent[high] = low
            self._parent.setdefault(one.key_id, low)
            self._parent.setdefault(other.key_id, low)

    def linked(self) -> dict[str, str]:
        """Every linked question to its cluster, named by its smallest member.

        A cluster of more than LARGEST questions is a template whose fillings chain; those stand for
        themselves.
        """
        clusters = {key_id: self._root(key_id) for key_id in self._parent}
        sizes = Counter(clusters.values())
        return {key_id: cluster for key_id, cluster in clusters.items() if sizes[cluster] <= LARGEST}

    def _root(self, key_id: str) -> str:
        while (parent := self._parent.get(key_id, key_id)) != key_id:
            self._parent[key_id] = self._parent.get(parent, parent)
            key_id = parent
        return key_id
