"""CPU of a process tree and of the machine, from /proc. Linux."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    command: str
    cpu_s: float
    """User and system, its own and of the children it has waited for."""


def processes() -> list[Process]:
    """Every process that can be read."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat = (path / "stat").read_text().rsplit(")", 1)[1].split()
            command = (path / "cmdline").read_text(errors="replace").replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        found.append(Process(int(path.name), int(stat[1]), command, sum(map(int, stat[11:15])) / _TICKS))
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
    """CPU seconds of a client so far. `daemons_s` is of Ray's own processes (raylet, gcs, agents), which serve a whole
    cluster; 0 for a client without Ray."""

    client_s: float
    daemons_s: float

    def since(self, before: Spent) -> Spent:
        return Spent(self.client_s - before.client_s, self.daemons_s - before.daemons_s)


def spent(root: int, uses_ray: bool) -> Spent:
    """Of the tree below `root`. With Ray, what is not the driver or a `ray::` worker or actor is a daemon; what a
    daemon has waited for are workers that have ended."""
    members = tree(root, processes())
    mine = sum(one.cpu_s for one in members if not uses_ray or one.pid == root or one.command.startswith("ray::"))
    return Spent(mine, sum(one.cpu_s for one in members) - mine)


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
