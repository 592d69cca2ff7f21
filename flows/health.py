"""`still doctor`: is everything here that a run needs? Each finding is one line with what to do."""

import importlib.metadata
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from prefect.settings import PREFECT_API_URL

from flows.settings import Settings
from tasks.right.registry import load_teachers
from warehouse.catalog import publish, transaction
from warehouse.errors import StillhouseError

LEAST_FREE_GB = 2.0
LIBRARIES = ("prefect", "ray", "httpx", "duckdb", "pyarrow", "tiktoken", "torch", "trl", "transformers", "datasets")


@dataclass(frozen=True)
class Finding:
    """One check's outcome."""

    subject: str
    well: bool
    finding: str


def examine(here: Settings) -> list[Finding]:
    """Run every check; none changes anything but that the data root's folders are made."""
    return [_python(), _libraries(), _data_root(here), _disk(here), _teachers(here), _prefect(), _ray(here), _gpu()]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    well = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Finding("python", well, version if well else f"{version}: Stillhouse runs on 3.11 to 3.13")


def _libraries() -> Finding:
    missing = [name for name in LIBRARIES if not _version(name)]
    if missing:
        return Finding(
            "libraries", False, f"missing: {', '.join(missing)}; run `make test`, which installs the lock file"
        )
    return Finding("libraries", True, ", ".join(f"{name} {_version(name)}" for name in LIBRARIES))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _data_root(here: Settings) -> Finding:
    try:
        root = here.root.create()
        with transaction(root, datetime.now(UTC)):
            pass
        publish(root)
    except (StillhouseError, OSError) as error:
        return Finding("data root", False, f"{here.root.path}: {error}")
    return Finding("data root", True, str(here.root.path))


def _disk(here: Settings) -> Finding:
    free = shutil.disk_usage(here.root.path if here.root.path.exists() else here.root.path.parent).free / 1e9
    advice = "" if free >= LEAST_FREE_GB else f": less than {LEAST_FREE_GB:.0f} GB; free some, or choose another --data"
    return Finding("disk", free >= LEAST_FREE_GB, f"{free:.1f} GB free{advice}")


def _teachers(here: Settings) -> Finding:
    try:
        known = load_teachers(here.teacher_folders)
    except StillhouseError as error:
        return Finding("teachers", False, str(error))
    return Finding("teachers", True, f"{len(known)} in {', '.join(str(folder) for folder in here.teacher_folders)}")


def _prefect() -> Finding:
    url = PREFECT_API_URL.value()
    if not url:
        return Finding(
            "prefect", True, "no PREFECT_API_URL: each run starts a server of its own, for as long as it runs"
        )
    try:
        httpx.get(f"{url.rstrip('/')}/health", timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        return Finding(
            "prefect", False, f"{url}: {error}; start it with `prefect server start`, or unset PREFECT_API_URL"
        )
    return Finding("prefect", True, url)


def _ray(here: Settings) -> Finding:
    import ray

    from flows.cluster import ray_cluster

    try:
        with ray_cluster(here):
            cpus = ray.cluster_resources().get("CPU", 0)
    except StillhouseError as error:
        return Finding("ray", False, str(error))
    return Finding("ray", True, f"{here.ray_address or 'started here'}, {cpus:.0f} CPUs")


def _gpu() -> Finding:
    from tasks.train.device import describe_device

    return Finding("gpu", True, describe_device())
