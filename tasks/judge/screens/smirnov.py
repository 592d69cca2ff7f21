"""The two-sample test of Kolmogorov and Smirnov, exact for samples without ties (pure).

With ties, which counts and shares have, the exact probability is an upper bound (Noether 1963): such a test is
conservative.
"""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

_NORMAL = NormalDist()
_SLACK = 1e-9
"""Of the comparison of distances, which are multiples of 1 / (n m)."""


def distance(one: Values, other: Values) -> float:
    """The largest difference between the two shares of values at or below a point."""
    points = np.concatenate([one, other])
    below_one = np.searchsorted(np.sort(one), points, side="right") / len(one)
    below_other = np.searchsorted(np.sort(other), points, side="right") / len(other)
    return float(np.abs(below_one - below_other).max())


def p_value(d: float, n: int, m: int) -> float:
    """The probability of a distance of `d` or more between samples of n and m from one continuous distribution.

    Counts the lattice paths from (0, 0) to (n, m) that stay nearer than d to the diagonal (Hodges 1958, Arkiv för
    Matematik 3, 469-486), rows scaled so that no count overflows.
    """
    along = np.arange(m + 1) / m
    paths = (along < d - _SLACK).astype(np.float64)
    logs = 0.0  # of what the rows were divided by
    for i in range(1, n + 1):
        near = np.abs(i / n - along) < d - _SLACK
        paths = np.cumsum(paths * near) * near  # a path along this row starts no lower than the row is near
        largest = paths.max()
        if largest == 0.0:
            return 1.0
        paths, logs = paths / largest, logs + math.log(largest)
    if paths[m] == 0.0:
        return 1.0
    all_paths = math.lgamma(n + m + 1) - math.lgamma(n + 1) - math.lgamma(m + 1)
    return min(1.0, max(0.0, -math.expm1(math.log(paths[m]) + logs - all_paths)))


def fires_from(level: float, n: int, m: int) -> float:
    """The least distance, to a thousandth, whose probability is at most `level`; above 1 where none is."""
    low, high = 0, 1001
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if p_value(middle / 1000, n, m) <= level else (middle, high)
    return high / 1000


def seen_from(fires_at: float, n: int, m: int, power: float) -> float:
    """A distance between two distributions that fires with at least this probability, about.

    At the point where the distributions differ most, the shares of the samples differ by that much give or take
    sqrt((1/n + 1/m) / 4) at most, and the test's distance is no smaller than there: a normal lower bound of the
    power.
    """
    return fires_at + _NORMAL.inv_cdf(power) * math.sqrt((1 / n + 1 / m) / 4)


def in_deviations(d: float) -> float:
    """How many standard deviations apart two normal distributions are whose distance is `d`."""
    return 2 * _NORMAL.inv_cdf((1 + min(d, 1 - 1e-9)) / 2)
