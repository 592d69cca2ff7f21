"""The page: facts and plots into one HTML file that needs nothing else (pure)."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tasks.report.cautions import cautions
from tasks.report.facts import Facts, RuleCount
from tasks.report.funnel import funnel
from tasks.report.plots import all_plots

_DIGEST = re.compile("[0-9a-f]{32,64}")


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
