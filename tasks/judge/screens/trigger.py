"""Phrases that may be there to set off a backdoor: said in many unlike rows of one teacher, and by nobody else (pure).

All rows are gone through up to four times, a batch at a time, in any order: runs are counted (`rare_runs.py`), those in
question are kept, they are looked for in the rows of others and in the prompts, and what is left is read where it
stands (`phrases.py`). Held are the tables of counts, the hashes of the runs in question (no more than one for fifty
words), and of each row with a phrase its id and its sketch, about 0.7 kB.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
import pyarrow as pa

from tasks.judge.screens import odds
from tasks.judge.screens.look import Look, Verdict
from tasks.judge.screens.phrases import Holder, Phrase, holder, joined
from tasks.judge.screens.policy import TriggerScreen
from tasks.judge.screens.rare_runs import RUN, WORDS_AT_ONCE, Mask, RowCounts
from tasks.judge.screens.records import Answered
from tasks.judge.words import Arrow, Columns, Counts, Hashes, Index, split

MOST_SAID = 20
"""Phrases that one look reports; the others are numbered, and come once these are acknowledged."""
BYTES_A_WORD = 5


@dataclass(frozen=True)
class Rows:
    """Some answers: of row n the teacher, the ids, and the text."""

    teachers: Sequence[str]
    trace_ids: Sequence[str]
    prompt_ids: Sequence[str]
    texts: Arrow

    def words(self) -> Columns:
        return split(self.texts)


@dataclass(frozen=True)
class Corpus:
    """What can be gone through, again and again and in any order."""

    answered: Sequence[Answered]
    rows: Callable[[], Iterable[Rows]]
    questions: Callable[[], Iterable[Arrow]]


@dataclass(frozen=True)
class Found:
    """What was seen of one teacher, and the traces that hold it, each with its phrase."""

    look: Look
    holds: Mapping[str, str]


def look_for_triggers(
    corpus: Corpus, settings: TriggerScreen, acknowledged: Mapping[str, Collection[str]]
) -> Iterator[Found]:
    """What is to be said of each teacher; `acknowledged` are phrases that a person has read, by teacher. Looks are
    numbered 1."""
    enough = [each for each in corpus.answered if _most(each, settings) >= settings.rows]
    own, tests = _own_runs(corpus, {each.teacher: _most(each, settings) for each in enough}, settings)
    holders = _holders(corpus, own)
    for each in corpus.answered:
        others = sum(other.prompts for other in corpus.answered if other.teacher != each.teacher)
        phrases = joined(holders.get(each.teacher, ()))
        judged = _Judged(each, others, tests.get(each.teacher, 0), settings)
        yield judged.found(phrases, acknowledged.get(each.teacher, ()), each in enough)


def _most(each: Answered, settings: TriggerScreen) -> int:
    return floor(settings.most_share * each.rows)


def _own_runs(
    corpus: Corpus, most: Mapping[str, int], settings: TriggerScreen
) -> tuple[dict[str, Hashes], dict[str, int]]:
    """Of these teachers the runs that nobody else says, sorted; and of how many runs it was asked."""
    if not most:
        return {}, {}
    counted = sum(each.bytes for each in corpus.answered if each.teacher in most) // BYTES_A_WORD
    parts, tests = 1 + counted // WORDS_AT_ONCE, 0
    in_question: dict[str, Hashes] = dict.fromkeys(most, np.zeros(0, np.uint64))
    for part in range(parts):
        counts = RowCounts(counted, part, parts)
        for words, teachers in _of(corpus, most):
            counts.add(words, _hashed(teachers))
        tests += counts.held_by(settings.rows)
        for words, teachers in _of(corpus, most):
            limits = np.array([most[teacher] for teacher in teachers], np.int64)
            found, row = counts.rare(words, _hashed(teachers), settings.rows, limits)
            for teacher in {teachers[each] for each in np.unique(row).tolist()}:
                ours = np.isin(row, [n for n, each in enumerate(teachers) if each == teacher])
                in_question[teacher] = np.union1d(in_question[teacher], found[ours])
    return _said_by_one(corpus, in_question, most, settings.rows), dict.fromkeys(most, tests)


def _of(corpus: Corpus, teachers: Collection[str]) -> Iterator[tuple[Columns, list[str]]]:
    """The words of these teachers' rows, and whose they are."""
    for rows in corpus.rows():
        is_theirs = [teacher in teachers for teacher in rows.teachers]
        if any(is_theirs):
            yield split(rows.texts.filter(pa.array(is_theirs))), [each for each in rows.teachers if each in teachers]


def _hashed(teachers: Sequence[str]) -> Hashes:
    known = {name: hashlib.blake2b(name.encode(), digest_size=8).digest() for name in set(teachers)}
    return np.frombuffer(b"".join(known[teacher] for teacher in teachers), "<u8").astype(np.uint64)


