"""The server inside the sandbox: started once, it forks a confined child for every snippet.

One JSON request a line on its input, one JSON answer a line on its output. A child gets a file system of its
own, limits, no capability, Landlock where the kernel has it, and a seccomp filter; only then does it see a
character of the snippet. One child runs at a time, and nothing of it is left when the next one starts. The
other side is `tasks/judge/sandbox.py`.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
import types
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from tasks.judge.inside import confine, seccomp

Request = dict[str, Any]
_IMPORTED = (
    "abc", "array", "bisect", "cmath", "collections", "contextlib", "copy", "dataclasses", "datetime", "decimal",
    "enum", "fractions", "functools", "heapq", "itertools", "json", "math", "numbers", "operator", "queue", "random",
    "re", "statistics", "string", "textwrap", "threading", "typing",
)  # fmt: skip
_SAID = 600
_TICK_S = 0.02
_MOST_FILES, _DEEPEST = 4096, 100


class Place:
    """Where snippets run: made once, emptied after each."""

    def __init__(self, how: str, scratch: str, user: int, outside: str, files: Mapping[str, list[str]]) -> None:
        self.user = user
        self._mounts = how != "landlock"
        if self._mounts and os.path.exists("/proc/self/ns/mnt") and os.readlink("/proc/self/ns/mnt") == outside:
            raise OSError("it is not in a namespace of its own, and must not mount anything")
        if how == "namespaces":
            confine.change_root(scratch, files["readable"], files["masked"], files["devices"])
        self.work = "/tmp" if self._mounts else os.path.join(scratch, "work")
        if not self._mounts:
            os.mkdir(self.work, 0o700)
        self._files = files
        self._has_landlock = not self._mounts or confine.landlock_version() >= confine.NEEDED_LANDLOCK
        self._rules: int | None = None if self._mounts else self._ruled()
        confine.bound_capabilities()
        seccomp.program(os.uname().machine, os.getpid())  # built here, once
        self._null = os.open(os.devnull, os.O_RDWR)

    def _ruled(self) -> int | None:
        """Where files are masked by mounts, Landlock is a second wall; its rules then hold for one mount of
        /tmp, as a rule on the folder below a mount counts for nothing."""
        if not self._has_landlock:
            return None
        masked = [] if self._mounts else self._files["masked"]
        return confine.landlock_rules(self._files["readable"], masked, [self.work, *self._files["devices"]])

    @contextlib.contextmanager
    def fresh(self, disk_bytes: int) -> Iterator[None]:
        """An empty file system for one snippet, gone afterwards."""
        if not self._mounts:
            yield
            self._empty()
            return
        confine.mount_fresh("/tmp", disk_bytes, self.user if os.getuid() == 0 else os.getuid())
        try:
            yield
        finally:
            confine.unmount("/tmp")

    def _empty(self) -> None:
        """By rm, as folders may be nested deeper than Python can go."""
        names = [f"./{name}" for name in os.listdir(self.work)]
        if names:
            subprocess.run(["chmod", "-R", "u+rwx", "."], cwd=self.work, check=False, stderr=subprocess.DEVNULL)
        for at in range(0, len(names), 200):
            subprocess.run(["rm", "-rf", *names[at : at + 200]], cwd=self.work, check=True)

    def too_full(self, disk_bytes: int) -> bool:
        """Where no file system bounds it: whether the files take more than this, are more than 4,096, or lie
        deeper than 100 folders, where they could not be counted."""
        if self._mounts:
            return False
        taken = count = 0
        folders = [(self.work, 0)]
        while folders:
            folder, depth = folders.pop()
            for entry in _listed(folder):
                with contextlib.suppress(FileNotFoundError):
                    taken += entry.stat(follow_symlinks=False).st_blocks * 512
                count += 1
                if taken > disk_bytes or count > _MOST_FILES or depth > _DEEPEST:
                    return True
                if entry.is_dir(follow_symlinks=False):
                    folders.append((entry.path, depth + 1))
        return False

    @property
    def tick_s(self) -> float | None:
        return None if self._mounts else _TICK_S

    def enter(self, stdin: int, stdout: int, said: int, ready: int, limits: Mapping[int, int]) -> int:
        """Confine this process, which is a fresh child; the descriptor to report on. OSError where it fails."""
        confine.end_with_parent()
        os.setsid()
        os.chdir(self.work)
        for target, descriptor in enumerate((stdin, stdout, self._null)):
            os.dup2(descriptor, target)
        kept = sorted({said, ready, *([self._rules] if self._rules is not None else [])})
        for low, high in zip([2, *kept], [*kept, 4096], strict=True):
            os.closerange(low + 1, high)
        if self.user and self._mounts:
            confine.become(self.user)
        confine.limit(limits)
        confine.drop_capabilities()
        confine.no_new_privileges()
        if (rules := self._ruled() if self._mounts else self._rules) is not None:
            confine.landlock(rules)
            os.close(rules)
        confine.filter_calls()
        return said


def _listed(folder: str) -> Iterator[os.DirEntry[str]]:
    """What is in a folder that may vanish, or be closed, while it is read."""
    with contextlib.suppress(FileNotFoundError, PermissionError), os.scandir(folder) as entries:
        yield from entries


def limits_of(request: Request) -> dict[int, int]:
    limits = {
        resource.RLIMIT_CPU: int(request["cpu_s"]),
        resource.RLIMIT_AS: request["memory_bytes"],
        resource.RLIMIT_FSIZE: request["file_bytes"],
        resource.RLIMIT_NOFILE: request["open_files"],
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: 64,
    }
    return limits | ({resource.RLIMIT_NPROC: request["threads"]} if request["counts_threads"] else {})


def answered(place: Place, request: Request) -> dict[str, Any]:
    """Run one snippet and say how it ended."""
    stdin, stdout, said = (os.memfd_create(name, os.MFD_CLOEXEC) for name in ("stdin", "stdout", "said"))
    seen, ready = os.pipe()
    token = os.urandom(16)
    try:
        os.write(stdin, request["stdin"].encode("utf-8", "replace"))
        os.lseek(stdin, 0, os.SEEK_SET)
        with place.fresh(request["disk_bytes"]):
            child = os.fork()
            if child == 0:
                _child(place, request, stdin, stdout, said, ready, token)
            os.close(ready)
            ended = _waited(place, child, request)
        started = os.read(seen, 1) == b"1"
        report = os.pread(said, 16 + _SAID * 4, 0)
        finished = report[:16] == token
        printed = os.fstat(stdout).st_size
        return ended | {
            "started": started,
            "finished": finished,
            "said": (report[16:] if finished else report).decode("utf-8", "replace")[:_SAID],
            "stdout": os.pread(stdout, request["output_bytes"], 0).decode("utf-8", "replace"),
            "printed": printed,
        }
    finally:
        for descriptor in (stdin, stdout, said, seen):
            os.close(descriptor)


def _waited(place: Place, child: int, request: Request) -> dict[str, Any]:
    """Wait for the child, and kill it when it is late: asleep after `wall_s`, or at `wall_most_s` in any
    case, which a process that computes reaches only where others take the processor from it."""
    started = time.monotonic()
    ending = os.pidfd_open(child)
    killed = ""
    try:
        watch = select.poll()
        watch.register(ending, select.POLLIN)
        while not killed:
            passed = time.monotonic() - started
            due = request["wall_s"] if passed < request["wall_s"] else request["wall_most_s"]
            wait_s = min(max(due - passed, 0.05), place.tick_s or due)
            if watch.poll(wait_s * 1000):
                break
            passed = time.monotonic() - started
            if place.too_full(request["disk_bytes"]):
                killed = "disk"
            elif passed >= request["wall_most_s"]:
                killed = "starved"
            elif passed >= request["wall_s"] and _cpu_s(child) < 0.02 * passed:
                killed = "asleep"
        if killed:
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(ending)
    _, status, usage = os.wait4(child, 0)
    return {"status": status, "killed": killed, "cpu_s": usage.ru_utime + usage.ru_stime}


def _cpu_s(pid: int) -> float:
    """CPU seconds of another process, by its clock (clock_getcpuclockid(3): ~pid << 3 | CPUCLOCK_SCHED)."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:  # it has just ended
        return float("inf")


