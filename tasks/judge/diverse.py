"""Of many good traces of one prompt, the k that differ most (pure).

Greedy max-min, the usual 2-approximation of the most spread-out k (Gonzalez 1985): the best trace first, then each
time the one whose nearest chosen one is furthest away, by 1 - the Jaccard that their sketches estimate. Selecting
different solutions helped training on reasoning (Reasoning Path Divergence, 2510.26122). It sees words, not methods:
the same method told in other words counts as different.
"""

import numpy as np
import numpy.typing as npt

from tasks.judge.sketch import estimate

MOST = 64
"""Traces of a prompt that are compared, the best by place: n of them take n^2 comparisons."""


def spread_out(digests: npt.NDArray[np.uint32], is_right: npt.NDArray[np.bool_], k: int) -> list[int]:
    """The rows of the k to keep, in the order they were chosen. Rows are given best first; one row of digests a trace.

    Right ones are taken before any other, so a different wrong answer does not displace a right one. Of equally far
    ones the better is taken, so the result does not depend on anything else.
    """
    chosen: list[int] = []
    for group in (np.flatnonzero(is_right), np.flatnonzero(~is_right)):
        _extend(chosen, digests, group[:MOST], k)
    return chosen


def _extend(chosen: list[int], digests: npt.NDArray[np.uint32], rows: npt.NDArray[np.intp], k: int) -> None:
    left = [int(row) for row in rows]
    nearest = np.zeros(len(left))
    for one in chosen:
        nearest = np.maximum(nearest, _likeness(digests, one, left))
    while left and len(chosen) < k:
        at = int(np.argmin(nearest)) if chosen else 0
        chosen.append(left.pop(at))
        nearest = np.maximum(np.delete(nearest, at), _likeness(digests, chosen[-1], left))


def _likeness(digests: npt.NDArray[np.uint32], one: int, others: list[int]) -> npt.NDArray[np.float64]:
    """The estimated Jaccard of one row with each of the others."""
    return np.asarray(estimate(np.broadcast_to(digests[one], (len(others), digests.shape[1])), digests[others]))
