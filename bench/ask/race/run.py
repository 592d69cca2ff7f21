"""The race: ours with 1, 2, 4 and 8 workers, and the peers at their defaults and at their best documented settings.

    python bench/ask/race/install.py                 # the peers, each in an environment of its own, below .race/
    python bench/ask/race/run.py --repeats 5         # steady, halved, paid-then-reset; results in .race/race.jsonl
    python bench/ask/race/run.py --scenarios doubled tenant errors stalls storm classes --repeats 1
    python bench/ask/race/card.py .race/race.jsonl   # the score cards, as Markdown

Every run has a referee of its own; all clients get the same rows, max_tokens and limits (conditions.py). A run is
appended to the results when it ends; the same command again does what is missing, and again what ran while the machine
was more than half busy, which no card counts. A client that takes more than twice the time that its rows need, and
30 s, is killed and counted with what had reached it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(HERE)]

import conditions  # noqa: E402
import orjson  # noqa: E402
import score  # noqa: E402
from conditions import CONFIGURATIONS, SCENARIOS, WARM_UP_S, Configuration, Scenario  # noqa: E402
from install import python_of, version_of  # noqa: E402
from processes import Machine, Process, Spent, processes, spent, tree  # noqa: E402
from simulated import SimulatedTeacher  # noqa: E402

from infra.simulated_teacher.draws import draw, spread  # noqa: E402
from infra.simulated_teacher.question import parse_question  # noqa: E402

READY_S = 240.0
"""For imports and the warm-up."""
FIRST_LOOK_S = 0.1
"""Between two looks for the first request, at which the CPU begins to count."""
GRACE_S = 20.0
"""For a driver that is done to end by itself."""


@dataclass(frozen=True)
class Run:
    scenario: Scenario
    configuration: Configuration
    repeat: int
    seconds: float

    @property
    def key(self) -> tuple[str, str, int]:
        return self.scenario.name, self.configuration.name, self.repeat

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The same for every configuration."""
        texts = [f"What is {number} + {number * 7 + 3}?" for number in range(self.scenario.rows(self.seconds))]
        return [
            {"id": f"row-{number:06}", "messages": [{"role": "user", "content": text}]}
            for number, text in enumerate(texts)
        ]


class Driver:
    """A client's process, from its start to its end."""

    def __init__(self, command: list[str], folder: Path, python_path: str = "") -> None:
        self._is_done = False
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        if python_path:
            environment["PYTHONPATH"] = python_path
        with (folder / "stderr.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True, cwd=folder,
                env=environment,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    def tree(self) -> list[Process]:
        """Its processes, as they are now."""
        return tree(self.pid, processes())

    def hear(self, seconds: float) -> str | None:
        """Its next word; "" where it has ended, None where it says nothing for so long."""
        assert self._process.stdout is not None
        heard, _, _ = select.select([self._process.stdout], [], [], seconds)
        word = self._process.stdout.readline().decode().strip() if heard else None
        self._is_done = word == "done"
        return word

    def tell(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Waits where it has said `done`, and kills it and everything below it."""
        try:
            self._process.wait(GRACE_S if self._is_done else 0.0)
        except subprocess.TimeoutExpired:
            for one in self.tree():
                with suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@dataclass(frozen=True)
class Ended:
    how: str
    """done | killed | crashed"""
    spent: Spent
    machine: Machine
    seconds: float


def race(driver: Driver, teacher: SimulatedTeacher, limit_s: float, uses_ray: bool) -> Ended:
    """From the first request to the driver's `done`, its limit or its end."""
    if driver.hear(READY_S) != "ready":
        return Ended("crashed", Spent(), Machine(), 0.0)
    driver.tell()
    began, word = time.monotonic(), None
    while word is None and not teacher.referee()["requests"] and time.monotonic() - began < limit_s:
        word = driver.hear(FIRST_LOOK_S)
    first, machine, before = time.monotonic(), Machine(), driver.tree()
    known, last = {one.pid: one for one in before}, before
    while word is None and time.monotonic() - first < limit_s:
        word = driver.hear(1.0)
        machine.look()
        last = driver.tree() or last
        known |= {one.pid: one for one in last}
    now = list(known.values()) if uses_ray else last
    if word:
        driver.tell()
    how = "killed" if word is None else "done" if word == "done" else "crashed"
    return Ended(how, spent(before, now, driver.pid, uses_ray), machine, time.monotonic() - first)


def command_of(run: Run, venvs: Path, job: Path) -> list[str]:
    if run.configuration.peer:
        script = HERE / "peers" / f"with_{run.configuration.peer}.py"
        return [str(python_of(venvs, run.configuration.peer)), str(script), str(job)]
    return [sys.executable, str(HERE / "ours.py"), str(job)]


def job_of(run: Run, folder: Path, teacher: SimulatedTeacher, warm: SimulatedTeacher) -> dict[str, Any]:
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in run.rows))
    return {
        "base_url": teacher.base_url,
        "warm_url": warm.base_url,
        "model": conditions.MODEL,
        "rows": str(rows),
        "max_tokens": run.scenario.max_tokens,
        "requests_per_minute": conditions.REQUESTS_PER_MINUTE,
        "tokens_per_minute": run.scenario.tokens_per_minute,
        "concurrency": conditions.CONCURRENCY,
        "quantum_s": conditions.QUANTUM_S,
        "is_stated": run.scenario.is_stated,
        "settings": run.configuration.settings,
        "workers": run.configuration.workers,
        "folder": str(folder),
        "out": str(folder / "out.jsonl"),
    }