def _child(place: Place, request: Request, stdin: int, stdout: int, said: int, ready: int, token: bytes) -> NoReturn:
    status = 1
    try:
        is_program = request["tests"] is None
        report = place.enter(stdin, stdout if is_program else place._null, said, ready, limits_of(request))
        os.write(ready, b"1")
        os.close(ready)
        status = _run(request["code"], request["tests"], report, token)
    except OSError as error:
        os.write(said, f"{error}".encode())
    finally:
        os._exit(status)


def _run(code: str, tests: str | None, report: int, token: bytes) -> int:
    """The snippet and then its tests, in a module of their own; 0 and the token where they ended."""
    write, done = os.write, b"".join((token, b"ended"))
    module = types.ModuleType("__main__" if tests is None else "snippet")
    for name in [name for name in sys.modules if name.split(".")[0] == "tasks"]:
        del sys.modules[name]
    sys.modules[module.__name__] = module
    sys.argv = ["snippet"]
    sys.stdin = open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    try:
        for name, text in (("code", code), ("tests", tests or "")):
            exec(compile(text, f"<{name}>", "exec", dont_inherit=True), module.__dict__)
        _leave(tests)
    except SystemExit as end:
        return _left(end, tests, report, done)
    except BaseException as error:  # noqa: BLE001 - whatever a snippet raises is what is asked for
        write(report, _described(error, {"<code>": code, "<tests>": tests or ""}).encode("utf-8", "replace"))
        return 1
    write(report, done)
    return 0


