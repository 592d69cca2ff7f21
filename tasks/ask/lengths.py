"""How long a class of answers gets, and the cap that is cheapest to ask them with (pure).

A provider that reserves `max_tokens` of its limit when a request arrives, and gives nothing back, lets through fewer
requests the higher the cap is. A lower one must be paid for with the answers that it cuts off: each is asked for again.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tasks.ask.providers import ChargeRule

RESERVING: frozenset[ChargeRule] = frozenset({"max_of", "sum", "unknown"})
"""Rules by which a lower cap lets more requests through; an unknown rule is taken for the dearest."""
QUANTILE = 0.995
MARGIN = 1.25
LOWEST_CAP = 256
"""The lowest cap is 1.25 times the length that 99.5 of 100 answers do not exceed, and at least 256 tokens: the margin
that the project's study of rate limits found to cost little and to cut off few answers."""
FEWEST = 200
"""Below this many answers of a class their 99.5 % quantile is nobody's: it is the longest one, whatever that is."""
STEP = 64
"""Caps are rounded up to a multiple, so that they do not change with every answer."""
GROWTH = 2
"""Each time that an answer is cut off it is asked for with a cap so many times as high."""
_TRIED = 1.25
"""Between two caps that are compared."""


@dataclass
class Lengths:
    """Completion tokens of the answers of one class. What was cut off is known to be at least so long."""

    ended: dict[int, int] = field(default_factory=dict)
    """How many ended by themselves, by length."""
    cut: dict[int, int] = field(default_factory=dict)
    """How many were cut off by a cap, by what there was of them."""

    def add(self, tokens: int, is_cut: bool, count: int = 1) -> None:
        where = self.cut if is_cut else self.ended
        where[tokens] = where.get(tokens, 0) + count

    def join(self, other: "Lengths") -> None:
        for tokens, count in other.ended.items():
            self.add(tokens, False, count)
        for tokens, count in other.cut.items():
            self.add(tokens, True, count)

    @property
    def count(self) -> int:
        return sum(self.ended.values()) + sum(self.cut.values())

    def survival(self) -> list[tuple[int, float]]:
        """For each length that an answer ended at, the share of answers that are longer (Kaplan and Meier, 1958).

        An answer that was cut off counts among those that might have been longer as far as it went, and then says no
        more: leaving it out, or taking it for one that ended, would pull every quantile down.
        """
        at_risk, longer, steps = self.count, 1.0, []
        for tokens in sorted(self.ended.keys() | self.cut.keys()):
            ended = self.ended.get(tokens, 0)
            if ended:
                longer *= 1 - ended / at_risk
                steps.append((tokens, longer))
            at_risk -= ended + self.cut.get(tokens, 0)
        return steps


def measured_cap(lengths: Lengths, most: int) -> int:
    """The cap to ask a class with: at least the lowest that cuts off few, and beyond it the one that is cheapest.

    Args: most: the recipe's max_tokens, which is the answer as long as too few lengths are known.
    """
    steps = lengths.survival()
    long_enough = next((tokens for tokens, longer in steps if longer <= 1 - QUANTILE + 1e-9), None)
    if lengths.count < FEWEST or long_enough is None:
        return most
    cap = _rounded(max(LOWEST_CAP, long_enough * MARGIN))
    caps = []
    while cap < most:
        caps.append(cap)
        cap = _rounded(cap * _TRIED)
    return min([*caps, most], key=lambda each: expected_charge(each, most, steps))


def expected_charge(cap: int, most: int, steps: Iterable[tuple[int, float]]) -> float:
    """Tokens that an answer's requests reserve on average if it is first asked with `cap`: the cap, and with the
    probability that it is cut off the next higher one, up to `most`. An answer that was longer than a cap is taken to
    be as long when it is asked for again."""
    steps = list(steps)
    chain = ladder(cap, most)
    return chain[0] + sum(_longer(steps, before) * after for before, after in zip(chain, chain[1:], strict=False))


def ladder(cap: int, most: int) -> list[int]:
    """Every cap that a sample may be asked with, the first one first."""
    caps = [min(cap, most)]
    while caps[-1] < most:
        caps.append(next_cap(caps[-1], most))
    return caps


def next_cap(cap: int, most: int) -> int:
    """The cap after one that has cut an answer off."""
    return min(cap * GROWTH, most)


def caps_of(lengths: Mapping[str, Lengths], most: int) -> dict[str, int]:
    """The cap of each class that has one below the recipe's."""
    found = {name: measured_cap(each, most) for name, each in lengths.items()}
    return {name: cap for name, cap in found.items() if cap < most}


def _longer(steps: Iterable[tuple[int, float]], tokens: int) -> float:
    """The share of answers that do not fit into so many tokens."""
    share = 1.0
    for ended_at, longer in steps:
        if ended_at > tokens:
            break
        share = longer
    return share


def _rounded(tokens: float) -> int:
    return math.ceil(tokens / STEP) * STEP
