"""Whether a question, or a trace, holds a question that students are evaluated on (pure).

Sharing one run of words proves little: 10 % of MATH's training questions have 8 words in common with some test
question, and a third of AIME's, mostly for their boilerplate. So what counts is how much of the evaluation question is
covered.
"""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tasks.judge.finding import Finding, Signal, Trace, passed, quarantined, rejected
from tasks.judge.packs import Pack
from tasks.judge.policy import JudgePolicy
from tasks.judge.words import Hashes, distinct, ngrams, words

VERSION = 1
QUESTION_GRAM, TRACE_GRAM = 8, 13
FEWEST_OF_A_TRACE = 4
"""Runs of 13 words that a question must have to be looked for in traces: shorter ones occur by chance."""
_DIGITS = re.compile(r"\d+")
Places = npt.NDArray[np.int64]


class Grams:
    """Where each run of `size` words occurs among the questions; a shorter question is one run, its whole."""

    def __init__(self, questions: Sequence[Hashes], size: int, fewest: int = 1) -> None:
        sets = [distinct(ngrams(hashes, size)) for hashes in questions]
        sets = [grams if len(grams) >= fewest else grams[:0] for grams in sets]
        keys = np.concatenate([*sets, np.empty(0, dtype=np.uint64)])
        owners = np.repeat(np.arange(len(sets)), [len(grams) for grams in sets])
        order = np.argsort(keys, kind="stable")
        self._keys, self._owners = keys[order], owners[order]
        self._counts = np.array([len(grams) for grams in sets], dtype=np.int64)
        self._size = size

    def covered(self, hashes: Hashes) -> tuple[float, int, int]:
        """The largest share of a question's runs that a text holds, whose it is, and how many runs those are."""
        grams = distinct(ngrams(hashes, self._size))
        first, last = np.searchsorted(self._keys, grams, "left"), np.searchsorted(self._keys, grams, "right")
        met: Places = np.concatenate([self._owners[a:b] for a, b in zip(first, last, strict=True) if b > a] or [_NONE])
        if not len(met):
            return 0.0, -1, 0
        owners, hits = np.unique(met, return_counts=True)
        shares = hits / self._counts[owners]
        best = int(np.argmax(shares))
        return float(shares[best]), int(owners[best]), int(hits[best])


_NONE = np.empty(0, dtype=np.int64)


class Evaluation:
    """The questions of all packs, indexed. Made once, and sent to workers as it is."""

    def __init__(self, packs: Sequence[Pack] = ()) -> None:
        self.items = [(pack, at) for pack in packs for at in range(len(pack.questions))]
        """Each pack with the place of each of its questions."""
        questions = [pack.questions[at] for pack, at in self.items]
        hashes = [words(question) for question in questions]
        self._questions = Grams(hashes, QUESTION_GRAM)
        self._in_traces = Grams(hashes, TRACE_GRAM, FEWEST_OF_A_TRACE)
        self._keys: dict[str, int] = {}
        for number, question in enumerate(questions):
            self._keys.setdefault(without_numbers(question), number)

    def named(self, number: int) -> str:
        """Which item: its pack and line."""
        pack, at = self.items[number]
        return f"{pack.name}:{pack.lines[at]}"

    def same_but_for_numbers(self, question: str) -> int | None:
        return self._keys.get(without_numbers(question))

    def in_question(self, question: str) -> tuple[float, int, int]:
        return self._questions.covered(words(question))

    def in_trace(self, hashes: Hashes) -> tuple[float, int, int]:
        return self._in_traces.covered(hashes) if len(hashes) >= TRACE_GRAM else (0.0, -1, 0)


def without_numbers(question: str) -> str:
    """A question's words without its numbers, by which Light-R1 (arXiv 2503.10460) drops questions. Most that are equal
    by it are other problems, so here they are put aside."""
    return " ".join(_DIGITS.sub("#", question).casefold().split())


def check_contamination(trace: Trace, policy: JudgePolicy, evaluation: Evaluation) -> Finding:
    """Neither question nor trace holds an evaluation question."""
    if not evaluation.items:
        return passed()
    same = evaluation.same_but_for_numbers(trace.question)
    asked, item, runs = evaluation.in_question(trace.question)
    told, told_item, _ = evaluation.in_trace(trace.words)
    signal: Signal = {"question_coverage": round(asked, 3), "trace_coverage": round(told, 3)}
    if asked >= policy.max_eval_coverage:
        where = evaluation.named(item)
        details = f"the question holds {asked:.0%} of {where}, max_eval_coverage is {policy.max_eval_coverage:.0%}"
        return rejected("contaminated_question", details, **signal | {"item": where})
    if told >= policy.max_eval_coverage:
        where = evaluation.named(told_item)
        details = f"the trace holds {told:.0%} of {where}, max_eval_coverage is {policy.max_eval_coverage:.0%}"
        return rejected("contaminated_trace", details, **signal | {"item": where})
    if same is not None:
        where = evaluation.named(same)
        details = f"but for its numbers the question is {where}: look whether it is the same problem"
        return quarantined("contamination_review", details, **signal | {"item": where})
    if runs > TRACE_GRAM - QUESTION_GRAM and asked >= policy.review_eval_coverage:
        where = evaluation.named(item)
        details = f"the question holds {asked:.0%} of {where}: look whether it is the same problem"
        return quarantined("contamination_review", details, **signal | {"item": where})
    return passed(**signal)
