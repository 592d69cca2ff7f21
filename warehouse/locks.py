"""Locks of a data root: one `flock` a name, whose file says who holds it.

The kernel drops a `flock` when its holder dies, however it dies, so no lock is ever stale; the text in the
file is only there for the message. Lock files are never deleted: the lock of a deleted file and that of a
new one would not see each other.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from warehouse.errors import Busy, RunFailed
from warehouse.layout import DataRoot

_POLL = 0.02  # seconds between two tries
_PROBE = 0.1  # a look by `holder` takes a free lock for microseconds; `hold` outlasts that before it says busy


@contextmanager
def hold(root: DataRoot, name: str, purpose: str, now: datetime, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock `name` of this data root for a `with` block, across processes and threads.

    Waits up to `wait` seconds, then raises `Busy`, which names the holder. Not re-entrant: a second `hold`
    of the same name in one process waits like any other.
    """
    path = _lock_file(root, name)
    descriptor = _open(path)
    try:
        _acquire(descriptor, root, name, max(wait, _PROBE))
        _describe_holder(descriptor, purpose, now)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder(root: DataRoot, name: str) -> str | None:
    """Who holds the lock, as `pid 123 on host since ... (purpose)`; None when it is free."""
    path = _lock_file(root, name)
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        # A shared probe, so that two people who look at once do not take each other for a holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(path)
    else:
        return None
    finally:
        os.close(descriptor)


def _lock_file(root: DataRoot, name: str) -> Path:
    if not name or "/" in name or name.startswith("."):
        raise ValueError(f"a lock's name is one plain word, not {name!r}")
    return root.locks / f"{name}.lock"


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunFailed(f"cannot open the lock {path}: {error.strerror}: check who owns the data root") from error


def _acquire(descriptor: int, root: DataRoot, name: str, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                who = _read_holder(_lock_file(root, name))
                raise Busy(f"{name} of {root.path} is held by {who}: wait for it or stop it") from None
        time.sleep(_POLL)


def _describe_holder(descriptor: int, purpose: str, now: datetime) -> None:
    body = {"pid": os.getpid(), "host": socket.gethostname(), "purpose": purpose, "since": now.isoformat()}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(body).encode(), 0)


def _read_holder(path: Path) -> str:
    try:
        body = json.loads(path.read_text())
    except (OSError, ValueError):
        return "a process that has not said who it is"
    return f"pid {body['pid']} on {body['host']} since {body['since']} ({body['purpose']})"
