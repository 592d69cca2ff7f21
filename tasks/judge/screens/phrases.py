"""Runs of five words joined to what was written, and the rows that hold it (pure)."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.judge.near import clusters
from tasks.judge.screens.rare_runs import RUN, at_each_word
from tasks.judge.sketch import Digests, estimate, sketched
from tasks.judge.words import Hashes, normal, one, words

SHOWN_WORDS = 13
"""Of a longer phrase the beginning is shown."""
ALIKE = 0.5
"""Estimated Jaccard of word 5-grams from which two rows count as one: half of what they say is the same."""
COMPARED = 400
"""Rows of a phrase that are compared with each other, those of the lowest ids: enough for any test here."""
LETTERED = 3
"""Words with a letter that a phrase has at least: sums and marks repeat themselves whoever writes (human solutions of
gsm8k have `= 10 > > 10` in 695 of 7,473 rows)."""

_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[0-9a-z\u00c0-\u1fff\ue000-\U0010ffff]+|[-+*/=<>^%\u2000-\udfff]")


@dataclass(frozen=True, eq=False)
class Holder:
    """A row that holds some of the runs."""

    trace_id: str
    prompt_id: str
    stretches: tuple[tuple[int, ...], ...]
    """Of runs that follow each other word by word, their places among the known ones."""
    said: tuple[str, ...]
    """The words of each stretch."""
    digest: npt.NDArray[np.uint32]
    """(125,) of the whole row."""


@dataclass(frozen=True)
class Phrase:
    """What was written, and where."""

    text: str
    rows: tuple[str, ...]
    """Ids of the traces that hold it, or the longest part of it, in their order."""
    dissimilar: int
    """Of different prompts, and not near duplicates of each other; counted up to COMPARED."""


def spelled(text: str) -> list[str]:
    """The words of a text as they are hashed: lowered, and without what stands between them."""
    return _WORD.findall(normal(text))


def holder(trace_id: str, prompt_id: str, text: str, known: Hashes) -> Holder | None:
    """Where a row holds some of these runs, which are sorted; None: nowhere."""
    hashes = words(text)
    runs, is_whole = at_each_word(one(hashes), RUN)
    at = np.minimum(np.searchsorted(known, runs), len(known) - 1)
    begins = np.flatnonzero(is_whole & (known[at] == runs))
    if not len(begins):
        return None
    cuts = np.split(begins, np.flatnonzero(np.diff(begins) > 1) + 1)
    written = spelled(text)
    said = tuple(" ".join(written[cut[0] : cut[-1] + RUN]) for cut in cuts)
    return Holder(
        trace_id,
        prompt_id,
        tuple(tuple(int(each) for each in at[cut]) for cut in cuts),
        said,
        sketched(one(hashes)).digests[0],
    )


def joined(holders: Iterable[Holder]) -> list[Phrase]:
    """The phrases that the rows hold, the most frequent first; runs that follow each other anywhere are of one phrase,
    which is shown as it is written most often."""
    holders = sorted(holders, key=lambda each: (each.trace_id, each.prompt_id))
    follows = {pair for each in holders for runs in each.stretches for pair in zip(runs, runs[1:], strict=False)}
    root = clusters(sorted(follows))
    of: dict[int, list[Holder]] = {}
    said: dict[int, Counter[str]] = {}
    for each in holders:
        for runs, text in zip(each.stretches, each.said, strict=True):
            phrase = root.get(runs[0], runs[0])
            said.setdefault(phrase, Counter())[text] += 1
            if each not in of.setdefault(phrase, [])[-1:]:
                of[phrase].append(each)
    found = (_phrase(said[phrase], of[phrase]) for phrase in sorted(of) if _is_said(said[phrase]))
    return sorted(found, key=lambda each: (-each.dissimilar, -len(each.rows), each.text))


def _usual(said: Counter[str]) -> list[str]:
    return max(said, key=lambda each: (said[each], len(each), each)).split(" ")


def _is_said(said: Counter[str]) -> bool:
    return sum(bool(_LETTER.search(word)) for word in _usual(said)) >= LETTERED


def _phrase(said: Counter[str], holders: Sequence[Holder]) -> Phrase:
    shown = _usual(said)
    text = " ".join(shown[:SHOWN_WORDS]) + (" ..." if len(shown) > SHOWN_WORDS else "")
    return Phrase(text, tuple(dict.fromkeys(each.trace_id for each in holders)), dissimilar(holders))


def dissimilar(holders: Sequence[Holder]) -> int:
    """Rows of different prompts of which no two are alike: each in turn counts if it is like none that counts."""
    first = {each.prompt_id: each for each in reversed(holders)}
    rows = sorted(first.values(), key=lambda each: each.trace_id)[:COMPARED]
    digests: Digests = np.array([each.digest for each in rows])
    is_left, count = np.ones(len(rows), dtype=bool), 0
    for place in range(len(rows)):
        if is_left[place]:
            count += 1
            is_left &= estimate(digests, digests[place]) < ALIKE
    return count
