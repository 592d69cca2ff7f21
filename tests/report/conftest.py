"""One judged data root for all tests of the report and of `still show`."""

import fcntl
import os

import pytest
from report.judged_root import make_with_own_ray

from warehouse.layout import DataRoot


@pytest.fixture(scope="session")
def judged_root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Made by the first process that wants it, where several run tests: each has a folder under the same one."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "report"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            make_with_own_ray(folder / "data")
            (folder / "made").touch()
    return DataRoot(folder / "data")
