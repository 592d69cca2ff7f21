"""What a person reads at the end: the funnel with its reasons, the version, the student, and what to try next."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from flows.command import shown
from flows.command.plan_view import lines
from flows.command.view import duration
from flows.forecast import Forecast
from flows.settings import Settings
from flows.summary import Drawn, Summary
from tasks.judge.judge import Judged
from tasks.judge.screens.latest import Screened
from tasks.publish.publication import Published
from tasks.train.student import StudentDone

ASKING = ("wanted", "reused", "answered", "failed", "maybe_paid", "not_asked")
JUDGING = ("kept", "rejected", "undecided", "quarantined")
QUIET_AT_ZERO = {"reused", "failed", "maybe_paid", "not_asked", "undecided", "quarantined"}
OVER_TARGET = "  not published, over target"


def funnel_table(funnel: dict[str, int], reasons: dict[str, int]) -> RenderableType:
    """Wanted to kept, with the reason of every loss; what is zero and needs no mention is left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="left")
    table.add_column(justify="right")
    for name in (name for name in (*ASKING, *JUDGING) if name in funnel):
        count = funnel.get(name, 0)
        if count or name not in QUIET_AT_ZERO:
            table.add_row(Text(name, style="bold" if name in ("wanted", "kept") else ""), f"{count:,}")
        if name == "kept" and funnel.get("over_target"):
            table.add_row(Text(OVER_TARGET, style="dim"), Text(f"{funnel['over_target']:,}", style="dim"))
        if name == "rejected":
            for reason, traces in reasons.items():
                table.add_row(Text(f"  {reason}", style="dim"), Text(f"{traces:,}", style="dim"))
    return table


def version_line(published: Published) -> Text:
    """The version, whether it is new, and where it lies."""
    text = Text.assemble((published.version, "bold"), f"  {published.rows:,} rows")
    text.append(f" ({published.train_rows:,} train, {published.validation_rows:,} validation)")
    text.append(
        "  new" if published.is_new else "  nothing new, so no new version",
        style="green" if published.is_new else "dim",
    )
    text.append(f"\n{published.folder}", style="dim")
    return text


def student_table(student: StudentDone) -> RenderableType:
    """Accuracy before and after on held-out prompts, overall and per family, with 95 % intervals."""
    table = Table(
        "held-out", "prompts", "before", "after", "95 % interval", box=None, header_style="dim", padding=(0, 2)
    )
    for family, scores in student.per_family.items():
        table.add_row(*_scores(family, scores))
    table.add_row(*_scores("all", student.overall), style="bold")
    return table


def _scores(name: str, scores: Any) -> tuple[str, ...]:
    low, high = scores.after_interval
    return (name, f"{scores.prompts:,}", f"{scores.before:.1%}", f"{scores.after:.1%}", f"{low:.1%} to {high:.1%}")


def _drawn_again(drawn: Drawn) -> str:
    answers = "1 answer was" if drawn.resampled == 1 else f"{drawn.resampled:,} answers were"
    if drawn.shift is None or drawn.mean is None or drawn.first_mean is None:
        return f"{drawn.teacher}: {answers} drawn again after a cap had cut them off"
    fall = f"at least {-drawn.shift:.1%} shorter" if drawn.shift < 0 else "no shorter as far as one can see"
    return (
        f"{drawn.teacher}: {answers} drawn again after a cap had cut them off; mean {drawn.mean:,.0f} tokens instead of"
        f" {drawn.first_mean:,.0f} or more: {fall} (view lengths)"
    )


def _screened(look: Screened) -> str:
    power = f"; {look.power}" if look.power else ""
    return f"screen {look.screen} of {look.teacher} {look.verdict}: {look.statistic}{power}"


