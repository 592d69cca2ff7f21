"""Which sandbox this machine has, and running code that nobody has read in it.

Three are known: bubblewrap, Linux namespaces (`unshare` of util-linux), and Landlock; the first that holds is
used, and none means that nothing is run. In each of them runs one server (`inside/server.py`), started when first
needed, and it forks a child for every snippet, with the same limits and the same seccomp filter whichever it is.
"Holds" is not believed but tried: a probe in the sandbox must fail to open a socket, to read a file outside, to
start a process, to signal another, and to leave something behind for the next snippet.

A snippet reads the interpreter's standard library and the system's libraries, writes to an empty file system of
its own, and sees no environment, no user's file, no network and no other process. What this does not keep out:
faults of the kernel, and code that reads its own tests, which run in the same interpreter; tests by standard
input and output are compared outside.
"""

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.judge.isolation import CANDIDATES, Candidate, interpreter, spare_user, visible_files

End = Literal["finished", "error", "left", "cpu", "asleep", "starved", "disk", "killed", "failed", "none"]
_ROOT = Path(__file__).parents[2]
_START_S = 30.0
_MEMORY = "/dev/shm"  # where a folder of many small files costs no disk


@dataclass(frozen=True)
class Limits:
    """What one snippet may use at most."""

    cpu_s: int = 5
    wall_s: float = 10.0
    """After which one that does not compute is killed."""
    wall_most_s: float = 60.0
    """After which any is killed: one that still had not its `cpu_s` shared the processor with too many."""
    memory_bytes: int = 512 * 2**20
    """Of address space."""
    disk_bytes: int = 64 * 2**20
    file_bytes: int = 16 * 2**20
    """Of one file, its standard output included."""
    output_bytes: int = 64 * 2**10
    """Read of its standard output; the rest is discarded."""
    open_files: int = 64
    threads: int = 64


@dataclass(frozen=True)
class Ran:
    """How a snippet ended."""

    end: End
    """finished: to its end, tests and all; error: by an exception; left: by an exit that its tests do not survive;
    cpu, asleep, disk: over a limit; killed: by a signal. Not its own fault: starved (by the machine), failed (the
    sandbox), none (there is no sandbox, and it did not run)."""
    said: str = ""
    """One line: the exception and where, or what went wrong."""
    stdout: str = ""
    printed: int = 0
    """Bytes of standard output, of which `stdout` may be the beginning."""
    cpu_s: float = 0.0
    sandbox: str | None = None


class Sandbox:
    """One sandbox and its server, started when first asked; safe to use from several threads, one snippet at
    a time."""

    def __init__(
        self, candidates: Sequence[Candidate] = CANDIDATES, files: Mapping[str, list[str]] | None = None
    ) -> None:
        """`files` are shown in place of `visible_files()`; a sandbox that shows too much does not hold."""
        self._lock = threading.Lock()
        self._candidates = tuple(candidates)
        self._files = files
        self._chosen: Candidate | None = None
        self._why: list[str] = []
        self._server: _Server | None = None

    def run(self, code: str, tests: str | None = None, stdin: str = "", limits: Limits | None = None) -> Ran:
        """Run `code` and then `tests` in its module, or `code` alone as a program that reads `stdin`.

        Never raises on what the code is or does; takes at most `limits.wall_most_s` and a little.
        """
        with self._lock:
            if self._chosen is None and not self._choose():
                return Ran("none", f"no sandbox holds on this machine: {'; '.join(self._why) or 'none was tried'}")
            return self._ran(code, tests, stdin, limits or Limits())

    @property
    def name(self) -> str | None:
        """Of the sandbox in use; None before the first run, and where there is none."""
        return self._chosen.name if self._chosen else None

    def close(self) -> None:
        """End the server, if one runs."""
        with self._lock:
            self._stop()

    def _choose(self) -> bool:
        """Try each candidate, once in this process, and keep the first that holds."""
        while self._candidates:
            candidate, self._candidates = self._candidates[0], self._candidates[1:]
            self._chosen = candidate
            fault = self._fault()
            if fault is None:
                return True
            self._why.append(f"{candidate.name}: {fault}")
            self._chosen = None
            self._stop()
        return False

    def _fault(self) -> str | None:
        """Why the chosen sandbox is none; None where it holds."""
        with tempfile.NamedTemporaryFile("w", prefix="stillhouse-", suffix=".txt") as outside:
            outside.write("a file that is not for snippets")
            outside.flush()
            tried = _PROBE.format(outside=outside.name, judge=__file__, parent=os.getpid())
            for _ in range(2):  # the second looks for what the first has left
                ran = self._ran(tried, None, "", Limits())
                if (ran.end, ran.stdout) != ("finished", "holds\n"):
                    return ran.said or f"the probe ended {ran.end}: {ran.stdout[:2000].strip()}"
        return None

    def _ran(self, code: str, tests: str | None, stdin: str, limits: Limits) -> Ran:
        assert self._chosen is not None
        try:
            server = self._running(self._chosen)
            request = {"code": code, "tests": tests, "stdin": stdin, "counts_threads": server.user != 0}
            reply = server.ask({**request, **asdict(limits)}, limits.wall_most_s + _START_S)
        except (OSError, ValueError) as error:
            self._stop()
            return Ran("failed", f"the sandbox {self._chosen.name} failed: {error}", sandbox=self._chosen.name)
        return _read(reply, self._chosen.name, limits)

    def _running(self, candidate: Candidate) -> "_Server":
        if self._server is None or self._server.owner != os.getpid():  # a forked child must not share the pipes
            self._server = _Server(candidate, self._files or visible_files())
        return self._server

    def _stop(self) -> None:
        if self._server is not None and self._server.owner == os.getpid():
            self._server.close()
        self._server = None


