"""Has a teacher's accuracy on canaries fallen? Exact tests of one window against a reference (pure).

With a stated rate the number of right answers is binomial. With a reference that was itself counted the test is
Fisher's exact one, one-sided: given how many are right in window and reference together, the number in the window is
hypergeometric, whatever the true rate is. So the baseline's own error is inside the test: a small reference costs
power and never gives false alarms. Families of prompts are strata: their numbers are added, their distributions
convolved (Gart 1970, Biometrika 57, 471-475), so that another mix of easy and hard families is no fall.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Distribution = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Count:
    """Right answers of `n`."""

    right: int = 0
    n: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.right + other.right, self.n + other.n)

    @property
    def rate(self) -> float:
        return self.right / self.n if self.n else math.nan


MOST_CANARIES = 2_000
"""In a window, however small the fall that it should see."""

Counts = Mapping[str, Count]
"""By family of prompts."""


def total(counts: Counts) -> Count:
    """All families together."""
    return sum(counts.values(), Count())


def joined(*several: Counts) -> dict[str, Count]:
    """Several windows as one."""
    names = {name for counts in several for name in counts}
    return {name: sum((counts.get(name, Count()) for counts in several), Count()) for name in sorted(names)}


@lru_cache(maxsize=1)
def _log_factorials(size: int) -> Distribution:
    logs: Distribution = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, size)))])
    return logs


def _log_choose(n: int, k: npt.NDArray[np.int64]) -> Distribution:
    logs = _log_factorials(1 << max(16, n.bit_length()))
    ways: Distribution = logs[n] - logs[k] - logs[n - k]
    return ways


def binomial(n: int, rate: float) -> Distribution:
    """P(k right of n), k from 0 to n; `rate` strictly between 0 and 1."""
    k = np.arange(n + 1)
    chances: Distribution = np.exp(_log_choose(n, k) + k * math.log(rate) + (n - k) * math.log1p(-rate))
    return chances


def hypergeometric(drawn: int, right: int, n: int) -> Distribution:
    """P(k right among `drawn` of `n`, of which `right` are), k from 0 to `drawn`."""
    chances = np.zeros(drawn + 1)
    k = np.arange(max(0, drawn - (n - right)), min(drawn, right) + 1)
    whole = _log_choose(n, np.array([drawn]))
    chances[k] = np.exp(_log_choose(right, k) + _log_choose(n - right, drawn - k) - whole)
    return chances


def p_value(window: Counts, reference: Counts | float) -> float:
    """How probable so few right answers, or fewer, are if nothing has changed. A family that the reference does not
    have says nothing, for or against."""
    distribution = np.ones(1)
    for name, count in window.items():
        distribution = np.convolve(distribution, _expected(count, name, reference))
    return min(1.0, float(distribution[: total(window).right + 1].sum()))


def _expected(count: Count, family: str, reference: Counts | float) -> Distribution:
    if isinstance(reference, float):
        return binomial(count.n, reference)
    both = count + reference.get(family, Count())
    return hypergeometric(count.n, both.right, both.n)


@lru_cache(maxsize=1024)
def most_that_fires(n: int, reference: Count | float, level: float) -> int:
    """The most right answers of `n` at which a window fires at this level, families not told apart; -1: none
    would."""
    low, high = -1, n
    while low < high:
        k = (low + high + 1) // 2
        against = reference if isinstance(reference, float) else {"": reference}
        low, high = (k, high) if p_value({"": Count(k, n)}, against) <= level else (low, k - 1)
    return low


def chance(n: int, fires_at: int, rate: float) -> float:
    """The probability that a teacher which is right at this rate makes a window fire."""
    return float(binomial(n, rate)[: fires_at + 1].sum()) if fires_at >= 0 else 0.0


@lru_cache(maxsize=1024)
def seen_from(n: int, fires_at: int, power: float) -> float | None:
    """The highest rate at which a window of `n` fires with this probability; None: at none."""
    if fires_at < 0:
        return None
    low, high = 1e-9, 1 - 1e-9
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(n, fires_at, middle) >= power else (low, middle)
    return low


@lru_cache(maxsize=64)
def window_size(planned: int, rate: float, fall: float, power: float, alpha: float, untested: int = 0) -> int:
    """Fewest canaries, in steps of 5, with which each window of a run of `planned` sees a fall with `power`, where
    the windows less the first `untested` share `alpha` evenly and the rate is known. It may be more than there
    are."""
    fallen, n = max(rate / 2, rate - fall), 20
    while n < MOST_CANARIES:
        fires_at = most_that_fires(n, rate, alpha / max(1, planned // n - untested))
        if chance(n, fires_at, fallen) >= power:
            return n
        n += 5
    return MOST_CANARIES


def _least(holds: Callable[[float], bool]) -> float:
    """The least rate from which on something holds."""
    low, high = 1e-12, 1 - 1e-12
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def clopper_pearson(events: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided confidence interval of a rate (Clopper and Pearson 1934, Biometrika 26, 404-413)."""
    tail = (1 - confidence) / 2
    low = 0.0 if events == 0 else _least(lambda p: 1 - chance(n, events - 1, p) >= tail)
    high = 1.0 if events == n else _least(lambda p: chance(n, events, p) <= tail)
    return low, high
