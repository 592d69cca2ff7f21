"""Whether a question, or a trace, holds a question that students are evaluated on (pure).

Sharing one run of words proves little: 10 % of MATH's training questions have 8 words in common with some test
question, and a third of AIME's, mostly for their boilerplate. So what counts is how much of the evaluation question is
covered.
"""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tasks.judge.finding import Finding, Signal, Trace, passed, quarantined, rejected
from tasks.judge.packs import Pack
from tasks.judge.policy import JudgePolicy
from tasks.judge.words import Columns, Hashes, Index, runs, split, words

VERSION = 1
QUESTION_GRAM, TRACE_GRAM = 8, 13
FEWEST_OF_A_TRACE = 4
"""Runs of 13 words that a question must have to be looked for in traces: shorter ones occur by chance."""
_DIGITS = re.compile(r"\d+")


class Grams:
    """Where each run of `size` words occurs among the questions; a shorter question is one run, its whole."""

    def __init__(self, questions: Columns, size: int, fewest: int = 1) -> None:
        sets = runs(questions, size)
        wanted = np.repeat(sets.counts >= fewest, sets.counts)
        keys, owners = sets.hashes[wanted], np.repeat(np.arange(len(sets)), sets.counts)[wanted]
        order = np.argsort(keys, kind="stable")
        known, firsts = np.unique(keys[order], return_index=True)
        self._index, self._counts, self._size = Index(known), sets.counts, size
        self._owners, self._firsts = owners[order], np.append(firsts, len(keys))

    def covered(self, hashes: Hashes) -> tuple[float, int, int]:
        """The largest share of a question's runs that a text holds, whose it is, and how many runs those are."""
        met = self._index.met(hashes, self._size)
        if not len(met):
            return 0.0, -1, 0
        holders = [self._owners[self._firsts[run] : self._firsts[run + 1]] for run in met]
        owners, hits = np.unique(np.concatenate(holders), return_counts=True)
        shares = hits / self._counts[owners]
        best = int(np.argmax(shares))
        return float(shares[best]), int(owners[best]), int(hits[best])


class Evaluation:
    """The questions of all packs, indexed. Made once, and sent to workers as it is."""

    def __init__(self, packs: Sequence[Pack] = ()) -> None:
        self.items = [(pack, at) for pack in packs for at in range(len(pack.questions))]
        """Each pack with the place of each of its questions."""
        questions = [pack.questions[at] for pack, at in self.items]
        hashes = split(pa.array(questions, pa.large_string()))
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