_PROBE = """
import ctypes, os, signal, socket, sys, unittest
def allowed(name, call, *args):
    try:
        call(*args)
    except (OSError, KeyError):
        return
    print("it may", name)
allowed("open a socket", socket.socket)
allowed("read a file outside", open, {outside!r})
allowed("read the judge's code", open, {judge!r})
allowed("read who uses the machine", open, "/etc/passwd")
allowed("read /proc", os.listdir, "/proc/self")
allowed("start a process", os.fork)
allowed("signal all", os.kill, -1, 0)
allowed("signal its parent", os.kill, os.getppid() or 1, 0)
allowed("signal the judge", os.kill, {parent}, 0)
allowed("write outside", open, "/usr/lib/stillhouse-probe", "w")
allowed("see an environment", os.environ.__getitem__, "PATH")
allowed("see what another left", open, "left")
open("left", "w").write("for the next")
print("holds")
"""


def _read(reply: Mapping[str, Any], sandbox: str, limits: Limits) -> Ran:
    signalled = os.WTERMSIG(reply["status"]) if os.WIFSIGNALED(reply["status"]) else 0
    said = " ".join(reply["said"].split())
    end: End
    if not reply["started"]:
        said = said or f"status {reply['status']}"
        end, said = "failed", f"the sandbox {sandbox} could not be entered: {said}"
    elif reply["killed"]:
        end = reply["killed"]
    elif signalled == signal.SIGXCPU or (signalled == signal.SIGKILL and reply["cpu_s"] >= limits.cpu_s):
        end = "cpu"
    elif signalled:
        end, said = "killed", f"it died of signal {signalled}"
    elif reply["finished"]:
        end, said = "finished", ""
    else:
        end, said = ("error", said) if said else ("left", "it left before its tests had passed")
    if said.startswith("it left "):
        end = "left"
    return Ran(end, said, reply["stdout"], reply["printed"], reply["cpu_s"], sandbox)


class _Server:
    """The process inside, by its pipes. OSError where it does not start, is late, or has ended."""

    def __init__(self, candidate: Candidate, files: Mapping[str, list[str]]) -> None:
        before = candidate.command(files)
        if before is None:
            raise OSError("not installed")
        self.owner = os.getpid()
        self.user = spare_user() if candidate.how != "landlock" else 0
        memory = _MEMORY if candidate.how == "landlock" and os.access(_MEMORY, os.W_OK) else None
        self._scratch = tempfile.mkdtemp(prefix="stillhouse-sandbox-", dir=memory)
        given = json.dumps([candidate.how, self._scratch, self.user, os.readlink("/proc/self/ns/mnt"), files])
        start = (
            f"import json, sys; sys.path.insert(0, {str(_ROOT)!r}); from tasks.judge.inside.server import main;"
            " del sys.path[0]; main(*json.loads(sys.argv[1]))"
        )
        program = [interpreter(), "-I", "-S", "-B", "-X", "utf8", "-c", start, given]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the server
        self._process = subprocess.Popen(
            [*before, *program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env={}, start_new_session=True,
        )  # fmt: skip
        try:
            self._reply(_START_S)
        except OSError:
            self.close()
            raise
        if candidate.how != "landlock":
            os.rmdir(self._scratch)  # it has moved to its own root; a killed judge then leaves nothing behind

    def ask(self, request: Mapping[str, Any], wait_s: float) -> dict[str, Any]:
        """The server's answer to one request."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self._reply(wait_s)

    def _reply(self, wait_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], wait_s)[0]:
            raise OSError(f"no answer in {wait_s:g} s")
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise OSError(f"its server ended with status {self._process.wait()}: {self._last_error()}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _last_error(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):  # what was still to be written has nobody to read it
            self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()
        subprocess.run(["rm", "-rf", "--", self._scratch], check=False)


shared = Sandbox()
"""The sandbox of this worker: verdicts ask it one at a time."""
atexit.register(shared.close)
