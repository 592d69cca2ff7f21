"""The funnel as Markdown, for a place that shows tables and no pages (pure)."""

from collections.abc import Sequence

from tasks.report.facts import Flow
from tasks.report.funnel import Row, funnel

_INDENT = {0: "**{}**", 1: "{}", 2: "&nbsp;&nbsp;{}"}


def funnel_markdown(name: str, flows: Sequence[Flow]) -> str:
    """Wanted to published, with every reason, by teacher; and the command that writes the whole report."""
    teachers = [flow.teacher for flow in flows] if len(flows) > 1 else []
    head = ["samples", "all", *(_cell(teacher) for teacher in teachers)]
    lines = [f"### {name}", "", _line(head), "|---|" + "---:|" * (len(head) - 1)]
    lines += [_line(_cells(row, bool(teachers))) for row in funnel(flows)]
    return "\n".join([*lines, "", f"`still report {name}` writes the whole report."])


def _cells(row: Row, by_teacher: bool) -> list[str]:
    counts = [row.total, *(row.counts if by_teacher else ())]
    return [_INDENT[row.depth].format(_cell(row.name)), *(f"{count:,}" for count in counts)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
