"""What a running line looks like in a terminal: drawn from the status file, so any process can draw it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

Status = Mapping[str, Any]
STAGES = ("starting", "planning", "asking", "judging", "publishing", "training", "done")
STALE_AFTER_S = 15.0


def duration(seconds: float) -> str:
    """Seconds as people say them: `8 s`, `2 min 05 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def dollars(status: Status) -> str:
    """What was spent; a price that is not known is said so, never shown as nothing."""
    usd = status.get("usd")
    return "price unknown" if usd is None else f"${usd:,.4f}" if 0 < usd < 1 else f"${usd:,.2f}"


def bar(label: str, done: int, total: int, note: str = "") -> tuple[RenderableType, ...]:
    """One row of the progress table."""
    return (
        Text(label),
        ProgressBar(total=max(total, 1), completed=done, width=32),
        Text(f"{done:,} / {total:,}", justify="right"),
        Text(note, style="dim"),
    )


def asking_rows(status: Status) -> list[tuple[RenderableType, ...]]:
    """Asked, answered, kept: the funnel while it fills."""
    wanted, have = status.get("wanted", 0), status.get("reused", 0) + status.get("answered", 0)
    in_flight = status.get("in_flight", 0)
    rows = [
        bar("asked", status.get("sent", 0), status.get("to_ask", 0), f"{in_flight:,} in flight" if in_flight else ""),
        bar("answered", have, wanted, f"{status['reused']:,} reused" if status.get("reused") else ""),
    ]
    if "kept" in status:
        rows.append(bar("kept", status["kept"], have))
    if status.get("steps"):
        loss = f"loss {status['loss']:.3f}" if status.get("loss") is not None else ""
        rows.append(bar("trained", status.get("step", 0), status["steps"], loss))
    return rows


def figures(status: Status) -> str:
    """One line: speed, money, time."""
    parts = []
    if status.get("tokens_per_s"):
        parts.append(f"{status['tokens_per_s']:,.0f} tokens/s")
    if "tokens" in status:
        parts.append(f"{status['tokens']:,} tokens")
        parts.append(dollars(status))
    parts.append(f"{duration(status.get('elapsed_s', 0.0))} so far")
    if status.get("eta_s") is not None:
        parts.append(f"about {duration(status['eta_s'])} left")
    return " · ".join(parts)


def outlook(status: Status) -> str:
    """One line while asking: what it will come to in all, and whether the rows or a budget end it first."""
    if status["stage"] != "asking" or status.get("projected_tokens") is None:
        return ""
    usd = status.get("projected_usd")
    money = "price unknown" if usd is None else f"${usd:,.2f}"
    parts = [f"in all about {status['projected_tokens']:,.0f} tokens, {money}"]
    ends, left = status.get("ends_first"), status.get("samples_left")
    if ends == "rows":
        parts.append("every row fits")
    elif ends:
        parts.append(f"{ends} ends first, after about {left:,} more samples")
    return " · ".join(parts)


def render(status: Status | None, title: str) -> RenderableType:
    """A panel for one run; an empty one before the run has written its first status."""
    if status is None:
        return Panel(Spinner("dots", Text("starting Prefect and Ray")), title=title, title_align="left", width=96)
    table = Table.grid(padding=(0, 2))
    for row in asking_rows(status) if "wanted" in status else []:
        table.add_row(*row)
    stage = status["stage"]
    head = (
        Spinner("dots", Text(str(status.get("note") or stage), style="bold"))
        if stage != "done"
        else Text("done", "bold")
    )
    said = [Text(text, style="dim") for text in (figures(status), outlook(status)) if text]
    said += [Text(str(line), style="red") for line in status.get("screens") or []]
    return Panel(Group(head, table, *said), title=title, title_align="left", width=96)


class LiveView:
    """A renderable that looks at the status afresh each time it is drawn, and ignores what an earlier run left."""

    def __init__(self, read: Callable[[], Status | None], title: str, since: datetime) -> None:
        self._read, self._title, self._since = read, title, since

    def __rich__(self) -> RenderableType:
        status = self._read()
        fresh = status is not None and datetime.fromisoformat(status["updated_at"]) >= self._since
        return render(status if fresh else None, self._title)


def liveness(status: Status, now: datetime) -> str:
    """`running`, `completed`, ...; a run that stopped writing without an end is `interrupted`."""
    age = (now - datetime.fromisoformat(status["updated_at"]).astimezone(UTC)).total_seconds()
    state = str(status.get("state", "running"))
    return "interrupted" if state == "running" and age > STALE_AFTER_S else state
