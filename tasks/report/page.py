"""The page: facts and plots into one HTML file that needs nothing else (pure)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tasks.report.cautions import cautions
from tasks.report.facts import OUTCOMES, STATUSES, Facts, Flow, RuleCount
from tasks.report.plots import all_plots

_DIGEST = re.compile("[0-9a-f]{32,64}")
_NAMED = {"maybe_paid": "maybe paid", "not_asked": "not asked", "unanswered": "not answered", "unjudged": "not judged"}


@dataclass(frozen=True)
class Row:
    """A line of the funnel: one count a teacher, and their sum."""

    name: str
    depth: int
    """0: a station; 1: what was lost before the next; 2: why."""
    counts: tuple[int, ...]
    total: int


@dataclass(frozen=True)
class RuleLine:
    """A rule as the policy table shows it."""

    name: str
    version: str
    rejects: bool | None
    settings: tuple[tuple[str, str], ...]
    count: RuleCount


def render(facts: Facts) -> str:
    """The whole page. Everything that a teacher or a prompt wrote is escaped, and no script may run in it."""
    plots = all_plots(facts)
    return _environment().get_template("page.html.jinja").render(
        facts=facts,
        subject=facts.subject,
        funnel=funnel(facts.flows),
        plots={section: tuple((plot, Markup(plot.svg)) for plot in drawn) for section, drawn in plots.items()},
        rules=rule_lines(facts),
        cautions=cautions(facts),
        examples_by_reason=_by_reason(facts),
    )  # fmt: skip


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tasks.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"when": _when, "usd": _usd, "share": _share, "count": lambda value: f"{value:,}"}
    return environment


def _when(time: datetime | None) -> str:
    return "unknown" if time is None else f"{time:%Y-%m-%d %H:%M} UTC"


def _usd(dollars: float | None) -> str:
    return "unknown" if dollars is None else f"${dollars:,.4g}" if dollars < 1 else f"${dollars:,.2f}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


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


def rule_lines(facts: Facts) -> tuple[RuleLine, ...]:
    """The policy: every rule in order, with its thresholds and what it came to."""
    counts = {each.rule: each for each in facts.rules}
    return tuple(
        RuleLine(
            str(rule["rule"]),
            str(rule.get("version", "-")),
            rule.get("rejects"),
            tuple(
                (name, _setting(value))
                for name, value in rule.items()
                if name not in ("rule", "name", "version", "rejects")
            ),
            counts[str(rule["rule"])],
        )
        for rule in facts.subject.rules
    )


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_setting(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_setting(each) for each in value) or "none"
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value[:12]
    return (
        "unlimited"
        if value is None
        else f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else str(value)
    )


def _by_reason(facts: Facts) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for example in facts.examples:
        found.setdefault(example.lost.reason or example.lost.outcome, []).append(example)
    return found
