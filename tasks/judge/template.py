"""The rule `template`: text that a teacher repeats whatever it is asked (pure).

A 20-gram of words seen in the traces of more than 20 questions is a template, and a trace of which templates cover more
than 20 % is made of them (AM-DeepSeek, arXiv 2503.19633, drops 20-grams seen more than 20 times). It takes all traces
to know: here each trace gives its 20-grams, `sql/template.sql` counts the questions of each.

Of the 20-grams only those are kept whose hash is 0 modulo 8: the same ones of every trace, so that counts over them are
exact and shares of them are estimates without bias (Broder, "On the resemblance and containment of documents", 1997).
"""

import numpy as np

from tasks.judge.words import Hashes, one, runs

VERSION = 1
SIZE = 20
"""Words of a template."""
KEPT_OF = 8
"""Of so many hashes one is kept: a trace of 900 words stores about 110, 0.9 kB."""
FEWEST = 8
"""Kept 20-grams below which a trace is too short for a share (about 84 words): of eight, half of them templates, the
share is at most 0.2 by bad luck in 4 % of cases; of 30 in 0.07 %."""


def template_grams(words: Hashes) -> Hashes:
    """The sampled 20-grams of a trace, each once, sorted; none where it has fewer than 20 words."""
    if len(words) < SIZE:
        return words[:0]
    grams = runs(one(words), SIZE).hashes
    return np.sort(grams[grams % np.uint64(KEPT_OF) == 0])
