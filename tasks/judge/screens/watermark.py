"""What a watermark whose key is declared shows in a teacher's rows (pure).

z is (g - gamma T) / sqrt(T gamma (1 - gamma)) of g green ones among T n-grams of tokens, each counted once
(Kirchenbauer et al. 2023, arXiv 2301.10226): where they may repeat, 400 tokens of 100 different ones have z 4 by chance
in 2.8 % of texts, not in 0.01 %.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.judge.screens.look import Look, Verdict
from tasks.judge.screens.odds import benjamini_hochberg
from tasks.judge.screens.policy import WatermarkScreen


@dataclass(frozen=True)
class Scored:
    """Different n-grams of a text, and how many of them end in a green token."""

    green: int
    n: int

    def z(self, gamma: float) -> float:
        return (self.green - gamma * self.n) / math.sqrt(self.n * gamma * (1 - gamma))


def chance(z: float) -> float:
    """How probable so high a z is in an unmarked text."""
    return math.erfc(z / math.sqrt(2)) / 2


def status(teacher: str, settings: WatermarkScreen, gamma: float, rows: Sequence[Scored], pooled: Scored) -> Look:
    """Whether the rows are marked; `pooled` counts an n-gram once over all of them."""
    if not rows:
        return _look(teacher, "too_few", 0, f"no row of {settings.tokens:,} different n-grams", None, 0.0)
    z, level = pooled.z(gamma), chance(settings.z)
    said = f"z {z:.1f}: {pooled.green:,} of {pooled.n:,} n-grams green, {gamma:.0%} by chance"
    marked = _marked([each.z(gamma) for each in rows], settings)
    said += f"; {marked:,} of {len(rows):,} rows marked (z from {settings.z:g} on)"
    power = "with the declared key; another key or scheme is not looked for"
    return _look(teacher, "fired" if z >= settings.z else "passed", len(rows), said, chance(z), level, power)


def unknown(teacher: str, why: str) -> Look:
    """Nothing can be said; a watermark is never ruled out."""
    return _look(teacher, "unknown", 0, why, None, 0.0)


def _marked(zs: Sequence[float], settings: WatermarkScreen) -> int:
    level = benjamini_hochberg([chance(z) for z in zs], len(zs), settings.q)
    return sum(z >= settings.z and chance(z) <= level for z in zs)


def _look(
    teacher: str, verdict: Verdict, n: int, statistic: str, p: float | None, level: float, power: str = ""
) -> Look:
    return Look(teacher, "watermark", 1, verdict, n, 0, statistic, p, level, power, None, None, {})
