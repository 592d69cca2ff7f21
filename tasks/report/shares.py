"""Shares with their intervals, and how small a change of a share would be seen (pure)."""

import math
from collections.abc import Sequence
from statistics import NormalDist

from tasks.report.facts import Window
from tasks.train.scores import wilson

__all__ = ["detectable", "stands_out", "wilson"]

ALPHA, POWER = 0.05, 0.8


def detectable(share: float, count: int, others: int, looks: int) -> float | None:
    """The smallest change of a share that a window of `count` answers, beside `others`, would show in 80 % of cases.

    Two shares compared two-sidedly by their normal approximation (Fleiss, Levin and Paik, Statistical Methods for Rates
    and Proportions, 3rd ed., chapter 4), at 5 % shared equally among `looks` windows (Bonferroni). None without others
    to compare with.
    """
    if not count or not others:
        return None
    normal = NormalDist()
    reach = normal.inv_cdf(1 - ALPHA / (2 * max(1, looks))) + normal.inv_cdf(POWER)
    # A share of 0 or 1 has no spread by its estimate; half an answer more or less gives it one.
    at = min(max(share, 0.5 / (count + others)), 1 - 0.5 / (count + others))
    return reach * math.sqrt(at * (1 - at) * (1 / count + 1 / others))


def stands_out(windows: Sequence[Window], number: int) -> bool:
    """Whether a window's share differs from that of all others together, at 5 % shared among the windows."""
    window = windows[number]
    others = sum(each.count for each in windows) - window.count
    passed = sum(each.passed for each in windows)
    if not others or not window.count:
        return False
    pooled = passed / (others + window.count)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / window.count + 1 / others))
    difference = window.passed / window.count - (passed - window.passed) / others
    return spread > 0 and abs(difference) / spread > NormalDist().inv_cdf(1 - ALPHA / (2 * len(windows)))
