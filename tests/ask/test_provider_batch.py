"""Asking by a provider's batch API, over a real socket, with the referee as the judge of what was bought twice."""

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import spent_so_far
from asking_runs import check_against_referee
from batch_driver import BatchJob, drive
from simulated import SimulatedTeacher

from tasks.ask.submissions import submissions
from warehouse.catalog import connect
from warehouse.errors import BadInput, RunFailed
from warehouse.layout import DataRoot

DRIVER = Path(__file__).parents[1] / "batch_driver.py"
COUNT = 20


@pytest.fixture
def teacher() -> Iterator[SimulatedTeacher]:
    with SimulatedTeacher(batch_seconds=0.1) as teacher:
        yield teacher


def job_of(root: DataRoot, teacher: SimulatedTeacher, **more: Any) -> BatchJob:
    return BatchJob(**{"root": str(root.path), "base_url": teacher.base_url, "count": COUNT, **more})


def run(root: DataRoot, teacher: SimulatedTeacher, **more: Any) -> dict[str, Any]:
    said: list[str] = []

    async def say(step: str) -> None:
        said.append(step)

    return {**asyncio.run(drive(job_of(root, teacher, **more), say)), "said": said}


def killed(root: DataRoot, teacher: SimulatedTeacher, die_at: str, **more: Any) -> None:
    """Run the driver as a process until it kills itself at a step."""
    job = {"root": str(root.path), "base_url": teacher.base_url, "count": COUNT, "die_at": die_at, **more}
    done = subprocess.run([sys.executable, DRIVER, json.dumps(job)], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, (done.stdout, done.stderr)


def states(root: DataRoot) -> Counter[str]:
    with connect(root) as warehouse:
        return Counter(state for (state,) in warehouse.execute("select state from attempts").fetchall())


def out_requests(root: DataRoot) -> int:
    return sum(submission.worst.requests for submission in submissions(root))


def check_all_answered_once(root: DataRoot, teacher: SimulatedTeacher, count: int = COUNT) -> None:
    assert states(root)["paid"] == count
    assert check_against_referee(root, teacher) == 0
    referee = teacher.referee()
    assert (referee["answered"], referee["answered_again"]) == (count, 0)
    assert not submissions(root) and not list(root.journal.rglob("*.journal"))


def test_everything_is_asked_by_batch_and_committed(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    done = run(data_root, teacher, price=2.0)
    assert (done["answered"], done["failed"], done["not_asked"]) == (COUNT, 0, 0)
    check_all_answered_once(data_root, teacher)
    with connect(data_root) as warehouse:
        row = warehouse.execute(
            "select count(*), any_value(headers), any_value(usage_source), sum(cost_usd), "
            "sum(prompt_tokens + completion_tokens) from attempts where body is not null and batch_id = 'batch_000001'"
        ).fetchone()
        traces = warehouse.execute("select count(*) from traces where answer <> ''").fetchone()
    assert row is not None and (row[0], row[2], traces) == (COUNT, "reported", (COUNT,))
    assert json.loads(row[1])["x-request-id"].startswith("req_")
    assert row[3] == pytest.approx(row[4] * 2e-6 / 2), "usage is billed at the batch's price"


def test_a_second_run_finds_nothing_to_ask(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    run(data_root, teacher)
    assert run(data_root, teacher)["rows"] == 0
    check_all_answered_once(data_root, teacher)


def test_many_rows_go_in_several_batches_by_count_and_by_bytes(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    done = run(data_root, teacher, terms={"max_requests": 7})
    assert sum("submitted" in step for step in done["said"]) == 3
    more = run(data_root, teacher, start=COUNT, terms={"max_bytes": 800})
    assert sum("submitted" in step for step in more["said"]) > 3
    check_all_answered_once(data_root, teacher, 2 * COUNT)


@pytest.mark.parametrize(
    "die_at",
    [
        "submitted",
        *(
            pytest.param(step, marks=pytest.mark.slow)
            for step in ("uploaded", "out at the provider", "collecting", "written")
        ),
    ],
)
def test_killed_at_any_step_the_same_command_buys_nothing_twice(
    data_root: DataRoot, teacher: SimulatedTeacher, die_at: str
) -> None:
    teacher.switch(batch_seconds=0.5)
    killed(data_root, teacher, die_at)
    run(data_root, teacher)
    check_all_answered_once(data_root, teacher)
    assert states(data_root) == {"paid": COUNT}
    assert len(teacher.call("GET", "/v1/batches")[1]["data"]) == 1
    assert len(teacher.call("GET", "/v1/files?purpose=batch")[1]["data"]) == 1, "the upload is used again"


def test_a_batch_whose_record_is_lost_is_found_by_its_key(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(batch_seconds=0.3)
    killed(data_root, teacher, "out at the provider")
    for out in submissions(data_root):
        out.drop()
    run(data_root, teacher)
    check_all_answered_once(data_root, teacher)


@pytest.mark.parametrize("die_at", ["uploaded", "submitted"])
def test_a_provider_that_loses_the_metadata_is_asked_for_the_file(
    data_root: DataRoot, teacher: SimulatedTeacher, die_at: str
) -> None:
    teacher.switch(batch_metadata="lost")
    killed(data_root, teacher, die_at)
    run(data_root, teacher)
    check_all_answered_once(data_root, teacher)
    assert len(teacher.call("GET", "/v1/batches")[1]["data"]) == 1


def test_a_batch_that_was_made_without_a_word_is_not_made_again(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(batch_made_unsaid=1)
    run(data_root, teacher, terms={"max_requests": 10})
    check_all_answered_once(data_root, teacher)
    assert len(teacher.call("GET", "/v1/batches")[1]["data"]) == 2


def test_what_is_out_is_not_asked_again_and_is_taken_up_later(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(batch_seconds=3600)
    first = run(data_root, teacher, wait_s=0)
    assert (first["not_asked"], first["stopped"]) == (COUNT, "1 still out at the provider")
    again = run(data_root, teacher, wait_s=0, count=COUNT + 5)  # five new rows, in a batch of their own
    assert (again["not_asked"], again["stopped"]) == (COUNT + 5, "2 still out at the provider")
    teacher.switch(batch_seconds=0)
    last = run(data_root, teacher, count=COUNT + 5)
    assert last["rows"] == 0, "what has ended is in the ledger before anything is planned"
    check_all_answered_once(data_root, teacher, COUNT + 5)


def test_another_dataset_does_not_buy_what_is_out(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(batch_seconds=3600)
    run(data_root, teacher, wait_s=0)
    other = run(data_root, teacher, wait_s=0, dataset="other", run_id="run-2")
    assert other["not_asked"] == COUNT and len(submissions(data_root)) == 1


def test_a_run_does_not_wait_for_what_it_does_not_want(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(batch_seconds=3600)
    run(data_root, teacher, wait_s=0)
    teacher.switch(batch_seconds=0.1)  # the first batch ends too, and is taken up on the way
    done = run(data_root, teacher, dataset="other", start=COUNT, run_id="run-2")
    assert (done["answered"], done["stopped"]) == (COUNT, None)
    check_all_answered_once(data_root, teacher, 2 * COUNT)
    teacher.switch(batch_seconds=3600)
    run(data_root, teacher, wait_s=0, start=2 * COUNT)
    assert run(data_root, teacher, dataset="other", run_id="run-3")["rows"] == 0 and len(submissions(data_root)) == 1


def test_an_expired_batch_keeps_what_was_done_and_the_rest_goes_on(
    data_root: DataRoot, teacher: SimulatedTeacher
) -> None:
    teacher.switch(batch_expires=0.5)
    done = run(data_root, teacher)
    assert (done["answered"], done["failed"]) == (COUNT - 1, 1), "of one line, half is none: that round brought nothing"
    assert sum("submitted" in step for step in done["said"]) == 6
    teacher.switch(batch_expires=0)
    run(data_root, teacher)
    assert states(data_root)["failed"] > COUNT / 2
    check_all_answered_once(data_root, teacher)


def test_lines_that_fail_go_into_another_batch(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    teacher.switch(batch_fails=0.4)
    done = run(data_root, teacher)
    assert done["answered"] + done["failed"] == COUNT
    assert sum("submitted" in step for step in done["said"]) > 1 and done["answered"] > COUNT / 2
    teacher.switch(batch_fails=0)
    run(data_root, teacher)
    check_all_answered_once(data_root, teacher)


def test_a_cancelled_batch_keeps_what_was_done_and_the_rest_goes_on(
    data_root: DataRoot, teacher: SimulatedTeacher
) -> None:
    teacher.switch(batch_seconds=2)
    run(data_root, teacher, wait_s=0.5)
    (batch,) = teacher.call("GET", "/v1/batches")[1]["data"]
    assert teacher.call("POST", f"/v1/batches/{batch['id']}/cancel", {})[0] == 200
    teacher.switch(batch_seconds=0)
    run(data_root, teacher)
    assert 0 < states(data_root)["failed"] < COUNT
    check_all_answered_once(data_root, teacher)


def test_a_provider_that_fails_the_batch_ends_the_run_with_its_reason(data_root: DataRoot) -> None:
    with SimulatedTeacher(batch_requests=5) as teacher:
        with pytest.raises(RunFailed, match="too_many_tasks"):
            run(data_root, teacher)
        assert teacher.referee()["answered"] == 0 and states(data_root) == {"failed": COUNT}
        assert spent_so_far(data_root, "sums").requests == 0
        run(data_root, teacher, terms={"max_requests": 5})
        check_all_answered_once(data_root, teacher)


def test_a_server_that_forgets_its_batches_leaves_what_may_have_been_paid(data_root: DataRoot) -> None:
    with SimulatedTeacher(batch_seconds=3600) as teacher:
        run(data_root, teacher, wait_s=0)
        teacher.stop()
        teacher.start()
        done = run(data_root, teacher, wait_s=0)
        assert states(data_root) == {"maybe_paid": COUNT}
        assert done["rows"] == COUNT, "it is asked again, by a new batch"
        assert len(submissions(data_root)) == 1


def test_a_ceiling_holds_with_worst_cases_reserved_while_batches_are_out(
    data_root: DataRoot, teacher: SimulatedTeacher
) -> None:
    teacher.switch(batch_seconds=3600)
    worst = 160 + 256
    first = run(data_root, teacher, ceiling={"tokens": 5 * worst}, wait_s=0)
    assert (out_requests(data_root), first["over_budget"]) == (5, COUNT - 5)
    assert spent_so_far(data_root, "sums").tokens == 5 * worst
    again = run(data_root, teacher, ceiling={"tokens": 5 * worst + 1}, wait_s=0)
    assert (out_requests(data_root), again["over_budget"]) == (5, COUNT - 5), "what is out holds its worst"
    teacher.switch(batch_seconds=0)
    run(data_root, teacher, ceiling={"tokens": 5 * worst})
    referee = teacher.referee()
    billed = referee["prompt_tokens"] + referee["completion_tokens"]
    assert billed == spent_so_far(data_root, "sums").tokens <= 5 * worst
    assert 5 * worst - billed < worst or referee["answered"] == COUNT, "what is left is less than one request"


def test_ceilings_of_the_account_hold_too_over_all_datasets(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    first = run(data_root, teacher, account={"requests_per_day": 7})
    assert (first["answered"], first["over_budget"]) == (7, COUNT - 7)
    other = run(data_root, teacher, account={"requests": 9}, dataset="other", start=COUNT, run_id="run-2")
    assert (other["answered"], other["over_budget"]) == (2, COUNT - 2)
    assert teacher.referee()["answered"] == 9


def test_a_ceiling_in_dollars_needs_a_price(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    with pytest.raises(BadInput, match="price"):
        run(data_root, teacher, ceiling={"usd": 1.0})


def test_a_server_without_a_batch_api_is_said_so(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    with pytest.raises(RunFailed, match="has no batch API .* take `batch` out"):
        run(data_root, teacher, base_url=teacher.base_url + "/nothing")


def test_a_key_is_asked_for_and_never_written_down(data_root: DataRoot) -> None:
    with SimulatedTeacher(api_key="sk-secret-7") as teacher:
        with pytest.raises(RunFailed, match="401"):
            run(data_root, teacher)
        run(data_root, teacher, api_key="sk-secret-7")
        assert states(data_root)["paid"] == COUNT
    assert not [path for path in data_root.path.rglob("*") if path.is_file() and b"sk-secret-7" in path.read_bytes()]
