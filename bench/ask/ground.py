"""What the measurements of asking stand on: the project on the path, a Ray, the machine in words."""

import logging
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from flows.settings import quiet_dependencies  # noqa: E402

quiet_dependencies()
# Ray ends idle processes above its CPUs after a second, and with them goes what they have spent: they are to stay.
os.environ.update(RAY_kill_idle_workers_interval_ms="0")
logging.disable(logging.WARNING)

import ray  # noqa: E402
from race.processes import Process, processes, tree  # noqa: E402


def machine() -> str:
    """One line on what the figures were measured on."""
    load = os.getloadavg()[0]
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f} before"


@contextmanager
def local_ray() -> Iterator[None]:
    """A Ray of two cores, which is gone afterwards."""
    ray.init(
        "local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**27,
        logging_level=logging.ERROR, namespace="bench",
    )  # fmt: skip
    try:
        yield
    finally:
        ray.shutdown()


def ray_processes() -> list[Process]:
    """This process and every Ray worker below it (workers and authorities)."""
    return [one for one in tree(os.getpid(), processes()) if one.pid == os.getpid() or one.command.startswith("ray::")]


def ray_cpu() -> float:
    """CPU seconds so far of all of `ray_processes`."""
    return sum(one.own_s for one in ray_processes())
