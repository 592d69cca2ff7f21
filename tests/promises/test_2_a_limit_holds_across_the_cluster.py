"""Promise 2: requests/min, tokens/min and concurrency belong to an account's pool, whoever asks through
it."""

import pytest
from asking_runs import Run, check_against_referee
from simulated import SimulatedTeacher

from warehouse.layout import DataRoot

pytestmark = pytest.mark.line


@pytest.mark.slow
def test_two_runs_on_one_ray_share_one_quota(data_root: DataRoot, prefect_url: str) -> None:
    quota = {"requests_per_minute": 1500, "tokens_per_minute": 1_500_000, "concurrency": 24}
    with SimulatedTeacher(
        latency=0.3, rpm=1500, tpm=1_500_000, charge="sum", burst_seconds=2.0, concurrency=24
    ) as teacher:
        other = {"run_id": "run-2", "dataset": "more", "start": 1000, "count": 110}
        run = Run.start(data_root, teacher, prefect_url, "run-1", other, count=220, batch_rows=55, quota=quota)
        assert run.end()["answered"] == 110
        report = teacher.referee()
        check_against_referee(data_root, teacher)
    assert report["refused_429"] == {"requests": 0, "tokens": 0, "concurrency": 0, "storm": 0}
    assert report["violations"] == {}
    assert report["max_in_flight"] <= 24
    assert report["requests"] == 330


@pytest.mark.slow
def test_a_429_reaches_every_worker_and_a_limit_that_is_halved_in_mid_run_is_kept(
    data_root: DataRoot, prefect_url: str
) -> None:
    with SimulatedTeacher(latency=0.2, rpm=2400, burst_seconds=2.0) as teacher:
        quota = {"requests_per_minute": 2400, "concurrency": 16}
        with Run.start(data_root, teacher, prefect_url, "run-1", count=400, batch_rows=50, quota=quota) as run:
            run.wait_for("answered", 100)
            teacher.switch(rpm=1200)
            done = run.end()
        report = teacher.referee()
        check_against_referee(data_root, teacher)
    assert done["answered"] == 400
    assert report["refused_429"]["requests"] <= 16, "what was in flight when it came"
    assert report["violations"].get("before_retry_after", 0) == 0
