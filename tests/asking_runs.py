"""Runs `asking_driver.py` as a process, and compares its ledger with what the referee saw."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from simulated import SimulatedTeacher
from still import hears_ctrl_c, wait_until

from warehouse.catalog import connect
from warehouse.layout import DataRoot


@dataclass
class Run:
    """One driver process, the leader of its own process group, as a shell would start it."""

    process: "subprocess.Popen[str]"
    root: DataRoot
    dataset: str

    @classmethod
    def start(
        cls, root: DataRoot, teacher: SimulatedTeacher, prefect_url: str, run_id: str, *more: dict[str, Any], **job: Any
    ) -> "Run":
        """Start a driver for this job and, at once on the same Ray, for `more` that differ from it."""
        first = {"root": str(root.path), "base_url": teacher.base_url, "run_id": run_id, **job}
        arguments = [json.dumps({**first, **other}) for other in ({}, *more)]
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("asking_driver.py"), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "PREFECT_API_URL": prefect_url, "PREFECT_LOGGING_LEVEL": "ERROR"},
            preexec_fn=hears_ctrl_c,
        )  # fmt: skip
        return cls(process, root, str(job.get("dataset", "sums")))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:  # waits, and closes its pipes
            if self.process.poll() is None:
                self.process.kill()

    def counters(self, dataset: str | None = None) -> dict[str, int]:
        """How far a run says that it is."""
        dataset = dataset or self.dataset
        try:
            return dict(json.loads((self.root.status / f"{dataset}.json").read_text()))
        except FileNotFoundError:
            return {}

    def wait_for(self, name: str, at_least: int, datasets: Sequence[str] = ()) -> None:
        """Wait until a counter of the run, or its sum over the runs of `datasets`, is reached."""

        def counted() -> int:
            return sum(self.counters(dataset).get(name, 0) for dataset in datasets or [self.dataset])

        wait_until(
            lambda: counted() >= at_least or self.process.poll() is not None,
            120,
            f"{name} did not reach {at_least}",
        )
        assert self.process.poll() is None, self.process.communicate()

    def end(self, exit_code: int = 0, seconds: float = 120) -> dict[str, Any]:
        """Wait for the end; what the driver said of its last job."""
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        assert self.process.returncode == exit_code, f"exit {self.process.returncode}\n{out}\n{err}"
        last = out.strip().splitlines()[-1] if out.strip() else "{}"
        return dict(json.loads(last))

    def kill(self) -> None:
        """SIGKILL to the driver alone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def interrupt(self) -> None:
        """What Ctrl-C in a terminal does: SIGINT to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def workers(self) -> list[int]:
        """The Ray workers of this driver that are asking."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            pid = int(path.parent.name)
            try:
                if "ray::ask_rows" in path.read_text(errors="replace") and self.process.pid in ancestors(pid):
                    found.append(pid)
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found


def ancestors(pid: int) -> set[int]:
    found: set[int] = set()
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        found.add(pid)
    return found


def attempts(root: DataRoot) -> list[dict[str, Any]]:
    columns = ("request_key", "state", "outcome", "usage_source", "worst_tokens")
    with connect(root) as warehouse:
        rows = warehouse.execute(f"select {', '.join(columns)} from attempts").fetchall()
    return [dict(zip(columns, row, strict=True)) for row in rows]


def check_against_referee(root: DataRoot, teacher: SimulatedTeacher) -> int:
    """The ledger and the referee tell the same story, question by question; returns how many were paid
    twice."""
    rows = attempts(root)
    paid = Counter(row["request_key"] for row in rows if row["state"] == "paid")
    maybe = Counter(row["request_key"] for row in rows if row["state"] == "maybe_paid")
    answered = {seen["client_request_id"]: seen["answered"] for seen in teacher.questions()}
    for key, times in answered.items():
        assert paid[key] <= times <= paid[key] + maybe[key], (
            f"{key}: {times} answers, {paid[key]} paid, {maybe[key]} maybe"
        )
    assert all(count == 1 for count in paid.values()), "an answer that had been received was bought again"
    twice = {key for key, times in answered.items() if times > 1}
    assert twice <= set(maybe)
    assert len(twice) == teacher.referee()["answered_again"]
    return len(twice)