def service_s(run: Run) -> dict[str, float]:
    """The teacher's own time for each row, which its prompt and the seed decide."""
    found = {}
    for row in run.rows:
        body = orjson.dumps({"model": conditions.MODEL, "messages": row["messages"]})
        chance = draw(run.repeat, "latency", parse_question(body, "").prompt)
        found[row["id"]] = spread(conditions.LATENCY_S, "uniform", chance)
    return found


def delivered_in(path: Path) -> tuple[set[str], dict[str, float]]:
    """The rows handed over, and the latencies that the tool tells."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    good = {line["id"] for line in lines if line["ok"]}
    return good, {line["id"]: line["latency_s"] for line in lines if line["ok"] and line["latency_s"] is not None}


def judge(run: Run, teacher: SimulatedTeacher) -> dict[str, Any]:
    """The referee's figures, and `reached`."""
    bought = score.paid(teacher.questions(), teacher.truth())
    whole = teacher.budget()
    found = score.span(whole, WARM_UP_S, run.scenario.seconds(run.seconds))
    start = found[0] if found else None
    steady = teacher.budget(start=found[0], end=found[1]) if found else None
    after = teacher.budget(start=start) if found else None
    figures = score.budget_figures(whole, steady, after, bought)
    return {**figures, "answers_reached": bought.reached, "paid_rows": bought.rows, "paid_twice": bought.twice}


def measure(run: Run, venvs: Path, warm: SimulatedTeacher, keep: Path | None) -> dict[str, Any]:
    """One run, as a line of the results."""
    with tempfile.TemporaryDirectory(prefix="race-") as scratch:
        folder = keep / "-".join(map(str, run.key)) if keep else Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        with SimulatedTeacher(**conditions.switches(run.scenario, run.repeat)) as teacher:
            job = folder / "job.json"
            job.write_text(json.dumps(job_of(run, folder, teacher, warm)))
            with Driver(command_of(run, venvs, job), folder, "" if run.configuration.peer else str(ROOT)) as driver:
                limit = 2 * run.scenario.seconds(run.seconds) + 30
                ended = race(driver, teacher, limit, uses_ray=not run.configuration.peer)
                figures = judge(run, teacher)
        good, latencies = delivered_in(folder / "out.jsonl")
        said = (folder / "stderr.log").read_text(errors="replace")[-600:] if ended.how == "crashed" else ""
    times = {} if run.scenario.distorts_latency else service_s(run)
    return {**_line(run, venvs, ended, good, figures), **score.overhead(latencies, times), **figures, "said": said}


