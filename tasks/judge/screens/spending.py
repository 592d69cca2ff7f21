"""How the looks of a run share its risk of a false alarm (pure).

An alpha-spending function says how much of `alpha` may be used up once a share `t` of the planned information has
been seen (Lan and DeMets 1983, Biometrika 70, 659-663): it need not be known beforehand when the looks come. Each
look here is a test of its own window, so that its level is simply what is newly spent, and the sum of the levels,
which is never above `alpha`, bounds the probability of any false alarm (Bonferroni), whatever the looks share.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from tasks.judge.screens.policy import Spending

_NORMAL = NormalDist()


def spent(function: Spending, alpha: float, share: float) -> float:
    """How much of `alpha` may be used up after this share (0 to 1) of the planned information.

    `even`: alpha t (Kim and DeMets 1987, Biometrika 74, 149-154, with rho 1). `pocock`: alpha ln(1 + (e - 1) t), and
    `obrien_fleming`: 2 - 2 Phi(z / sqrt t) with z the upper alpha / 2 quantile, both of Lan and DeMets 1983.
    """
    t = min(1.0, max(0.0, share))
    if function == "even":
        return alpha * t
    if function == "pocock":
        return alpha * math.log1p((math.e - 1) * t)
    return 2 - 2 * _NORMAL.cdf(_NORMAL.inv_cdf(1 - alpha / 2) / math.sqrt(t)) if t else 0.0


def level(function: Spending, alpha: float, share: float, before: float) -> float:
    """The level of the next look, given what the looks before it have used up; 0 where nothing is left."""
    return max(0.0, spent(function, alpha, share) - before)


@dataclass
class Risk:
    """What of alpha is used up since the course began, or since a person acknowledged a firing."""

    spending: Spending
    alpha: float
    planned: int
    """Answers of the whole windows that will be tested."""
    tested: int = 0
    spent: float = 0.0

    def next_level(self, n: int) -> float:
        return level(self.spending, self.alpha, (self.tested + n) / max(1, self.planned, self.tested + n), self.spent)

    def use(self, n: int, used: float) -> None:
        self.tested += n
        self.spent += used

    def renew(self, n: int) -> None:
        """Begin anew after a window of `n`."""
        self.planned, self.tested, self.spent = max(0, self.planned - self.tested - n), 0, 0.0
