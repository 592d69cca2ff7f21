"""A whole Ray node is killed, with its workers: one that sees the data root, and one with only a disk of its own."""

from pathlib import Path
from typing import Any

import pytest
from asking_runs import Run
from chaos_runs import Account, account_of
from ray_nodes import Node, Nodes, ray_nodes
from simulated import SimulatedTeacher
from still import Place, sums, wait_until

from warehouse.layout import DataRoot

pytestmark = [pytest.mark.line, pytest.mark.timeout(600)]

ROWS = 400
CONCURRENCY = 16
JOB = {"count": ROWS, "batch_rows": 100, "quota": {"concurrency": CONCURRENCY}, "ceiling": {"requests": 1000}}


def check_only_what_was_in_flight_is_open(done: dict[str, Any], first: Account, received: int) -> None:
    """After the run whose node was killed."""
    assert done["answered"] + done["maybe_paid"] == ROWS and done["failed"] == done["not_asked"] == 0
    assert first.answered >= received and 0 < first.maybe_paid <= CONCURRENCY, "what the node had in flight"


def check_all_is_answered(again: dict[str, Any], first: Account, found: Account) -> None:
    """After the same command once more."""
    assert again["rows"] == again["answered"] == first.maybe_paid
    assert found == Account(answered=ROWS, failed=0, maybe_paid=0, not_asked=0, twice=found.twice)
    assert found.twice <= first.maybe_paid


@pytest.mark.long
def test_a_killed_node_costs_what_it_had_in_flight_and_another_one_goes_on(
    data_root: DataRoot, prefect_url: str, tmp_path: Path
) -> None:
    with SimulatedTeacher(latency=0.4) as teacher, ray_nodes(tmp_path) as nodes:
        doomed = nodes.add(cpus=2)
        job = {**JOB, "ray_address": nodes.address}
        with Run.start(data_root, teacher, prefect_url, "run-1", **job) as run:
            run.wait_for("answered", 80)
            received = teacher.referee()["answered"]
            assert not nodes.find("ray::Keeper"), "every node sees the data root"
            assert not doomed.named("ray::QuotaAuthority"), "authorities are on the driver's node"
            nodes.add(cpus=2)
            doomed.kill()
            done = run.end(seconds=240)
        first = account_of(data_root, teacher, ROWS)
        again = Run.start(data_root, teacher, prefect_url, "run-2", **job).end(seconds=240)
        found = account_of(data_root, teacher, ROWS)
    print(f"killed after {received} answers: {first}, then {found}")
    check_only_what_was_in_flight_is_open(done, first, 80)
    check_all_is_answered(again, first, found)


def hidden_node(nodes: Nodes, root: DataRoot) -> Node:
    """A node that has a small disk of its own where others have the data root; the disk goes with the node."""
    hide = f'mount -t tmpfs -o size=1m none {root.path} && exec "$@"'
    node = nodes.add(2, "unshare", "--mount", "--map-root-user", "sh", "-c", hide, "sh")
    wait_until(lambda: node.process.poll() is not None or len(node.processes()) > 2, 60, "the node does not start")
    if node.process.poll() is not None:
        pytest.skip("no mount namespace may be made here")
    return node


@pytest.mark.long
def test_a_node_that_does_not_see_the_data_root_has_its_journal_kept_where_it_is(
    data_root: DataRoot, prefect_url: str, tmp_path: Path
) -> None:
    with SimulatedTeacher(latency=0.4) as teacher, ray_nodes(tmp_path) as nodes:
        hidden = hidden_node(nodes, data_root)
        job = {**JOB, "ray_address": nodes.address}
        with Run.start(data_root, teacher, prefect_url, "run-1", **job) as run:
            run.wait_for("answered", 80)
            there = [name for name in ("Keeper", "QuotaAuthority", "SpendAuthority") if hidden.named(f"ray::{name}")]
            workers = len(hidden.named("ray::ask_rows"))
            done = run.end(seconds=240)
        found, report = account_of(data_root, teacher, ROWS), teacher.referee()
    assert workers > 0 and not there, "only what asks runs where the data root is not seen"
    assert done["answered"] == ROWS
    assert found == Account(answered=ROWS, failed=0, maybe_paid=0, not_asked=0, twice=0)
    assert (report["requests"], report["max_in_flight"] <= CONCURRENCY) == (ROWS, True)


@pytest.mark.long
def test_a_node_that_is_killed_with_its_disk_costs_what_it_had_in_flight(
    data_root: DataRoot, prefect_url: str, tmp_path: Path
) -> None:
    with SimulatedTeacher(latency=0.4) as teacher, ray_nodes(tmp_path) as nodes:
        doomed = hidden_node(nodes, data_root)
        job = {**JOB, "ray_address": nodes.address}
        with Run.start(data_root, teacher, prefect_url, "run-1", **job) as run:
            run.wait_for("answered", 80)
            told = run.counters()["answered"]
            hidden_node(nodes, data_root)
            doomed.kill()
            done = run.end(seconds=240)
        first = account_of(data_root, teacher, ROWS)
        again = Run.start(data_root, teacher, prefect_url, "run-2", **job).end(seconds=240)
        found = account_of(data_root, teacher, ROWS)
    print(f"killed after at least {told} answers: {first}, then {found}")
    check_only_what_was_in_flight_is_open(done, first, told)
    check_all_is_answered(again, first, found)


@pytest.mark.long
@pytest.mark.parametrize("killed", ["keeper", "driver"])
def test_without_its_keeper_a_node_stops_and_the_same_command_goes_on(
    data_root: DataRoot, prefect_url: str, tmp_path: Path, killed: str
) -> None:
    with SimulatedTeacher(latency=0.4) as teacher, ray_nodes(tmp_path) as nodes:
        hidden_node(nodes, data_root)
        job = {**JOB, "ray_address": nodes.address}
        with Run.start(data_root, teacher, prefect_url, "run-1", **job) as run:
            run.wait_for("answered", 80)
            if killed == "keeper":
                nodes.kill_one("ray::Keeper")
                said = run.end(exit_code=1, seconds=60)["error"]
                assert "the keeper of the journals" in said and said.endswith("run again")
            else:
                run.kill()
        sent = teacher.referee()["requests"]
        done = Run.start(data_root, teacher, prefect_url, "run-2", **job).end(seconds=240)
        found = account_of(data_root, teacher, ROWS)
    print(f"{killed} killed: {sent} requests until it was noticed, {done['adopted']}, then {found}")
    assert done["adopted"]["segments"] > 0 and done["adopted"]["maybe_paid"] <= CONCURRENCY
    assert found == Account(answered=ROWS, failed=0, maybe_paid=0, not_asked=0, twice=found.twice)
    assert found.twice <= done["adopted"]["maybe_paid"]


@pytest.mark.long
def test_the_whole_line_runs_on_nodes_that_do_not_see_the_data_root(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.root.create()
    with SimulatedTeacher() as teacher, ray_nodes(tmp_path) as nodes:
        hidden_node(nodes, place.root)
        monkeypatch.setenv("STILLHOUSE_RAY_ADDRESS", nodes.address)
        place.write_teacher(teacher.base_url)
        done = place.run(place.write_recipe(sums(60)))
    funnel = done["funnel"]
    assert (funnel["answered"], funnel["kept"] + funnel["rejected"]) == (60, 60)
    assert funnel["kept"] > 0 and done["published"]
