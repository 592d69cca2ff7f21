"""CPU of a process tree and of the machine, from /proc. Linux."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_WORKERS = ("ray::ask", "ray::IDLE", "ray::QuotaAuthority", "ray::SpendAuthority", "ray::start")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    command: str
    own_s: float
    """CPU, user and system."""
    waited_s: float
    """Of the children it has waited for."""


def _seconds(ticks: list[str]) -> float:
    return sum(map(int, ticks)) / _TICKS


def processes() -> list[Process]:
    """Every process that can be read."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat = (path / "stat").read_text().rsplit(")", 1)[1].split()
            command = (path / "cmdline").read_text(errors="replace").replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        found.append(Process(int(path.name), int(stat[1]), command, _seconds(stat[11:13]), _seconds(stat[13:15])))
    return found


def tree(root: int, among: list[Process]) -> list[Process]:
    """The process `root` and all below it."""
    members = {root}
    while True:
        more = {one.pid for one in among if one.parent in members} - members
        if not more:
            return [one for one in among if one.pid in members]
        members |= more


@dataclass(frozen=True)
class Spent:
    """CPU seconds of a client. `daemons_s` is of Ray's own processes (raylet, gcs, agents) and Prefect's server, which
    serve a whole cluster; 0 for a client without Ray."""

    client_s: float = 0.0
    daemons_s: float = 0.0


def spent(before: list[Process], now: list[Process], root: int, uses_ray: bool) -> Spent:
    """Between two looks at the tree of `root`. Without Ray a process that ended in between was waited for by one that
    is still there. Ray's are not waited for: `now` has them as they were last seen. What is neither the driver nor a
    `ray::` worker or actor is a daemon; it is by its last name, as a worker gets its name only once it has started."""
    if not uses_ray:
        return Spent(sum(one.own_s + one.waited_s for one in now) - sum(one.own_s + one.waited_s for one in before))
    was = {one.pid: one.own_s for one in before}
    each = {one: one.own_s - was.get(one.pid, 0.0) for one in now}
    mine = sum(cpu for one, cpu in each.items() if one.pid == root or one.command.startswith(_WORKERS))
    return Spent(mine, sum(each.values()) - mine)


class Machine:
    """The share of the machine's CPU that was in use, by everything on it."""

    def __init__(self) -> None:
        self.shares: list[float] = []
        self._first = self._last = self._read()

    @staticmethod
    def _read() -> tuple[float, float]:
        ticks = [int(text) for text in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return float(sum(ticks)), float(ticks[3] + ticks[4])

    def look(self) -> None:
        """One more slice, from the last look until now."""
        now = self._read()
        self.shares.append(self._share(self._last, now))
        self._last = now

    @property
    def mean(self) -> float:
        return self._share(self._first, self._last)

    @staticmethod
    def _share(before: tuple[float, float], now: tuple[float, float]) -> float:
        total = now[0] - before[0]
        return 1 - (now[1] - before[1]) / total if total else 0.0
