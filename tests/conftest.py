"""Fixtures that every station shares: an empty data root, and a process that plays the teacher."""

from pathlib import Path

import pytest

from flows.settings import quiet_dependencies
from warehouse.layout import DataRoot

quiet_dependencies()


@pytest.fixture
def data_root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path / "data").create()
