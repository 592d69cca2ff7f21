"""Ray for one run: a cluster that is there already, or one on this machine that ends with the run."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from flows.settings import Settings
from warehouse.errors import RunFailed


@contextmanager
def ray_cluster(here: Settings) -> Iterator[None]:
    """Connect to `here.ray_address`, or to a Ray started for this run; leave it as it was found.

    Raises:
        RunFailed: Ray cannot be reached or started.
    """
    if ray.is_initialized():
        yield
    elif here.ray_address:
        with _connected(here.ray_address):
            yield
    else:
        with _own_ray(here) as address, _connected(address):
            yield


@contextmanager
def _connected(address: str) -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING, namespace="stillhouse")
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        raise RunFailed(f"Ray cannot be reached at {address}: {error}; start it, or run `still doctor`") from error
    if threading.current_thread() is threading.main_thread():
        # Ray puts a handler of its own in place that ends the process at once; whoever was to hear of it still is.
        signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _own_ray(here: Settings) -> Iterator[str]:
    """A Ray on this machine that ends when this process does, however it ends; yields its address."""
    command = [sys.executable, "-m", "flows.ray_host"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as host:
        said = host.stdout.readline() if host.stdout else ""
        if not said.startswith("{"):
            raise RunFailed(f"Ray could not be started on this machine (exit {host.wait()}); run `still doctor`")
        found = json.loads(said)
        _link(here.root.logs / "ray", Path(found["session"]) / "logs")
        yield found["address"]


def _link(link: Path, target: Path) -> None:
    """Ray's own folder must have a short path (its sockets allow 107 bytes), so the data root links to its logs."""
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f".{link.name}-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
