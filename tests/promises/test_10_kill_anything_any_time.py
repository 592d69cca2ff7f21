"""Promise 10: kill anything, any time; the same command goes on, and nothing received is lost or asked again.

Each test kills the driver with SIGKILL at a moment drawn by a seed, runs the same command again, and lets the referee
(the simulated teacher, which counts by itself) say what was answered twice.
"""

import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from asking_runs import ancestors
from simulated import SimulatedTeacher
from still import Place, sums, wait_until

pytestmark = pytest.mark.slow

SAMPLES = 600
CONCURRENCY = 96
LATENCY_S = 0.4


def seeded_teacher() -> SimulatedTeacher:
    """The same answers each time, and counts that start at nothing."""
    return SimulatedTeacher(latency=LATENCY_S, wrong_answers=0.05, truncated=0.03, repeats=0.02)


@pytest.fixture
def referee() -> Iterator[SimulatedTeacher]:
    with seeded_teacher() as teacher:
        yield teacher


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, prefect_url: str) -> dict[str, str]:
    """Checksums of the shards that a run without any accident publishes."""
    with seeded_teacher() as teacher:
        place = prepared(Place(tmp_path_factory.mktemp("undisturbed"), prefect_url), teacher)
        return shard_checksums(place, place.run(place.folder / "recipe.yaml")["published"]["version"])


def prepared(place: Place, referee: SimulatedTeacher) -> Place:
    place.write_teacher(referee.base_url, quota={"concurrency": CONCURRENCY})
    place.write_recipe(sums(SAMPLES), batch_rows=150, student={"model": "tiny", "max_steps": 60, "eval_prompts": 10})
    return place


def shard_checksums(place: Place, version: str) -> dict[str, str]:
    rows = place.sql(f"select shard, sha256 from shards where version = '{version}'")
    return {row["shard"]: row["sha256"] for row in rows}


def kill_at(process: "subprocess.Popen[str]", moment: Callable[[], object], what: str, seconds: float = 120) -> None:
    """SIGKILL the driver the instant `moment` is true."""
    try:
        wait_until(lambda: moment() or process.poll() is not None, seconds, what)
        has_ended = process.poll() is not None
    finally:
        process.kill()
        said = process.communicate()
    assert not has_ended, f"the run ended before {what}: {said}"


def answered_in_flight(place: Place, at_least: int, in_flight: int) -> Callable[[], object]:
    def moment() -> object:
        status = place.status()
        return status.get("answered", 0) >= at_least and status.get("in_flight", 0) >= in_flight

    return moment


def questions_of(referee: SimulatedTeacher, place: Place) -> dict[str, int]:
    """How often the referee answered each of this place's request keys."""
    keys = {row["request_key"] for row in place.sql("select distinct request_key from attempts")}
    return {
        question["client_request_id"]: question["answered"]
        for question in referee.questions()
        if question["client_request_id"] in keys
    }


def check_nothing_lost_or_bought_again(place: Place, in_flight: int, referee: SimulatedTeacher) -> int:
    """The ledger and the referee tell the same story; returns how many answers were paid twice."""
    answered = questions_of(referee, place)
    twice = {key for key, times in answered.items() if times > 1}
    maybe = {row["request_key"] for row in place.sql("select request_key from attempts where state = 'maybe_paid'")}
    paid_maybe = {key for key in maybe if answered[key] > 1}
    assert twice == paid_maybe, "an answer was bought twice that the ledger does not list as maybe_paid"
    assert len(twice) <= in_flight, f"{len(twice)} bought twice, {in_flight} were in flight"
    paid = [
        row["n"]
        for row in place.sql(
            "select count(*) as n from attempts where state = 'paid' and batch_id <> 'preflight' group by request_key"
        )
    ]
    assert set(paid) == {1}, "an answer that had been received was bought again"
    (funnel,) = place.sql("select * from funnel")
    assert funnel["answered"] == funnel["wanted"] == SAMPLES
    return len(twice)


MOMENTS = [
    pytest.param(seed, in_flight, marks=[] if seed == 2 else [pytest.mark.long], id=f"asking-{seed}-{in_flight}")
    for seed, in_flight in [(1, 1), (2, 64), (3, 48), (4, 32), (5, 32), (6, 8)]
]


