"""Prefect as its users use it: the deployments of prefect.yaml on a real server, run by a real worker."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request

import pytest
import yaml
from simulated import SimulatedTeacher
from still import BIN, OPENER, Place, prefect_server, sums, wait_until

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
POOL = "stillhouse-test"


class Api:
    """Prefect's own HTTP API: what its UI calls."""

    def __init__(self, url: str) -> None:
        self._url = url

    def call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self._url}{path}", data=data, method=method, headers={"content-type": "application/json"})
        (text,) = wait_until(lambda: self._answer(request), 60, f"Prefect is too busy for {method} {path}")
        return json.loads(text) if text else None

    def _answer(self, request: Request) -> tuple[bytes] | None:
        """None where the server's database is busy: nothing was done, and Prefect's own client asks again, too."""
        try:
            with OPENER.open(request, timeout=30) as response:
                return (response.read(),)
        except HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            return None

    def deployment(self, name: str) -> Any:
        return self.call("GET", f"/deployments/name/{name}")

    def start(self, deployment: str, parameters: object) -> str:
        path = f"/deployments/{self.deployment(deployment)['id']}/create_flow_run"
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(self.call("POST", path, body)["id"])

    def state(self, run: str) -> str:
        return str(self.call("GET", f"/flow_runs/{run}")["state"]["name"])

    def runs_of(self, deployment: str) -> list[Any]:
        body = {"deployments": {"id": {"any_": [self.deployment(deployment)["id"]]}}}
        return list(self.call("POST", "/flow_runs/filter", body))

    def ends(self, run: str, seconds: float = 180) -> str:
        ended = {"Completed", "Failed", "Crashed", "Cancelled"}
        return str(
            wait_until(
                lambda: self.state(run) if self.state(run) in ended else None, seconds, f"run {run} does not end"
            )
        )


@pytest.fixture(scope="module")
def teacher() -> Iterator[SimulatedTeacher]:
    """It answers under a name of its own, so that its rows count as real ones: only those start a training."""
    with SimulatedTeacher(model="house-model", latency=0.2) as teacher:
        yield teacher


@pytest.fixture(scope="module")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own: on a shared one, versions of other tests' runs would start trainings here."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as url:
        yield url


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, prefect_url: str, teacher: SimulatedTeacher) -> Place:
    place = Place(tmp_path_factory.mktemp("deployed"), prefect_url)
    reviewed = {"by": "A Person", "on": time.strftime("%Y-%m-%d", time.gmtime())}
    place.write_teacher(
        teacher.base_url, name="house", model="house-model", license="Apache-2.0", reviewed=reviewed, simulated=None
    )
    return place


