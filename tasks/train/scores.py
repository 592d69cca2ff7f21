"""Counting right answers: per family, before and after, with an interval (pure)."""

import math
from collections.abc import Mapping, Sequence

from tasks.train.student import Scores

_Z = 1.959963984540054  # of the normal distribution, for 95 %
Marks = Sequence[tuple[str, bool]]
"""Family and whether the answer was right, one a held-out prompt."""


def wilson(right: int, asked: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927), which stays inside 0 to 1 and is honest near both ends."""
    if not asked:
        return (0.0, 1.0)
    share, z2 = right / asked, _Z * _Z
    centre = (share + z2 / (2 * asked)) / (1 + z2 / asked)
    half = _Z / (1 + z2 / asked) * math.sqrt(share * (1 - share) / asked + z2 / (4 * asked * asked))
    low, high = centre - half, centre + half
    return (low if right else 0.0, high if right < asked else 1.0)


def compare(before: Marks, after: Marks) -> Scores | None:
    """Both shares over the same prompts; None without prompts."""
    if not after:
        return None
    was, is_now = sum(right for _, right in before), sum(right for _, right in after)
    return Scores(
        prompts=len(after),
        before=was / len(before),
        after=is_now / len(after),
        before_interval=wilson(was, len(before)),
        after_interval=wilson(is_now, len(after)),
    )


def compare_families(before: Marks, after: Marks) -> Mapping[str, Scores]:
    """The same for every family, by name."""
    found = {
        family: compare([mark for mark in before if mark[0] == family], [mark for mark in after if mark[0] == family])
        for family in sorted({family for family, _ in after})
    }
    return {family: scores for family, scores in found.items() if scores is not None}
