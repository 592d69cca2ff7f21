"""Where `still` is run here: a place whose runs share one Ray, as this is not about Ray."""

from pathlib import Path

import pytest
from still import Place


@pytest.fixture
def place(tmp_path: Path, prefect_url: str, ray_address: str) -> Place:
    return Place(tmp_path, prefect_url, ray_address)