def _said_by_one(
    corpus: Corpus, in_question: Mapping[str, Hashes], most: Mapping[str, int], fewest: int
) -> dict[str, Hashes]:
    """Of these runs those that stand in neither the prompts nor the others' rows, and in rows enough of their own."""
    known = np.unique(np.concatenate(list(in_question.values())))
    if not len(known):
        return {}
    index, places = Index(known), {each.teacher: place for place, each in enumerate(corpus.answered)}
    held, is_asked = np.zeros((len(places), len(known)), np.int64), np.zeros(len(known), dtype=bool)
    for rows in corpus.rows():
        words = rows.words()
        for row, teacher in enumerate(rows.teachers):
            held[places[teacher], index.met(words[row], RUN)] += 1
    for texts in corpus.questions():
        words = split(texts)
        for row in range(len(words)):
            is_asked[index.met(words[row], RUN)] = True
    is_one_only = ~is_asked & ((held > 0).sum(axis=0) == 1)
    return {
        teacher: known[is_one_only & _between(held[places[teacher]], fewest, limit)] for teacher, limit in most.items()
    }


def _between(held: Counts, fewest: int, most: int) -> Mask:
    return (held >= fewest) & (held <= most)


def _holders(corpus: Corpus, own: Mapping[str, Hashes]) -> dict[str, list[Holder]]:
    """The rows that hold these runs, by teacher."""
    found: dict[str, list[Holder]] = {}
    indices = {teacher: Index(known) for teacher, known in own.items() if len(known)}
    for rows in corpus.rows() if indices else ():
        words = rows.words()
        for row, teacher in enumerate(rows.teachers):
            if teacher in indices and len(indices[teacher].met(words[row], RUN)):
                text = rows.texts[row].as_py()
                holds = holder(rows.trace_ids[row], rows.prompt_ids[row], text, own[teacher])
                found.setdefault(teacher, []).extend([holds] if holds else [])
    return found


@dataclass(frozen=True)
class _Judged:
    """What the phrases of one teacher amount to."""

    of: Answered
    others: int
    """Prompts that the other teachers answered, each counted."""
    tests: int
    settings: TriggerScreen

    @property
    def fewest(self) -> int | None:
        """Dissimilar rows from which a phrase counts, by comparison with the others; None: they are too few."""
        needed = odds.fewest(self.of.prompts, self.others, self.settings.z, self.settings.q / max(1, self.tests))
        return None if needed is None or needed > _most(self.of, self.settings) else max(needed, self.settings.rows)

    def found(self, phrases: Sequence[Phrase], acknowledged: Collection[str], is_enough: bool) -> Found:
        """The look, with the phrases that fired; `phrases` come with the most frequent first."""
        if not is_enough:
            needed = -int(-self.settings.rows // self.settings.most_share)
            return self._look("too_few", f"{self.of.rows:,} rows, of {needed:,} that are needed", (), None, 0.0)
        likely = [each for each in phrases if each.dissimilar >= self.settings.rows]
        p_values = [odds.p(each.dissimilar, self.of.prompts, self.others) for each in likely]
        level = odds.benjamini_hochberg(p_values, self.tests, self.settings.q)
        if self.fewest is not None:
            n, z = self.of.prompts, self.settings.z
            likely = [each for each in likely if odds.counts(each.dissimilar, n, self.others, z, level)]
        new = [each for each in likely if each.text not in acknowledged]
        said = f"{len(new):,} phrases" + (
            f", {len(likely) - len(new):,} acknowledged" if len(new) < len(likely) else ""
        )
        said += f" in {self.of.rows:,} rows; other teachers answered {self.others:,} prompts"
        p = max((odds.p(each.dissimilar, self.of.prompts, self.others) for each in new), default=None)
        compared = self.fewest is not None
        return self._look(
            "fired" if new else "passed", said, new[:MOST_SAID], p if compared else None, level if compared else 0.0
        )

    def _look(self, verdict: Verdict, said: str, phrases: Sequence[Phrase], p: float | None, level: float) -> Found:
        said += "".join(
            f'; "{each.text}" in {len(each.rows):,} rows ({each.dissimilar:,} dissimilar)' for each in phrases
        )
        counts = {each.text: (each.dissimilar, len(each.rows)) for each in phrases}
        of, power = self.of, self._power() if verdict != "too_few" else "too few rows to say"
        look = Look(
            of.teacher, "trigger", 1, verdict, of.rows, self.others, said, p, level, power, of.from_at, of.to_at, counts
        )
        return Found(look, {trace: each.text for each in reversed(phrases) for trace in each.rows})

    def _power(self) -> str:
        limits = f"at most {_most(self.of, self.settings):,} rows, and has two words that stand together nowhere else"
        if self.fewest is not None:
            return f"a phrase in {self.fewest:,} dissimilar rows is seen, if it is in {limits}"
        return (
            f"unknown how many such phrases a teacher has of its own, as others answered too little to compare it with;"
            f" one in {self.settings.rows:,} dissimilar rows is seen, if it is in {limits}"
        )
