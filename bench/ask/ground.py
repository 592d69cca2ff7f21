"""What the measurements of asking stand on: the project on the path, a Ray, the machine in words."""

import logging
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ASKING = ("ray::ask", "ray::IDLE", "ray::QuotaAuthority", "ray::SpendAuthority")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from flows.settings import quiet_dependencies  # noqa: E402

quiet_dependencies()
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


@dataclass(frozen=True)
class Cpu:
    """Seconds of CPU so far, less what looking at them has cost."""

    asking: float
    """Of workers and authorities, with those that are idle."""
    whole: float
    """And of the driver and Ray's agent."""


_looking = 0.0


def ray_cpu() -> Cpu:
    """Of all of `ray_processes`."""
    global _looking
    began = time.process_time()
    each = ray_processes()
    asking = sum(one.own_s for one in each if one.command.startswith(ASKING))
    whole = sum(one.own_s for one in each) - _looking
    _looking += time.process_time() - began
    return Cpu(asking, whole)
