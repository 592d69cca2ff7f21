"""A Ray cluster of several nodes on this machine, each a process of its own that a test can kill with all it runs."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from asking_runs import ancestors
from still import free_port, wait_until

RAY = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
SMALL = ["--object-store-memory", str(2**27)]
START_S = 120.0


@dataclass
class Node:
    """One node: `ray start --block`, the raylet under it, and every worker under that."""

    process: "subprocess.Popen[bytes]"

    def processes(self) -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(FileNotFoundError, ProcessLookupError):
                if self.process.pid in ancestors(int(path.name)):
                    found.append(int(path.name))
        return found

    def named(self, title: str) -> list[int]:
        """Its processes with a title that begins so."""
        found = []
        for pid in self.processes():
            with suppress(FileNotFoundError, ProcessLookupError):
                if Path(f"/proc/{pid}/cmdline").read_text(errors="replace").startswith(title):
                    found.append(pid)
        return found

    def kill(self) -> None:
        """SIGKILL to everything that runs on it, as if its power had gone."""
        doomed = self.processes()
        for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first, so that none sees another one die
            for pid in doomed:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        self.process.wait()


@dataclass
class Nodes:
    """A head without any CPU, on which the driver is, and the nodes that do the work."""

    address: str
    log: Path
    running: list[Node]

    def add(self, cpus: int, *under: str) -> Node:
        """Start a node; `under` is a command that runs it. It may take a while until it is there."""
        more = ["--address", self.address, "--num-cpus", str(cpus), "--node-ip-address", "127.0.0.2", *SMALL]
        return self._start([*under, *RAY, *more])

    def find(self, title: str) -> list[int]:
        """The processes with a title that begins so, on whatever node."""
        return [pid for node in self.running for pid in node.named(title)]

    def kill_one(self, title: str) -> None:
        """SIGKILL to the one process with this title."""
        (pid,) = self.find(title)
        os.kill(pid, signal.SIGKILL)

    def _start(self, command: Sequence[str]) -> Node:
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self.running.append(Node(process))
        return self.running[-1]


@contextmanager
def ray_nodes(folder: Path) -> Iterator[Nodes]:
    port = free_port()
    nodes = Nodes(f"127.0.0.1:{port}", folder / "ray-nodes.log", [])
    head = ["--head", "--port", str(port), "--num-cpus", "0", "--include-dashboard", "false"]
    try:
        nodes._start([*RAY, *head, "--node-ip-address", "127.0.0.1", *SMALL])
        wait_until(lambda: "Ray runtime started" in nodes.log.read_text(), START_S, f"no head; see {nodes.log}")
        yield nodes
    finally:
        for node in nodes.running:
            node.kill()
