"""An authority is killed in mid-run, with SIGKILL to its actor's process; the run goes on, or says why not."""

import pytest
from asking_runs import Run
from chaos_runs import Account, account_of, budget, kill_one
from simulated import SimulatedTeacher

from warehouse.layout import DataRoot

pytestmark = pytest.mark.line

RPM = 1500
CONCURRENCY = 24
QUOTA = {"requests_per_minute": RPM, "concurrency": CONCURRENCY}
LOST_S = 2.0
"""Of budget that a killed authority may cost."""


@pytest.mark.long
def test_a_killed_quota_authority_restarts_holds_every_limit_and_costs_two_seconds_of_budget(
    data_root: DataRoot, prefect_url: str
) -> None:
    with SimulatedTeacher(latency=0.4, rpm=RPM, burst_seconds=2.0, concurrency=CONCURRENCY) as teacher:
        with Run.start(data_root, teacher, prefect_url, "run-1", count=500, batch_rows=125, quota=QUOTA) as run:
            run.wait_for("answered", 120)
            killed_at = budget(teacher)["now"]
            kill_one(run.process.pid, "ray::QuotaAuthority")
            run.end()
        report = teacher.referee()
        after = budget(teacher, **{"from": killed_at - 0.5, "to": killed_at + 8})["dimensions"]["requests"]
        found = account_of(data_root, teacher, 500)
    print(f"killed at {killed_at:.1f} s: {after['idle_s']:.2f} s of budget lost, {found}")
    assert found == Account(answered=500, failed=0, maybe_paid=0, not_asked=0, twice=0)
    assert set(report["refused_429"].values()) == {0} and report["violations"] == {}
    assert report["max_in_flight"] <= CONCURRENCY
    assert after["idle_s"] <= LOST_S
    assert after["used"] > 0.5, "the span is one in which there was work to do"


@pytest.mark.slow
def test_a_killed_spend_authority_restarts_counts_again_and_keeps_the_ceiling(
    data_root: DataRoot, prefect_url: str
) -> None:
    job = {"count": 400, "batch_rows": 100, "quota": QUOTA, "ceiling": {"requests": 300}}
    with SimulatedTeacher(latency=0.4, rpm=RPM, burst_seconds=2.0, concurrency=CONCURRENCY) as teacher:
        with Run.start(data_root, teacher, prefect_url, "run-1", **job) as run:
            run.wait_for("answered", 100)
            killed_at = budget(teacher)["now"]
            kill_one(run.process.pid, "ray::SpendAuthority")
            done = run.end()
        after = budget(teacher, **{"from": killed_at - 0.5, "to": killed_at + 6})["dimensions"]["requests"]
        found, report = account_of(data_root, teacher, 400), teacher.referee()
        again = Run.start(data_root, teacher, prefect_url, "run-2", **job).end()
        requests = teacher.referee()["requests"]
    print(f"killed at {killed_at:.1f} s: {after['idle_s']:.2f} s of budget lost, {found}")
    assert found == Account(answered=300, failed=0, maybe_paid=0, not_asked=100, twice=0)
    assert (done["over_budget"], report["requests"]) == (100, 300), "neither more nor less than the ceiling"
    assert (again["over_budget"], requests) == (100, 300)
