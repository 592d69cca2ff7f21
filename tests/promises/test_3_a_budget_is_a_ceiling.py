"""Promise 3: billed never exceeds the ceiling, over all resumes, whatever fails; less than one worst case is
left."""

from typing import Any

import pytest
from asking import spent_so_far
from asking_runs import Run, attempts
from simulated import SimulatedTeacher

from tasks.ask.spend import Rates
from warehouse.layout import DataRoot

pytestmark = pytest.mark.line

WORST_TOKENS = 160 + 256


def billed(teacher: SimulatedTeacher) -> int:
    report = teacher.referee()
    return int(report["prompt_tokens"] + report["completion_tokens"])


@pytest.mark.long
def test_a_ceiling_on_tokens_holds_over_resumes_resets_and_missing_usage(data_root: DataRoot, prefect_url: str) -> None:
    with SimulatedTeacher(
        resets_after=0.02, missing_usage=0.02, truncated=0.1, server_errors=0.1, malformed=0.02
    ) as teacher:

        def run(run_id: str, tokens: int) -> dict[str, Any]:
            job = {"count": 1000, "batch_rows": 200, "quota": {"concurrency": 8}, "ceiling": {"tokens": tokens}}
            return Run.start(data_root, teacher, prefect_url, run_id, **job).end()

        first = run("run-1", 4000)
        assert billed(teacher) <= spent_so_far(data_root, "sums").tokens <= 4000
        assert 4000 - spent_so_far(data_root, "sums").tokens < WORST_TOKENS
        assert first["over_budget"] > 0
        assert first["answered"] + first["failed"] + first["maybe_paid"] + first["not_asked"] == first["rows"] == 1000

        requests = teacher.referee()["requests"]
        second = run("run-2", 4000)
        assert teacher.referee()["requests"] == requests, "the ceiling is over all runs"
        assert second["not_asked"] == second["over_budget"] == second["rows"]

        run("run-3", 7000)
        assert 7000 - WORST_TOKENS < spent_so_far(data_root, "sums").tokens <= 7000
        assert billed(teacher) <= 7000


@pytest.mark.slow
def test_a_ceiling_on_dollars_and_one_on_requests_hold_and_a_missing_price_refuses_to_start(
    data_root: DataRoot, prefect_url: str
) -> None:
    with SimulatedTeacher(server_errors=0.2) as teacher:

        def run(run_id: str, exit_code: int = 0, **job: Any) -> dict[str, Any]:
            job = {"count": 300, "quota": {"concurrency": 8}, **job}
            return Run.start(data_root, teacher, prefect_url, run_id, **job).end(exit_code)

        refused = run("run-1", exit_code=2, ceiling={"usd": 1.0})
        assert "price of 'simulated' is unknown" in refused["error"]
        assert teacher.referee()["requests"] == 0

        run("run-2", ceiling={"requests": 37})
        assert teacher.referee()["requests"] == 37 == len(attempts(data_root))

        price = 1000.0
        rates = {"simulated": Rates(price / 1e6, price / 1e6)}
        before = spent_so_far(data_root, "sums", rates).usd
        run("run-3", ceiling={"usd": before + 2.0}, price=price)
        spent = spent_so_far(data_root, "sums", rates).usd - before
        assert 2.0 - WORST_TOKENS * price / 1e6 < spent <= 2.0


@pytest.mark.long
def test_an_accounts_ceiling_holds_over_runs_at_once_datasets_and_a_killed_driver(
    data_root: DataRoot, prefect_url: str
) -> None:
    with SimulatedTeacher(resets_after=0.02, missing_usage=0.02, latency=0.1) as teacher:
        job = {"count": 600, "batch_rows": 100, "quota": {"concurrency": 8}, "budget": {"tokens": 9000}}
        other = {"run_id": "run-2", "dataset": "more", "start": 1000}
        with Run.start(data_root, teacher, prefect_url, "run-1", other, **job) as both:
            # Which of the two gets how much of the account's budget is open: one may have reserved it all.
            both.wait_for("answered", 20, datasets=("sums", "more"))
            both.kill()

        def in_all() -> int:
            return sum(spent_so_far(data_root, dataset).tokens for dataset in ("sums", "more", "third"))

        # The orphaned workers may be asking still: the next run waits for them, and counts what their journals say.
        Run.start(data_root, teacher, prefect_url, "run-3", **{**job, "dataset": "third", "start": 2000}).end()
        assert billed(teacher) <= in_all() <= 9000
        assert 9000 - in_all() < WORST_TOKENS
        requests = teacher.referee()["requests"]
        Run.start(data_root, teacher, prefect_url, "run-4", other, **job).end()
        assert teacher.referee()["requests"] == requests, "the account is the same for every dataset"
