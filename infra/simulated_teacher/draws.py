"""Seeded chance: what is drawn depends on the words given, never on when or in which order. Pure."""

from __future__ import annotations

import math
from hashlib import blake2b

_SPAN = float(2**64)


def draw(*words: object) -> float:
    """A number in [0, 1) that the words decide."""
    digest = blake2b("\x1f".join(map(str, words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / _SPAN


def spread(mean: float, distribution: str, chance: float) -> float:
    """A value with this mean: always it (`fixed`), from 0 to twice it (`uniform`), or exponential (`exp`)."""
    if distribution == "uniform":
        return 2 * mean * chance
    if distribution == "exp":
        return -mean * math.log(1 - chance)
    return mean
