"""The other side of `checker.py`: start it when first needed, ask it, kill it when it is late."""

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, Literal

CPU_S = 3.0
"""CPU seconds for one check. math-verify takes 2 ms as a rule; what takes a thousand times that is made to
hang."""
WALL_S = 60.0
"""Wall seconds after which a check that burns no CPU is given up."""


class CheckProcess:
    """One checker process, started when first asked; safe to use from several threads, one check at a
    time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The checker's reply; where it died or was late, an undecided one that says so."""
        with self._lock:
            process = self._running()
            line = json.dumps({**request, "cpu_s": CPU_S}).encode() + b"\n"
            try:
                reply = self._exchanged(process, line)
            except BrokenPipeError:
                reply = b""
            if reply.endswith(b"\n"):
                answer: dict[str, Any] = json.loads(reply)
                return answer
            return self._ended(process)

    def close(self) -> None:
        """End the process, if one runs."""
        with self._lock:
            if self._process is not None and self._owner == os.getpid():
                self._ended(self._process)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._owner != os.getpid():  # a forked child must not share the parent's pipes
            command = [
                "/usr/bin/env",
                "OPENBLAS_NUM_THREADS=1",
                sys.executable,
                "-P",
                "-m",
                "tasks.judge.checker",
            ]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self._owner = os.getpid()
        return self._process

    def _exchanged(self, process: "subprocess.Popen[bytes]", line: bytes) -> bytes:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(line)
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], WALL_S)
        return process.stdout.readline() if ready else b""

    def _ended(self, process: "subprocess.Popen[bytes]") -> dict[str, Any]:
        """Kill what still runs, forget it, and say what its end means for the check that it was doing."""
        assert process.stdin is not None and process.stdout is not None
        late = not select.select([process.stdout], [], [], 0)[0]  # at its end a process closes its output
        if late:
            process.kill()
        process.stdout.close()
        status = process.wait()
        with contextlib.suppress(BrokenPipeError):  # what was still to be written has nobody to read it
            process.stdin.close()
        self._process = None
        return _why("late" if late else status)


def _why(status: int | Literal["late"]) -> dict[str, Any]:
    if status in ("late", -signal.SIGPROF):
        return {
            "score": None,
            "code": "check_timeout",
            "details": f"checking took more than {CPU_S:g} s of CPU time",
        }
    return {
        "score": None,
        "code": "check_failed",
        "details": f"the checking process ended with status {status}",
    }


shared = CheckProcess()
"""The process of this worker: verdicts ask it one at a time."""
atexit.register(shared.close)
