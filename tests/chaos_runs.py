"""What the chaos suite shares: processes to kill, and the sums that must come out whatever was killed."""

import os
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asking_runs import ancestors, attempts, check_against_referee
from simulated import SimulatedTeacher

from warehouse.layout import DataRoot


@dataclass(frozen=True)
class Account:
    """Where every wanted row stands, by the ledger, and what the referee says was paid twice."""

    answered: int
    failed: int
    maybe_paid: int
    not_asked: int
    twice: int


def account_of(root: DataRoot, teacher: SimulatedTeacher, wanted: int) -> Account:
    """The sums of one dataset that nothing else has asked for; checked against the referee, question by question."""
    twice = check_against_referee(root, teacher)
    best: dict[str, str] = {}
    for row in attempts(root):
        order = ("paid", "maybe_paid", "failed")
        best[row["request_key"]] = min(best.get(row["request_key"], row["state"]), row["state"], key=order.index)
    states = Counter(best.values())
    found = Account(states["paid"], states["failed"], states["maybe_paid"], wanted - len(best), twice)
    assert found.answered + found.failed + found.maybe_paid + found.not_asked == wanted and found.not_asked >= 0
    assert not list(root.journal.rglob("*.journal")), "a segment was left behind"
    return found


def ray_processes(driver: int, title: str) -> list[int]:
    """Ray's processes of this driver with a title that begins so, as `ray::QuotaAuthority`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        pid = int(path.parent.name)
        try:
            if path.read_text(errors="replace").startswith(title) and driver in ancestors(pid):
                found.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def kill_one(driver: int, title: str) -> int:
    """SIGKILL to the one process of this driver with this title."""
    (pid,) = ray_processes(driver, title)
    os.kill(pid, signal.SIGKILL)
    return pid


def idle_s(teacher: SimulatedTeacher, dimension: str, **span: object) -> float:
    """Seconds of budget in a limit that nobody used, by the referee, over a span of its time."""
    dimensions: dict[str, Any] = budget(teacher, **span)["dimensions"]
    return float(dimensions[dimension]["idle_s"])


def budget(teacher: SimulatedTeacher, **span: object) -> dict[str, Any]:
    query = "&".join(f"{name.rstrip('_')}={value}" for name, value in span.items())
    status, page = teacher.call("GET", f"/referee/budget?{query}")
    assert status == 200, page
    return dict(page)
