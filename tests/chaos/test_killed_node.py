"""A whole Ray node is killed, with its workers and whatever authorities it ran; the data root is on shared storage."""

from pathlib import Path

import pytest
from asking_runs import Run
from chaos_runs import Account, account_of
from ray_nodes import ray_nodes
from simulated import SimulatedTeacher
from still import wait_until

from warehouse.layout import DataRoot

pytestmark = [pytest.mark.line, pytest.mark.long, pytest.mark.timeout(600)]

ROWS = 400
CONCURRENCY = 16
JOB = {"count": ROWS, "batch_rows": 100, "quota": {"concurrency": CONCURRENCY}, "ceiling": {"requests": 1000}}


def test_a_killed_node_costs_what_it_had_in_flight_and_another_one_goes_on(
    data_root: DataRoot, prefect_url: str, tmp_path: Path
) -> None:
    with SimulatedTeacher(latency=0.4) as teacher, ray_nodes(tmp_path) as nodes:
        doomed = nodes.add(cpus=2)
        job = {**JOB, "ray_address": nodes.address}
        with Run.start(data_root, teacher, prefect_url, "run-1", **job) as run:
            run.wait_for("answered", 80)
            received = teacher.referee()["answered"]
            lost = [name for name in ("QuotaAuthority", "SpendAuthority") if doomed.runs(f"ray::{name}")]
            nodes.add(cpus=2)
            doomed.kill()
            done = run.end(seconds=240)
        first = account_of(data_root, teacher, ROWS)
        again = Run.start(data_root, teacher, prefect_url, "run-2", **job).end(seconds=240)
        found = account_of(data_root, teacher, ROWS)
    print(f"killed after {received} answers, with {lost or 'no authority'}: {first}, then {found}")
    assert done["answered"] + done["maybe_paid"] == ROWS and done["failed"] == done["not_asked"] == 0
    assert first.answered >= 80 and 0 < first.maybe_paid <= CONCURRENCY, "what the node had in flight"
    assert again["rows"] == again["answered"] == first.maybe_paid
    assert found == Account(answered=ROWS, failed=0, maybe_paid=0, not_asked=0, twice=found.twice)
    assert found.twice <= first.maybe_paid


def test_a_node_that_does_not_see_the_data_root_is_refused_with_one_line(
    data_root: DataRoot, prefect_url: str, tmp_path: Path
) -> None:
    with SimulatedTeacher() as teacher, ray_nodes(tmp_path) as nodes:
        hide = f'mount -t tmpfs none {data_root.path} && exec "$@"'
        node = nodes.add(2, "unshare", "--mount", "--map-root-user", "sh", "-c", hide, "sh")
        wait_until(lambda: node.process.poll() is not None or len(node.processes()) > 2, 60, "the node does not start")
        if node.process.poll() is not None:
            pytest.skip("no mount namespace may be made here")
        job = {**JOB, "ray_address": nodes.address}
        process = Run.start(data_root, teacher, prefect_url, "run-1", **job).process
        out, err = process.communicate(timeout=120)
        requests = teacher.referee()["requests"]
    print(out)
    # Busy (2) where it is an authority that does not see it, failed (1) where it is a worker.
    assert process.returncode in (1, 2), err
    assert "does not see" in out and "storage that every node shares" in out
    assert requests == 0
