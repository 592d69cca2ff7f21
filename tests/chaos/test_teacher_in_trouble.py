"""A teacher that is away, that refuses everybody, that is paid and does not deliver: slower, and never fewer rows."""

import time

import pytest
from asking_runs import Run, attempts
from cable import Cable
from chaos_runs import Account, account_of
from simulated import SimulatedTeacher

from warehouse.layout import DataRoot

pytestmark = pytest.mark.line

ROWS = 300
CONCURRENCY = 16
JOB = {"count": ROWS, "batch_rows": 75, "quota": {"concurrency": CONCURRENCY}}
ALL = Account(answered=ROWS, failed=0, maybe_paid=0, not_asked=0, twice=0)


def refused_connections(root: DataRoot) -> int:
    """By the ledger: requests that never left, since nobody listened."""
    return sum(row["state"] == "failed" and row["outcome"] == "connection" for row in attempts(root))


@pytest.mark.slow
def test_a_teacher_that_is_down_is_probed_and_the_run_goes_on_by_itself(data_root: DataRoot, prefect_url: str) -> None:
    down_s = 12.0
    with SimulatedTeacher(latency=0.5) as teacher, Cable(teacher.port) as cable:
        job = {**JOB, "base_url": cable.base_url}
        with Run.start(data_root, teacher, prefect_url, "run-1", **job) as run:
            run.wait_for("answered", 80)
            cable.cut()
            time.sleep(down_s)
            cable.mend()
            done = run.end()
        tried, first = refused_connections(data_root), account_of(data_root, teacher, ROWS)
        Run.start(data_root, teacher, prefect_url, "run-2", **job).end()
        found = account_of(data_root, teacher, ROWS)
    print(f"down for {down_s:g} s: {tried} connections refused, {first}, then {found}")
    assert (done["failed"], first.failed, first.not_asked) == (0, 0, 0)
    assert 0 < first.maybe_paid <= CONCURRENCY, "what was in flight when it went away"
    assert tried <= 6 * CONCURRENCY + 2 * down_s, "five rounds to see that it is away, then one probe at a time"
    assert (found.answered, found.maybe_paid, found.twice) == (ROWS, 0, first.maybe_paid)


@pytest.mark.long
def test_a_teacher_that_stays_away_ends_the_run_with_one_line_and_the_same_command_goes_on(
    data_root: DataRoot, prefect_url: str
) -> None:
    with SimulatedTeacher(latency=0.5) as teacher, Cable(teacher.port) as cable:
        job = {**JOB, "base_url": cable.base_url, "call": {"unreachable_after_s": 5.0}}
        with Run.start(data_root, teacher, prefect_url, "run-1", **job) as run:
            run.wait_for("answered", 80)
            cable.cut()
            said = run.end(exit_code=1, seconds=60)
        first = account_of(data_root, teacher, ROWS)
        cable.mend()
        Run.start(data_root, teacher, prefect_url, "run-2", **job).end()
        found = account_of(data_root, teacher, ROWS)
    print(f"{said['error']!r}: {first}, then {found}")
    assert "has been unreachable for" in said["error"] and "start it, or correct base_url" in said["error"]
    assert first.answered >= 80 and first.maybe_paid <= CONCURRENCY
    assert (found.answered, found.maybe_paid) == (ROWS, 0) and found.twice <= first.maybe_paid


@pytest.mark.slow
def test_storms_of_429_and_503_slow_a_run_and_cost_no_row(data_root: DataRoot, prefect_url: str) -> None:
    with SimulatedTeacher(latency=0.3) as teacher:
        with Run.start(data_root, teacher, prefect_url, "run-1", **JOB) as run:
            run.wait_for("answered", 60)
            teacher.switch(storm_seconds=5.0)
            teacher.wait_for("requests", teacher.referee()["requests"] + 1)
            run.wait_for("answered", 150)
            teacher.switch(server_errors=1.0, server_error_status=503)
            time.sleep(6.0)
            teacher.switch(server_errors=0.0)
            done = run.end()
        report, found = teacher.referee(), account_of(data_root, teacher, ROWS)
    refused, overloaded = report["refused_429"], report["faults"].get("server_errors", 0)
    print(f"429s {refused}, 503s {overloaded}, {found}")
    assert done["answered"] == ROWS and found == ALL
    assert 0 < refused["storm"] <= CONCURRENCY, "what was in flight when it came, and no more"
    assert report["violations"] == {}, "nobody came before Retry-After"
    assert 0 < overloaded <= 8 * CONCURRENCY, "the rounds before one probe at a time"


@pytest.mark.slow
def test_what_is_paid_and_reset_is_listed_question_by_question(data_root: DataRoot, prefect_url: str) -> None:
    with SimulatedTeacher(latency=0.2, resets_after=0.03) as teacher:
        Run.start(data_root, teacher, prefect_url, "run-1", **JOB).end()
        reset = {row["question"] for row in teacher.call("GET", "/referee/breaks")[1]["breaks"]}
        first = account_of(data_root, teacher, ROWS)
        asked = {seen["client_request_id"] for seen in teacher.questions() if seen["undelivered"]}
        listed = {row["request_key"] for row in attempts(data_root) if row["state"] == "maybe_paid"}
        teacher.switch(resets_after=0.0)
        Run.start(data_root, teacher, prefect_url, "run-2", **JOB).end()
        found = account_of(data_root, teacher, ROWS)
        paid_twice = {row["client_request_id"] for row in teacher.call("GET", "/referee/payments")[1]["questions"]}
    print(f"{len(reset)} connections reset after payment, {first}, then {found}")
    assert listed == asked == paid_twice and 0 < len(listed) == len(reset) == first.maybe_paid
    assert (found.answered, found.maybe_paid, found.twice) == (ROWS, 0, len(listed))
