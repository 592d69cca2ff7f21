"""One run's score from the referee's pages. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Page = Mapping[str, Any]
BUSY = 0.5
"""Of the machine's CPU in the mean of a run: above it, what is measured is the machine too."""


def is_quiet(line: Page) -> bool:
    """Whether the machine had CPU to spare in the run that this line of the results tells of."""
    return bool(line["machine_mean"] <= BUSY)


def span(whole: Page, warm_up_s: float, seconds: float) -> tuple[float, float] | None:
    """Steady state: from the end of the warm-up until 2 s before the rows would run out at the full rate, or until
    the client sent its last where that came first. None where that leaves less than 4 s."""
    first, last = whole["first_request"], whole["last_admission"]
    if first is None or last is None:
        return None
    start, end = first + warm_up_s, min(first + seconds - 2.0, last)
    return (start, end) if end - start >= 4.0 else None


@dataclass(frozen=True)
class Paid:
    """What was bought, by row: a row is its messages, whatever else a client changes from one attempt to the next."""

    rows: int
    """Answered, and so paid for, at least once."""
    reached: int
    """Answered to a connected client."""
    twice: int
    """Answers to a row beyond its first."""
    useful_share: float
    """Of the tokens bought, those of a row's first answer."""


def paid(questions: Iterable[Page], truth: Iterable[Page]) -> Paid:
    """From /referee/questions and /referee/truth."""
    prompts = {one["question"]: one["prompt"] for one in truth}
    answered: dict[str, int] = {}
    tokens: dict[str, int] = {}
    reached: set[str] = set()
    for one in questions:
        prompt = prompts.get(one["question"], one["question"])
        if not one["answered"]:
            continue
        answered[prompt] = answered.get(prompt, 0) + one["answered"]
        tokens[prompt] = tokens.get(prompt, 0) + one["completion_tokens"]
        if one["answered"] > one["undelivered"]:
            reached.add(prompt)
    bought = sum(tokens.values())
    useful = sum(tokens[prompt] / answered[prompt] for prompt in tokens)
    twice = sum(count - 1 for count in answered.values())
    return Paid(len(answered), len(reached), twice, useful / bought if bought else 0.0)


def budget_figures(whole: Page, steady: Page | None, after: Page | None, bought: Paid) -> dict[str, Any]:
    """`whole`: the budget page of the run; `steady`: of steady state; `after`: from its beginning to the end."""
    change = next((one for one in whole["changes"] if not _is_end(one)), None)
    figures: dict[str, Any] = {
        "used": steady and steady["used"],
        "binding": steady and steady["binding"],
        "useful_tokens_per_min": steady and 60 * steady["output_tokens"] * bought.useful_share / steady["span_s"],
        "refused": sum(whole["refused_429"].values()),
        "refused_after": after and sum(after["refused_429"].values()),
        "delivered_after": after and after["delivered"],
        "refused_untold": change and change["refused_untold"],
        "refused_told": change and change["refused_told"],
        "used_after": change and change["used_after"],
        "has_change": change is not None,
    }
    return figures


def _is_end(change: Page) -> bool:
    """A change back: the other tenant leaves."""
    values = change["switches"].get("tenant_share")
    return values is not None and values[1] == 0.0


def overhead(latencies: Mapping[str, float], service: Mapping[str, float]) -> dict[str, float | None]:
    """Milliseconds that a client's latency is above the teacher's own time, by row: median and 99th percentile.
    None below 20 rows."""
    above = sorted(1000 * (latencies[row] - service[row]) for row in latencies if row in service)
    if len(above) < 20:
        return {"overhead_p50_ms": None, "overhead_p99_ms": None}
    at = min(len(above) - 1, round(0.99 * (len(above) - 1)))
    return {"overhead_p50_ms": statistics.median(above), "overhead_p99_ms": above[at]}


def per_thousand(count: float | None, rows: float | None) -> float | None:
    """None without rows."""
    return None if count is None or not rows else 1000 * count / rows


def spread(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Median, least, most."""
    return (statistics.median(values), min(values), max(values)) if values else None
