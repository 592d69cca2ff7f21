"""The data root that recalls are drilled on; each test works on a copy."""

import pytest
from recall.drilled import Drill, drill


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Drill:
    return drill(tmp_path_factory.mktemp("drill"))
