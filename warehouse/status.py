"""How far each dataset's run is: one small JSON file a dataset, replaced whole, read by `still status`."""

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from warehouse.errors import RunFailed
from warehouse.layout import DataRoot
from warehouse.parts import unwritable


def write_status(root: DataRoot, dataset: str, status: Mapping[str, object]) -> None:
    """Replace the dataset's status: readers see the old or the new one, never half. Times become text."""
    path = _status_file(root, dataset)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(dict(status), sort_keys=True, default=str))
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFailed(unwritable(path, error)) from error


def read_status(root: DataRoot, dataset: str) -> dict[str, object] | None:
    """The dataset's latest status; None when it never had one."""
    try:
        text = _status_file(root, dataset).read_text()
    except FileNotFoundError:
        return None
    status: dict[str, object] = json.loads(text)
    return status


def all_status(root: DataRoot) -> dict[str, dict[str, object]]:
    """The latest status of every dataset, by name."""
    names = sorted(path.stem for path in root.status.glob("*.json") if not path.name.startswith("."))
    found = {name: read_status(root, name) for name in names}
    return {name: status for name, status in found.items() if status is not None}


def _status_file(root: DataRoot, dataset: str) -> Path:
    if not dataset or "/" in dataset or dataset.startswith("."):
        raise ValueError(f"a dataset's name is one plain word, not {dataset!r}")
    return root.status / f"{dataset}.json"