@pytest.fixture(scope="module")
def api(place: Place) -> Iterator[Api]:
    """The project's prefect.yaml deployed, for a pool of its own, with a worker running."""
    environment = {
        **os.environ,
        "PREFECT_API_URL": place.prefect_url,
        "PREFECT_HOME": str(place.folder / "home"),
        "STILLHOUSE_DATA": str(place.root.path),
        "STILLHOUSE_TEACHERS": str(place.folder / "teachers"),
    }
    deployments = yaml.safe_load((PROJECT / "prefect.yaml").read_text())
    for deployment in deployments["deployments"]:
        deployment["work_pool"] = {"name": POOL}
    (place.folder / "prefect.yaml").write_text(yaml.safe_dump(deployments))
    prefect = [str(BIN / "prefect"), "--no-prompt"]
    for arguments in (
        ["work-pool", "create", POOL, "--type", "process"],
        ["deploy", "--all", "--prefect-file", str(place.folder / "prefect.yaml")],
    ):
        done = subprocess.run([*prefect, *arguments], env=environment, cwd=PROJECT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    with (place.folder / "worker.log").open("w") as log:
        worker = subprocess.Popen(
            [*prefect, "worker", "start", "--pool", POOL],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            yield Api(place.prefect_url)
        finally:
            end_group(worker)


def end_group(worker: "subprocess.Popen[bytes]") -> None:
    """Prefect's worker waits at its end for what it looks at, more than a minute."""
    os.killpg(worker.pid, signal.SIGTERM)
    try:
        worker.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def recipe_of(place: Place, name: str, count: int, **fields: object) -> dict[str, Any]:
    """A recipe as the form in Prefect would hand it over."""
    path = place.write_recipe(sums(count, seed=len(name)), name, dataset=name, teachers=["house"], **fields)
    recipe = yaml.safe_load(path.read_text())
    recipe["prompts"]["source"] = str(place.folder / recipe["prompts"]["source"])
    return dict(recipe)


def test_the_recipe_is_a_form_and_the_flow_has_a_schedule(api: Api) -> None:
    distill = api.deployment("distill/distill")
    fields = distill["parameter_openapi_schema"]["definitions"]["Recipe"]["properties"]
    assert {"dataset", "prompts", "teachers", "sampling", "budget", "student"} <= fields.keys()
    assert [schedule["schedule"]["cron"] for schedule in distill["schedules"] if schedule["active"]] == ["0 3 * * *"]


def test_the_schedule_becomes_runs_by_itself(api: Api) -> None:
    (run, *_) = wait_until(lambda: api.runs_of("distill/distill"), 120, "no run is scheduled")
    assert run["auto_scheduled"] and run["expected_start_time"][11:19] == "03:00:00"


def test_a_run_publishes_leaves_artifacts_and_starts_the_training_by_itself(place: Place, api: Api) -> None:
    recipe = recipe_of(
        place, "trained", 60, batch_rows=20, student={"model": "tiny", "max_steps": 20, "eval_prompts": 5}
    )
    run = api.start("distill/distill", {"recipe": recipe})
    assert api.ends(run) == "Completed"
    artifacts = api.call("POST", "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}})
    assert {artifact["key"] for artifact in artifacts} == {"progress", "funnel", "screens", "version"}
    task_runs = api.call("POST", "/task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
    assert {"ask trained-0001", "ask trained-0002", "ask trained-0003"} <= {task["name"] for task in task_runs}
    (training,) = wait_until(lambda: api.runs_of("train/train"), 60, "no training starts")
    assert api.ends(training["id"]) == "Completed"
    (student,) = place.sql("select version, state from student_runs")
    assert (student["version"].split("@")[0], student["state"]) == ("trained", "completed")
    assert api.ends(api.start("distill/distill", {"recipe": recipe})) == "Completed"
    assert len(api.runs_of("train/train")) == 1, "a run with nothing new starts no training"


def test_a_cancelled_run_stops_sending_drains_and_loses_nothing(
    place: Place, api: Api, teacher: SimulatedTeacher
) -> None:
    teacher.switch(latency=1.5, concurrency=8)
    recipe = recipe_of(place, "cancelled", 200)
    before = teacher.referee()["requests"]
    run = api.start("distill/distill", {"recipe": recipe})
    teacher.wait_for("requests", before + 20, 120)
    api.call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})
    assert api.ends(run) == "Cancelled"
    stopped = teacher.referee()["requests"]
    teacher.switch(latency=0.0, concurrency=0)
    assert stopped < before + 200
    # Prefect says Cancelled once it has told the process; the process drains, commits and ends a little later.
    wait_until(lambda: not any(place.root.journal.rglob("*.journal*")), 60, "the segments are not committed")
    (ledger,) = place.sql(
        "select count(*) filter (where state = 'paid') as paid, count(*) filter (where state = 'maybe_paid') as maybe "
        "from attempts where dataset = 'cancelled'"
    )
    assert ledger["paid"] >= 8
    assert api.ends(api.start("distill/distill", {"recipe": recipe})) == "Completed"
    (funnel,) = place.sql("select wanted, answered from funnel where dataset = 'cancelled'")
    assert funnel["answered"] == funnel["wanted"]
    again = [
        row for row in teacher.questions(again=1) if row["answered"] > 1 and row["client_request_id"] != "preflight"
    ]
    assert len(again) <= ledger["maybe"]


@pytest.mark.long
def test_two_runs_of_one_dataset_do_not_overlap(place: Place, api: Api, teacher: SimulatedTeacher) -> None:
    teacher.switch(latency=0.5)
    recipe = recipe_of(place, "twice", 60)
    runs = [api.start("distill/distill", {"recipe": recipe}) for _ in range(2)]
    assert [api.ends(run) for run in runs] == ["Completed", "Completed"]
    spans = place.sql("select started_at, ended_at from runs where dataset = 'twice' order by started_at")
    assert len(spans) == 2
    assert spans[0]["ended_at"] <= spans[1]["started_at"]