def print_run(
    here: Settings, summary: Summary, *, title: str | None = None, footer: RenderableType | None = None
) -> None:
    """The whole outcome in one panel."""
    asked = f"asked {summary.asked:,} samples" if summary.asked else "asked nothing: everything wanted was there"
    usd = "price unknown" if summary.usd is None else f"${summary.usd:,.2f}"
    parts: list[RenderableType] = [
        Text(f"{asked}; so far {summary.requests:,} requests, {summary.tokens:,} tokens, {usd}"),
        Text(),
        funnel_table(summary.funnel, summary.reasons),
        Text(),
        version_line(summary.published),
    ]
    parts += [Text(f"short of the target, {summary.shortfall}", style="yellow")] if summary.shortfall else []
    parts += [Text(_drawn_again(each), style="yellow") for each in summary.drawn_again]
    parts += [Text(line, style="red") for line in summary.paused]
    parts += [Text(_screened(each), style="dim") for each in summary.screened if each.verdict != "unknown"]
    if summary.student:
        done = "" if summary.student.is_new else "  trained before, so not again"
        parts += [Text(), Text.assemble(("student ", "bold"), summary.student.student_run_id, (done, "dim"))]
        parts += [student_table(summary.student), Text(summary.student.checkpoint, style="dim")]
    parts += [Text(), footer] if footer else []
    shown.out().print(
        Panel(Group(*parts), title=title or summary.dataset, title_align="left", width=min(100, shown.out().width))
    )


def print_demo(here: Settings, summary: Summary, requests: int, seconds: float) -> None:
    """The demo's outcome, with the referee's own count, and three commands to try next."""
    data = "" if here.root.path == Path("data").absolute() else f" --data {here.root.path}"
    try_next = Table.grid(padding=(0, 2))
    try_next.add_row("[bold]try next[/bold]")
    try_next.add_row(f'still sql "select reason, count(*) as traces from rejected group by reason"{data}', style="cyan")
    try_next.add_row(f"still show {_a_rejected_trace(here)}{data}", style="cyan")
    try_next.add_row(f"still demo{data}", style="cyan")
    try_next.add_row("the last one again: it will ask nothing, publish nothing and train nothing", style="dim")
    footer = Group(
        Text(f"the simulated teacher saw {requests:,} requests in this run; {duration(seconds)} in all"),
        Text(),
        try_next,
    )
    print_run(here, summary, title="still demo", footer=footer)


def _a_rejected_trace(here: Settings) -> str:
    from warehouse.query import run_query

    found = run_query(
        here.root, "select trace_id from rejected where dataset = 'demo' order by reason desc, trace_id limit 1"
    )
    return str(found.to_pylist()[0]["trace_id"])[:12] if found.num_rows else "TRACE_ID"


def print_published(published: Published) -> None:
    """One version."""
    shown.out().print(version_line(published))


def print_student(student: StudentDone, as_json: bool) -> None:
    """One student run."""
    if as_json:
        shown.out().print_json(json.dumps(asdict(student), default=str))
        return
    shown.out().print(
        Text(f"student {student.student_run_id}{'' if student.is_new else '  trained before, so not again'}")
    )
    shown.out().print(student_table(student))
    shown.out().print(Text(student.checkpoint, style="dim"))


def print_forecast(forecast: Forecast, as_json: bool) -> None:
    """What a run would ask and cost."""
    if as_json:
        shown.out().print_json(json.dumps(asdict(forecast), default=str))
        return
    table = Table.grid(padding=(0, 2))
    for name, value in lines(forecast):
        table.add_row(Text(name, style="bold"), value)
    shown.out().print(
        Panel(table, title=f"plan of {forecast.dataset}", title_align="left", width=min(100, shown.out().width))
    )


def print_judged(judged: Judged) -> None:
    """What a judging came to."""
    counts = {name: getattr(judged, name) for name in JUDGING}
    head = (
        f"{judged.traces:,} traces judged"
        if judged.is_new
        else f"{judged.traces:,} traces; judged by these rules before"
    )
    shown.out().print(Group(Text(head), funnel_table(counts, judged.reasons)))