def _leave(tests: str | None) -> None:
    """As an interpreter ends: a program's threads are waited for, and what it printed is written."""
    for thread in threading.enumerate() if tests is None else ():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    sys.stdout.flush()


def _left(end: SystemExit, tests: str | None, report: int, done: bytes) -> int:
    """A program may end by sys.exit(); tests that were left so did not pass."""
    if tests is None and end.code in (None, 0):
        _leave(tests)
        os.write(report, done)
        return 0
    left = "before its tests had passed" if tests is not None else f"with status {end.code!r}"
    os.write(report, f"it left by sys.exit() {left}".encode("utf-8", "replace"))
    return 1


def _described(error: BaseException, sources: Mapping[str, str]) -> str:
    """One line: the error, and the last line of the snippet or the tests that it came through."""
    try:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    except BaseException:  # noqa: BLE001 - the snippet's own __str__
        said = type(error).__name__
    frames = [f for f in traceback.extract_tb(error.__traceback__, limit=-50) if f.filename in sources]
    if not frames:
        return said[:_SAID]
    number, name = frames[-1].lineno or 0, frames[-1].filename
    lines = sources[name].splitlines()
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    return f"{said[: _SAID // 2]} (line {number} of the {name.strip('<>')}: {line[:200]})"


def main(how: str, scratch: str, user: int, outside: str, files: Mapping[str, list[str]]) -> None:
    """Serve until the input ends."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as first_to_go:
        first_to_go.write("1000")
    for name in _IMPORTED:
        importlib.import_module(name)
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    place = Place(how, scratch, user, outside, files)
    os.dup2(place._null, 0)
    os.dup2(2, 1)
    gc.collect()
    gc.freeze()
    replies.write("{}\n")
    replies.flush()
    for line in requests:
        replies.write(json.dumps(answered(place, json.loads(line))) + "\n")
        replies.flush()
    if how == "landlock":
        shutil.rmtree(scratch, ignore_errors=True)
