"""Compare sets of numbers that are written as intervals, points and unions of them, exactly (pure).

sympy takes the difference of two such sets apart piece by piece, at some 100 ms a pair. Written as disjoint spans from
left to right, each set has one form.
"""

from fractions import Fraction
from typing import Any

Edge = tuple[int, Fraction, int]
"""Where a span begins or ends: -1, 0 or 1 for minus infinity, a number or infinity; the number; -1, 0 or 1 for just
before it, at it or just after it. Edges are ordered as tuples."""
Span = tuple[Edge, Edge]


def spans(numbers: Any) -> list[Span] | None:
    """The disjoint spans of a sympy set, from left to right; None where it holds anything but rational numbers."""
    found = _spans(numbers)
    if found is None:
        return None
    merged: list[Span] = []
    for start, end in sorted(found):
        if merged and _touches(merged[-1][1], start):
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def _spans(numbers: Any) -> list[Span] | None:
    kind = type(numbers).__name__
    if kind == "EmptySet":
        return []
    if kind == "Interval":
        start = _edge(numbers.start, 1 if numbers.left_open else 0)
        end = _edge(numbers.end, -1 if numbers.right_open else 0)
        return [(start, end)] if start and end and start <= end else None
    parts = numbers.args if kind in ("Union", "FiniteSet") else ()
    found = [_point(part) if kind == "FiniteSet" else _spans(part) for part in parts]
    known = [part for part in found if part is not None]
    return [span for part in known for span in part] if parts and len(known) == len(found) else None


def _point(number: Any) -> list[Span] | None:
    edge = _edge(number, 0)
    return None if edge is None or edge[0] else [(edge, edge)]


def _edge(number: Any, side: int) -> Edge | None:
    if getattr(number, "is_infinite", False) and getattr(number, "is_extended_real", False):
        return (1 if number.is_extended_positive else -1), Fraction(0), 0
    if not getattr(number, "is_Rational", False):
        return None
    return 0, Fraction(int(number.p), int(number.q)), side


def _touches(end: Edge, start: Edge) -> bool:
    """Whether nothing lies between an end and a later start: at 1 and just after 1, or just before 1 and at 1."""
    return start <= end or (start[:2] == end[:2] and start[2] - end[2] == 1)
