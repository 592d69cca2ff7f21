"""Fixtures that every station shares: an empty data root, and a process that plays the teacher."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from simulated import SimulatedTeacher
from still import Place, running_ray, shared_prefect_server, wait_until

from flows.cluster import ray_cluster  # and with it the switches that Ray and Prefect read when they are imported
from flows.settings import Settings
from tasks.gym import stand_in_for_solver
from warehouse.layout import DataRoot

settings.register_profile("repeatable", derandomize=True)  # a red run is red again; new examples come with new code
settings.load_profile("repeatable")

stand_in_for_solver()  # tests import reasoning-gym by its own name


@pytest.fixture
def data_root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path / "data").create()


@pytest.fixture(scope="session")
def shared_teacher() -> Iterator[SimulatedTeacher]:
    with SimulatedTeacher() as running:
        yield running


@pytest.fixture
def teacher(shared_teacher: SimulatedTeacher) -> Iterator[SimulatedTeacher]:
    """One process for all tests; each finds its switches and counts as they were at the start, and nobody else's
    request in a slot: a server goes on with what a client has given up."""
    before = shared_teacher.call("GET", "/referee/switches")[1]
    wait_until(lambda: shared_teacher.referee()["in_flight"] == 0, 40, "the teacher still has requests in flight")
    shared_teacher.reset()
    yield shared_teacher
    shared_teacher.switch(**before)


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """One real Prefect server for all tests that run the line, in whichever process of this test run."""
    folder = tmp_path_factory.getbasetemp()
    with shared_prefect_server((folder if worker_id == "master" else folder.parent) / "prefect") as url:
        yield url


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """One Ray for all tests that run the line and are not about Ray: the way it is used with a cluster."""
    with running_ray() as address:
        yield address


@pytest.fixture(scope="module")
def cluster(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """This process connected to that Ray, as a run's is, for the tests of one file."""
    with ray_cluster(Settings(DataRoot(tmp_path_factory.mktemp("cluster")), (), ray_address, workers=1)):
        yield


@pytest.fixture
def place(tmp_path: Path, prefect_url: str) -> Place:
    """A folder in which `still` can be run."""
    return Place(tmp_path, prefect_url)
