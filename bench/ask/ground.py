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

TICKS = os.sysconf("SC_CLK_TCK")


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


def ray_processes() -> dict[int, str]:
    """This process and every Ray worker below it (workers and authorities), by what they are."""
    mine, parents, names = os.getpid(), dict[int, int](), dict[int, str]()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            names[int(path.name)] = (path / "cmdline").read_text(errors="replace").split("\0")[0]
        except (FileNotFoundError, ProcessLookupError):
            continue

    def is_mine(pid: int) -> bool:
        while pid > 1 and pid != mine:
            pid = parents.get(pid, 0)
        return pid == mine

    found = {pid: name for pid, name in names.items() if name.startswith("ray::") and is_mine(pid)}
    return {mine: "driver", **found}


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used so far; 0 for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def ray_cpu() -> float:
    """CPU seconds so far of all of `ray_processes`."""
    return sum(cpu_s(pid) for pid in ray_processes())
