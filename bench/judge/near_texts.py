"""Documents with planted near duplicates, and the truth about them, by plain Python sets of word 5-grams.

Words are runs of ASCII letters and digits in lower case with one space between them, so that every library, whatever
its idea of a word, sees the same 5-grams.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

THRESHOLD = 0.8
SHINGLE = 5
VARIANTS = 0.225
"""Share of the documents that are variants of another."""
JUMP = 0.03
"""How often the chain goes on elsewhere: without it, texts quote their source for too long."""
SHORTEST, LONGEST = 400, 1400
_TARGETS = ((0.31, 0.75, 0.80), (0.30, 0.80, 0.85), (0.12, 0.50, 0.75), (0.27, 0.85, 1.0))
"""Share of the planted pairs, and the range of Jaccard that they aim at."""
_CHAIN, _CHAIN_SHARE = 5, 0.1
"""One variant in ten begins a chain: the next ones are each a variant of the one before."""
_BATCH = 1000

Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """The words of the files, and what follows what in them."""

    words: list[str]
    tokens: Tokens
    of_pair: Tokens
    """(n,): which distinct pair of words begins at each place."""
    starts: Tokens
    places: Tokens
    """The places of pair p are places[starts[p]:starts[p + 1]]."""


def read_source(files: Sequence[Path]) -> Source:
    """The words of the files as they stand, JSON's own names among them."""
    found = [word for path in files for word in re.findall(r"[a-z0-9]+", path.read_text(encoding="utf-8").lower())]
    words, tokens = np.unique(np.array(found), return_inverse=True)
    pairs = tokens * len(words) + np.roll(tokens, -1)
    _, of_pair, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(counts)])
    return Source(words.tolist(), tokens, of_pair, starts, np.argsort(of_pair, kind="stable"))


def chains(source: Source, count: int, length: int, rng: np.random.Generator) -> Tokens:
    """(count, length) words of an order-2 Markov chain: a pair of words goes on as it does somewhere in the files."""
    total = len(source.tokens)
    place, drawn = rng.integers(0, total, count), np.empty((count, length), dtype=np.int64)
    for step in range(length):
        pair = source.of_pair[place]
        first, last = source.starts[pair], source.starts[pair + 1]
        place = source.places[first + (rng.random(count) * (last - first)).astype(np.int64)]
        place = np.where(rng.random(count) < JUMP, rng.integers(0, total, count), (place + 1) % total)
        drawn[:, step] = source.tokens[(place + 1) % total]
    return drawn


def varied(tokens: Tokens, jaccard: float, vocabulary: int, rng: np.random.Generator) -> Tokens:
    """A variant that has about this Jaccard with the text: words replaced, put in, left out, or the ends cut."""
    kind = rng.integers(0, 3)
    count = len(tokens)
    if kind == 2:  # a cut text is a subset: its Jaccard is what is left of it
        first = int(rng.integers(0, max(1, round(count * (1 - jaccard)))))
        return tokens[first : first + round(count * jaccard)]
    edits = max(1, round(count * (1 - jaccard) / ((SHINGLE if kind == 0 else SHINGLE - 0.5) * (1 + jaccard))))
    places = np.sort(rng.choice(count, edits, replace=False))
    changed = tokens.copy()
    if kind == 0:
        changed[places] = rng.integers(0, vocabulary, edits)
        return changed
    out, into = places[::2], places[1::2]
    put = np.insert(changed, into, rng.integers(0, vocabulary, len(into)))
    return np.delete(put, out)


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.split(" ")
    return set(zip(*(words[offset:] for offset in range(SHINGLE)), strict=False))


def jaccard(left: str, right: str) -> float:
    one, other = shingles(left), shingles(right)
    return len(one & other) / len(one | other)


def _family_sizes(count: int, rng: np.random.Generator) -> list[int]:
    """How many variants each text has that is none itself."""
    variants = round(count * VARIANTS)
    sizes = np.zeros(count - variants, dtype=np.int64)
    chained = round(variants * _CHAIN_SHARE / _CHAIN)
    owners = rng.choice(len(sizes), variants - (_CHAIN - 1) * chained, replace=False)
    sizes[owners] = 1
    sizes[owners[:chained]] = _CHAIN
    return [int(size) for size in sizes]


def families(source: Source, count: int, seed: int) -> Iterator[list[str]]:
    """`count` documents in families: a text and its variants, each of the text itself or, in a chain, of the one
    before. The same for a seed."""
    rng = np.random.default_rng(seed)
    sizes = _family_sizes(count, rng)
    chances = np.cumsum([share for share, _, _ in _TARGETS])
    for first in range(0, len(sizes), _BATCH):
        batch = sizes[first : first + _BATCH]
        for tokens, variants in zip(chains(source, len(batch), LONGEST, rng), batch, strict=True):
            family = [tokens[: rng.integers(SHORTEST, LONGEST + 1)]]
            for _ in range(variants):
                _, low, high = _TARGETS[int(np.searchsorted(chances, rng.random() * chances[-1]))]
                family.append(varied(family[-1], rng.uniform(low, high), len(source.words), rng))
            yield [" ".join([source.words[token] for token in member]) for member in family]


Member = tuple[int, int]
"""A family and which of its texts."""


def mixed(found: Iterable[list[str]], pool: int, seed: int) -> Iterator[tuple[Member, str]]:
    """The texts one by one: a variant waits among up to `pool` others for a random time after its first text."""
    rng, waiting = np.random.default_rng(seed), []
    for family, texts in enumerate(found):
        yield (family, 0), texts[0]
        waiting.extend(((family, member), text) for member, text in enumerate(texts) if member)
        while len(waiting) > pool:
            at = int(rng.integers(len(waiting)))
            waiting[at], waiting[-1] = waiting[-1], waiting[at]
            yield waiting.pop()
    yield from (waiting[at] for at in rng.permutation(len(waiting)))


class Truth:
    """What is true of the documents, filled while they are made."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Member, Member, float]] = []
        """The exact Jaccard of every two members of a family."""

    def noting(self, found: Iterable[list[str]]) -> Iterator[list[str]]:
        for family, texts in enumerate(found):
            for (a, one), (b, other) in combinations(enumerate(texts), 2):
                self.pairs.append(((family, a), (family, b), jaccard(one, other)))
            yield texts

    def clusters(self) -> list[set[Member]]:
        """Sets of texts that pairs of Jaccard 0.8 and more connect."""
        held: dict[Member, set[Member]] = {}
        for left, right, similarity in self.pairs:
            if similarity >= THRESHOLD:
                one, other = (held.setdefault(member, {member}) for member in (left, right))
                if one is not other:
                    one |= other
                    held.update((member, one) for member in other)
        return list({id(cluster): cluster for cluster in held.values()}.values())
