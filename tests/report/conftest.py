"""One judged data root for all tests of the report and of `still show`."""

import pytest
from report.judged_root import make_with_own_ray

from warehouse.layout import DataRoot


@pytest.fixture(scope="session")
def judged_root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return make_with_own_ray(tmp_path_factory.mktemp("report") / "data")