def _line(run: Run, venvs: Path, ended: Ended, good: set[str], figures: dict[str, Any]) -> dict[str, Any]:
    rows = run.scenario.rows(run.seconds)
    delivered = len(good) if ended.how == "done" else max(len(good), figures["answers_reached"])
    return {
        "scenario": run.scenario.name,
        "configuration": run.configuration.name,
        "repeat": run.repeat,
        "seconds": run.scenario.seconds(run.seconds),
        "version": version_of(venvs, run.configuration.peer) if run.configuration.peer else "",
        "ended": ended.how,
        "rows": rows,
        "delivered": delivered,
        "lost": rows - delivered if ended.how != "killed" else None,
        "unfinished": rows - delivered if ended.how == "killed" else 0,
        "run_s": round(ended.seconds, 3),
        "cpu_ms_per_row": 1000 * ended.spent.client_s / delivered if delivered else None,
        "daemons_ms_per_row": 1000 * ended.spent.daemons_s / delivered if delivered else None,
        "machine_mean": round(ended.machine.mean, 3),
        "machine_most": round(max(ended.machine.shares, default=0.0), 3),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }


def already(path: Path) -> set[tuple[str, str, int]]:
    """What need not be done again: the runs of which the machine had half its CPU to spare."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    quiet = (line for line in lines if score.is_quiet(line))
    return {(line["scenario"], line["configuration"], line["repeat"]) for line in quiet}


def planned(options: argparse.Namespace) -> Iterator[Run]:
    """Repeats outermost, and the configurations of each in an order of its own: what the machine does meanwhile
    falls on all alike."""
    for repeat in range(1, options.repeats + 1):
        for name in options.scenarios:
            order = list(options.configurations)
            random.Random(f"{repeat} {name}").shuffle(order)
            for configuration in order:
                yield Run(SCENARIOS[name], CONFIGURATIONS[configuration], repeat, options.seconds)


def options_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    main_ones = [scenario.name for scenario in SCENARIOS.values() if scenario.is_main]
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0, help="of sending, the warm-up of 8 s included")
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=main_ones)
    parser.add_argument("--configurations", nargs="+", choices=CONFIGURATIONS, default=list(CONFIGURATIONS))
    parser.add_argument("--parallel", type=int, default=1, help="runs side by side")
    parser.add_argument("--venvs", type=Path, default=ROOT / ".race", help="where install.py put the peers")
    parser.add_argument("--keep", type=Path, help="keep each run's folder here")
    parser.add_argument("--out", type=Path, default=ROOT / ".race" / "race.jsonl")
    return parser.parse_args()


def main() -> None:
    options = options_of()
    options.venvs = options.venvs.resolve()
    behind, lock = already(options.out), threading.Lock()
    missing = [run for run in planned(options) if run.key not in behind]
    absent = {run.configuration.peer for run in missing if run.configuration.peer} - {
        peer for peer in conditions.PEERS if python_of(options.venvs, peer).exists()
    }
    for peer in sorted(absent):
        print(f"{peer} is not installed below {options.venvs}: left out")
    missing = [run for run in missing if run.configuration.peer not in absent]
    print(f"{len(missing)} runs to do, {len(behind)} are there; load {os.getloadavg()[0]:.1f}", flush=True)

    def one(run: Run) -> None:
        line = measure(run, options.venvs, warm, options.keep)
        with lock, options.out.open("a") as out:
            out.write(json.dumps(line) + "\n")
            print(told(line), flush=True)

    with SimulatedTeacher() as warm, ThreadPoolExecutor(options.parallel) as pool:
        waiting = [pool.submit(one, run) for run in missing]
        try:
            for ended in as_completed(waiting):
                ended.result()
        finally:
            for ended in waiting:
                ended.cancel()


def told(line: dict[str, Any]) -> str:
    cpu, used = line["cpu_ms_per_row"], line["used"]
    return (
        f"{line['scenario']:16} {line['configuration']:22} {line['repeat']} {line['ended']:8}"
        f" used {'-' if used is None else f'{used:.3f}'} 429s {line['refused']} ({line['refused_after']} after warm-up)"
        f" delivered {line['delivered']}/{line['rows']} twice {line['paid_twice']}"
        f" CPU {'-' if cpu is None else f'{cpu:.1f}'} ms/row {line['run_s']:.0f} s"
        f" machine {line['machine_mean']:.0%}, at most {line['machine_most']:.0%}"
    )


if __name__ == "__main__":
    main()