@pytest.mark.parametrize(("seed", "in_flight"), MOMENTS)
def test_a_driver_killed_while_asking_loses_nothing(
    place: Place, referee: SimulatedTeacher, undisturbed: dict[str, str], seed: int, in_flight: int
) -> None:
    prepared(place, referee)
    at_least = random.Random(seed).randrange(0, SAMPLES - 2 * CONCURRENCY)
    process = place.start("run", "recipe.yaml")
    kill_at(process, answered_in_flight(place, at_least, in_flight), f"{at_least} answered and {in_flight} in flight")
    status = place.status()
    again = place.run(place.folder / "recipe.yaml")
    twice = check_nothing_lost_or_bought_again(place, CONCURRENCY, referee)
    print(
        f"seed {seed}: killed with {status['answered']} answered, {status['in_flight']} in flight; paid twice {twice}"
    )
    assert shard_checksums(place, again["published"]["version"]) == undisturbed


@pytest.mark.long
def test_a_driver_killed_in_a_commit_loses_nothing(
    place: Place, referee: SimulatedTeacher, undisturbed: dict[str, str]
) -> None:
    prepared(place, referee)
    process = place.start("run", "recipe.yaml")
    unpublished = place.root.catalog / "unpublished"
    kill_at(process, lambda: place.status().get("answered", 0) > 100 and unpublished.exists(), "a commit while asking")
    again = place.run(place.folder / "recipe.yaml")
    check_nothing_lost_or_bought_again(place, CONCURRENCY, referee)
    assert shard_checksums(place, again["published"]["version"]) == undisturbed


def test_a_driver_killed_while_judging_or_publishing_asks_nothing_again(
    place: Place, referee: SimulatedTeacher, undisturbed: dict[str, str]
) -> None:
    prepared(place, referee)
    shards = place.root.path / "shards" / "sums"
    moments: list[tuple[str, Callable[[], object]]] = [
        ("judging", lambda: place.status().get("stage") == "judging"),
        ("publishing", lambda: any(shards.glob(".tmp-*")) or place.status().get("stage") == "publishing"),
    ]
    for what, moment in moments:
        kill_at(place.start("run", "recipe.yaml"), moment, what)
    requests = referee.referee()["requests"]
    again = place.run(place.folder / "recipe.yaml")
    assert referee.referee()["requests"] == requests
    assert again["asked"] == 0
    assert shard_checksums(place, again["published"]["version"]) == undisturbed


@pytest.mark.long
def test_a_driver_killed_while_training_trains_again_and_keeps_the_version(
    place: Place, referee: SimulatedTeacher, undisturbed: dict[str, str]
) -> None:
    prepared(place, referee)
    process = place.start("run", "recipe.yaml", "--train")
    kill_at(process, lambda: place.status().get("step", 0) > 0, "a training step", seconds=240)
    again = place.run(place.folder / "recipe.yaml", "--train")
    assert (again["asked"], again["published"]["is_new"]) == (0, False)
    assert again["student"]["is_new"]
    assert shard_checksums(place, again["published"]["version"]) == undisturbed


@pytest.mark.long
def test_a_killed_worker_costs_only_what_it_had_in_flight(place: Place, referee: SimulatedTeacher) -> None:
    prepared(place, referee)
    process = place.start("run", "recipe.yaml", "--json")
    wait_until(answered_in_flight(place, 50, 32), 120, "asking is under way")
    os.kill(ray_worker(process.pid), signal.SIGKILL)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    # What the worker had in flight may have been paid, so this run leaves it alone; the next asks for it.
    (funnel,) = place.sql("select * from funnel")
    assert funnel["answered"] + funnel["maybe_paid"] == SAMPLES
    assert place.run(place.folder / "recipe.yaml")["asked"] == funnel["maybe_paid"]
    assert check_nothing_lost_or_bought_again(place, CONCURRENCY, referee) <= CONCURRENCY


def ray_worker(driver: int) -> int:
    """A Ray worker process of this driver that is asking."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        pid = int(path.parent.name)
        if "ray::ask_rows" in path.read_text(errors="replace") and driver in ancestors(pid):
            return pid
    raise AssertionError("no Ray worker is asking")
