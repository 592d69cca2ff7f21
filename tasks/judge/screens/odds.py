"""How much more often a run of words stands in one teacher's rows than in the others', where theirs hold it never
(pure).

The log-odds ratio's usual z, an estimate over its standard error, is of no use at a count of zero: with the usual half
added, a run in 50 of 2,000 rows has z 3.3 against 2,000 rows without it, and would need 23,600 of them for z 5. Here z
is the signed root of the likelihood ratio of the same odds (8.4 in that case), and p is exact.
"""

import math
from collections.abc import Sequence


def z(held: int, n: int, others: int) -> float:
    """Signed root of the likelihood ratio: `held` of `n` rows hold it, and none of `others`."""
    if not held or not others:
        return 0.0
    share, either = held / (n + others), (n - held) + others
    cells = [(held, n * share)]
    cells += [(n - held, n * either / (n + others)), (others, others * either / (n + others))]
    return math.sqrt(max(0.0, 2 * sum(seen * math.log(seen / expected) for seen, expected in cells if seen)))


def p(held: int, n: int, others: int) -> float:
    """How probable it is that all rows that hold it are this teacher's, if it were anybody's (Fisher's exact test)."""
    log = math.lgamma(n + 1) - math.lgamma(n - held + 1)
    log += math.lgamma(n + others - held + 1) - math.lgamma(n + others + 1)
    return math.exp(min(0.0, log))


def fewest(n: int, others: int, least_z: float, level: float) -> int | None:
    """Rows of `n` that have to hold a run for it to count; None: no number would do."""
    low, high = 1, n
    while low < high:
        held = (low + high) // 2
        low, high = (low, held) if counts(held, n, others, least_z, level) else (held + 1, high)
    return low if n and counts(low, n, others, least_z, level) else None


def counts(held: int, n: int, others: int, least_z: float, level: float) -> bool:
    """Whether both tests say so; both only grow surer with `held`."""
    return z(held, n, others) >= least_z and p(held, n, others) <= level


def benjamini_hochberg(p_values: Sequence[float], tests: int, q: float) -> float:
    """The largest p that still counts, of `tests` tests of which all that are not given had a p of 1 (Benjamini and
    Hochberg 1995, J. R. Stat. Soc. B 57, 289-300); what the first would need where none does."""
    passing = [p for rank, p in enumerate(sorted(p_values), 1) if p <= q * rank / tests]
    return max(passing, default=q / max(1, tests))
