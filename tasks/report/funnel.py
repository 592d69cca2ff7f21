"""The funnel as lines of a table: each station, and between them what was lost and why (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.report.facts import OUTCOMES, STATUSES, Flow

_NAMED = {"maybe_paid": "maybe paid", "not_asked": "not asked", "unanswered": "not answered", "unjudged": "not judged"}


@dataclass(frozen=True)
class Row:
    """A line of the funnel: one count a teacher, and their sum."""

    name: str
    depth: int
    """0: a station; 1: what was lost before the next; 2: why."""
    counts: tuple[int, ...]
    total: int


def funnel(flows: Sequence[Flow]) -> tuple[Row, ...]:
    """Wanted, answered, judged, kept, published, and between them what was lost and why.

    What is zero everywhere and is no station is left out.
    """
    rows = [_row("wanted", 0, [flow.wanted for flow in flows])]
    rows += [
        _row(_NAMED.get(status, status), 1, [flow.statuses.get(status, 0) for flow in flows])
        for status in STATUSES
        if status != "unjudged"
    ]
    rows.append(_row("answered", 0, [flow.answered for flow in flows]))
    rows.append(_row(_NAMED["unjudged"], 1, [flow.statuses.get("unjudged", 0) for flow in flows]))
    rows.append(_row("judged", 0, [flow.judged for flow in flows]))
    rows += [_row(name, 1, [flow.outcomes.get(name, 0) for flow in flows]) for name in OUTCOMES[1:]]
    rows += [_row(reason, 2, [flow.reasons.get(reason, 0) for flow in flows]) for reason in _reasons(flows)]
    rows.append(_row("kept", 0, [flow.outcomes.get("kept", 0) for flow in flows]))
    rows.append(_row("held back", 1, [flow.held_back for flow in flows]))
    rows.append(_row("published", 0, [flow.published for flow in flows]))
    return tuple(row for row in rows if row.depth == 0 or row.total)


def _row(name: str, depth: int, counts: Sequence[int]) -> Row:
    return Row(name, depth, tuple(counts), sum(counts))


def _reasons(flows: Sequence[Flow]) -> list[str]:
    totals: dict[str, int] = {}
    for flow in flows:
        for reason, count in flow.reasons.items():
            totals[reason] = totals.get(reason, 0) + count
    return sorted(totals, key=lambda reason: (-totals[reason], reason))
