"""Promise 1: a response that has arrived and been fsynced is never lost and never asked for again; what is
interrupted in flight is `maybe_paid`, held at its worst cost and asked again last.

Whole drivers on real Ray, killed at moments drawn by a seed; the referee counts by itself.
"""

import os
import random
import signal
from datetime import UTC, datetime

import pytest
from asking_runs import Run, attempts, check_against_referee
from simulated import SimulatedTeacher
from still import wait_until

from warehouse.layout import DataRoot
from warehouse.locks import hold

pytestmark = pytest.mark.line

ROWS = 500
CONCURRENCY = 48
JOB = {"count": ROWS, "quota": {"concurrency": CONCURRENCY}, "batch_rows": 100}


def states(root: DataRoot) -> dict[str, set[str]]:
    rows = attempts(root)
    return {state: {row["request_key"] for row in rows if row["state"] == state} for state in ("paid", "maybe_paid")}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_killed_worker_and_a_killed_driver_lose_nothing(data_root: DataRoot, prefect_url: str, seed: int) -> None:
    rng = random.Random(seed)
    with SimulatedTeacher(latency=0.3, resets_after=0.02, server_errors=0.02) as teacher:
        with Run.start(data_root, teacher, prefect_url, "run-1", **JOB) as first:
            first.wait_for("answered", rng.randrange(20, 120))
            os.kill(first.workers()[0], signal.SIGKILL)
            first.wait_for("answered", rng.randrange(200, 300))
            first.kill()
        second = Run.start(data_root, teacher, prefect_url, "run-2", **JOB).end()
        interrupted = states(data_root)
        third = Run.start(data_root, teacher, prefect_url, "run-3", **JOB).end()
        report = teacher.referee()
        twice = check_against_referee(data_root, teacher)
    print(f"seed {seed}: adopted {second['adopted']}, asked again {third['rows']}, paid twice {twice}")
    resets = report["faults"].get("resets_after", 0)
    assert second["adopted"]["maybe_paid"] <= CONCURRENCY
    assert len(interrupted["maybe_paid"]) <= 2 * CONCURRENCY + resets
    assert len(states(data_root)["paid"]) + third["maybe_paid"] + third["failed"] == ROWS
    assert not list(data_root.journal.rglob("*.journal"))


@pytest.mark.slow
def test_what_may_have_been_paid_is_held_at_its_worst_and_asked_again_by_the_next_run(
    data_root: DataRoot, prefect_url: str
) -> None:
    with SimulatedTeacher(resets_after=0.2) as teacher:
        done = Run.start(data_root, teacher, prefect_url, "run-1", **{**JOB, "count": 100}).end()
        maybe = [row for row in attempts(data_root) if row["state"] == "maybe_paid"]
        assert len(maybe) == done["maybe_paid"] == teacher.referee()["faults"]["resets_after"] > 0
        assert all(row["usage_source"] == "unknown" and row["worst_tokens"] == 160 + 256 for row in maybe)
        teacher.switch(resets_after=0.0)
        again = Run.start(data_root, teacher, prefect_url, "run-2", **{**JOB, "count": 100}).end()
        assert (again["rows"], again["answered"]) == (len(maybe), len(maybe))
        assert check_against_referee(data_root, teacher) == len(maybe)
        nothing = Run.start(data_root, teacher, prefect_url, "run-3", **{**JOB, "count": 100}).end()
        assert nothing["rows"] == 0


@pytest.mark.slow
def test_ctrl_c_stops_sending_at_once_drains_and_loses_nothing(data_root: DataRoot, prefect_url: str) -> None:
    with SimulatedTeacher(latency=0.5) as teacher:
        with Run.start(data_root, teacher, prefect_url, "run-1", **JOB) as run:
            run.wait_for("answered", 100)
            before = teacher.referee()["requests"]
            run.interrupt()
            run.end(exit_code=130)
        report = teacher.referee()
        assert report["requests"] - before <= 2 * CONCURRENCY, "one exchange's worth, no more"
        assert len(states(data_root)["paid"]) == report["answered"], "every answer was drained and committed"
        assert not list(data_root.journal.rglob("*.journal"))
        Run.start(data_root, teacher, prefect_url, "run-2", **JOB).end()
        assert check_against_referee(data_root, teacher) == 0
        assert len(states(data_root)["paid"]) == ROWS


@pytest.mark.slow
def test_ctrl_c_while_a_batch_is_being_committed_leaves_no_segment_behind(
    data_root: DataRoot, prefect_url: str
) -> None:
    with SimulatedTeacher() as teacher:
        with Run.start(data_root, teacher, prefect_url, "run-1", **JOB) as run:
            with hold(data_root, "catalog", "keeping every commit waiting", datetime.now(UTC), wait=10.0):
                run.wait_for("answered", 2 * 100)
                wait_until(lambda: not run.workers(), 60, "the workers have not handed their batches over")
                run.interrupt()
            run.end(exit_code=130)
        report = teacher.referee()
        assert len(states(data_root)["paid"]) == report["answered"] >= 100
        assert not list(data_root.journal.rglob("*.journal"))
