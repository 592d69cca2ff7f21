"""Ray for one run: a cluster that is there already, or one on this machine that ends with the run."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from flows.settings import Settings
from warehouse.errors import RunFailed

OBJECT_STORE_BYTES = 256 * 1024**2
"""References travel through Ray, never rows, so its object store stays small."""


@contextmanager
def ray_cluster(here: Settings) -> Iterator[None]:
    """Connect to `here.ray_address`, or start a local Ray; leave it as it was found.

    Raises:
        RunFailed: Ray cannot be reached or started.
    """
    if ray.is_initialized():
        yield
        return
    connect(here)
    try:
        yield
    finally:
        ray.shutdown()


def connect(here: Settings) -> None:
    """Initialise Ray in this process; its logs are linked from the data root's `logs/ray`."""
    local = {} if here.ray_address else {
        "num_cpus": max(2, os.cpu_count() or 2),
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
    }  # fmt: skip
    try:
        context = ray.init(
            address=here.ray_address or "local",
            log_to_driver=False,
            logging_level=logging.WARNING,
            namespace="stillhouse",
            **local,
        )
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        where = here.ray_address or "this machine"
        raise RunFailed(f"Ray could not be started on {where}: {error}; run `still doctor`") from error
    if not here.ray_address:
        _link(here.root.logs / "ray", Path(context.address_info["session_dir"]) / "logs")


def _link(link: Path, target: Path) -> None:
    """Ray's own folder must have a short path (its sockets allow 107 bytes), so the data root links to its logs."""
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f".{link.name}-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
