"""Finds the next member of a sequence of whole numbers. Pure.

The rules it knows: a constant difference, a constant factor, `previous * m + k`, `(previous two) * m + k`,
halving (rounded towards zero), a difference that itself grows steadily, and two differences that alternate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from infra.simulated_teacher.steps import Solution, shift, step

_LIST = re.compile(r"(?<![\w.,$])-?\d+(?:\s*,\s*-?\d+){2,}(?![\d.]*\d)")
_ONE_NUMBER = re.compile(r"\d{1,3}(,\d{3})+")  # 1,000,000

Steps = tuple[list[str], int]


def _affine(pairs: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Whole m, k with `v = u * m + k` for every pair; None without, or with fewer than three pairs."""
    if len(pairs) < 3:
        return None
    (u0, v0), (u1, v1) = next(((a, b) for a, b in pairwise(pairs) if a[0] != b[0]), (pairs[0], pairs[0]))
    if u0 == u1 or (v1 - v0) % (u1 - u0):
        return None
    m = (v1 - v0) // (u1 - u0)
    k = v0 - u0 * m
    return (m, k) if all(v == u * m + k for u, v in pairs) else None


def _multiply_then_add(value: int, m: int, k: int) -> Steps:
    texts = []
    if m != 1:
        text, value = step(value, "*", m)
        texts.append(text)
    if k:
        text, value = shift(value, k)
        texts.append(text)
    return texts, value


def _constant_difference(x: Sequence[int]) -> Steps | None:
    first, difference = step(x[1], "-", x[0])
    if any(b - a != difference for a, b in pairwise(x)):
        return None
    last, value = shift(x[-1], difference)
    return [first, last], value


def _constant_factor(x: Sequence[int]) -> Steps | None:
    if 0 in x or x[1] % x[0]:
        return None
    first, factor = step(x[1], "/", x[0])
    if any(b != a * factor for a, b in pairwise(x)):
        return None
    last, value = step(x[-1], "*", factor)
    return [first, last], value


def _from_previous(x: Sequence[int]) -> Steps | None:
    found = _affine(list(pairwise(x)))
    return _multiply_then_add(x[-1], *found) if found else None


def _from_previous_two(x: Sequence[int]) -> Steps | None:
    found = _affine([(a + b, c) for a, b, c in zip(x, x[1:], x[2:], strict=False)])
    if not found:
        return None
    first, total = step(x[-1], "+", x[-2])
    rest, value = _multiply_then_add(total, *found)
    return [first, *rest], value


def _halving(x: Sequence[int]) -> Steps | None:
    if any(int(a / 2) != b for a, b in pairwise(x)):
        return None
    value = int(x[-1] / 2)
    return [f"{x[-1]} / 2 = {value}."], value


def _growing_difference(x: Sequence[int]) -> Steps | None:
    differences = [b - a for a, b in pairwise(x)]
    growth = {b - a for a, b in pairwise(differences)}
    if len(x) < 4 or len(growth) != 1:
        return None
    first, latest = step(x[-1], "-", x[-2])
    second, following = shift(latest, growth.pop())
    last, value = shift(x[-1], following)
    return [first, second, last], value


def _alternating_difference(x: Sequence[int]) -> Steps | None:
    differences = [b - a for a, b in pairwise(x)]
    if len(x) < 5 or any(a != b for a, b in zip(differences, differences[2:], strict=False)):
        return None
    first, difference = step(x[-2], "-", x[-3])
    last, value = shift(x[-1], difference)
    return [first, last], value


_RULES: tuple[Callable[[Sequence[int]], Steps | None], ...] = (
    _constant_difference,
    _constant_factor,
    _halving,
    _from_previous,
    _from_previous_two,
    _growing_difference,
    _alternating_difference,
)


def solve_sequence(text: str) -> Solution | None:
    """The next member of the last list of three or more numbers in `text`."""
    lists = [found for found in _LIST.findall(text) if not _ONE_NUMBER.fullmatch(found)]
    if not lists:
        return None
    numbers = [int(number) for number in lists[-1].split(",")]
    for rule in _RULES:
        found = rule(numbers)
        if found and found[0]:
            return Solution("sequence", tuple(found[0]), str(found[1]))
    return None
