"""Runs `still` as its users do: a process of its own, with a data root, a recipe and a Prefect server."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fcntl import LOCK_EX, LOCK_SH, flock
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import yaml

from warehouse.layout import DataRoot
from warehouse.query import run_query

BIN = Path(sys.executable).parent
OPENER = build_opener(ProxyHandler({}))


def hears_ctrl_c() -> None:
    """A shell's background job ignores SIGINT, and so do its children, unless they are told otherwise."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Poll until `condition` returns something true; TimeoutError names `what` otherwise."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise TimeoutError(f"after {seconds} s: {what}")


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """A real Prefect server on loopback; yields its API URL."""
    url = f"http://127.0.0.1:{free_port()}/api"
    home.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PREFECT_HOME": str(home), "PREFECT_API_URL": url}
    port = url.rsplit(":", 1)[1].removesuffix("/api")
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(
            [BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", port],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            wait_until(lambda: _answers(f"{url}/health"), 180, f"Prefect does not answer; see {log.name}")
            yield url
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=60)


@contextmanager
def shared_prefect_server(folder: Path) -> Iterator[str]:
    """The same for all processes that name this folder: starting one takes more CPU time than most tests do."""
    folder.mkdir(exist_ok=True)
    with (folder / "users").open("a") as users:
        flock(users, LOCK_SH)
        with (folder / "starting").open("a") as starting:
            flock(starting, LOCK_EX)
            if not (folder / "url").exists():
                subprocess.run([sys.executable, Path(__file__).with_name("prefect_host.py"), folder], check=True)
                wait_until((folder / "url").exists, 200, f"Prefect does not start; see {folder}/server.log")
        yield (folder / "url").read_text()


def _answers(url: str) -> bool:
    try:
        with OPENER.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


@contextmanager
def running_ray() -> Iterator[str]:
    """A Ray on this machine, as `still run` starts one; yields its address."""
    command = [sys.executable, "-m", "flows.ray_host"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as host:
        assert host.stdout is not None
        yield str(json.loads(host.stdout.readline())["address"])


@dataclass(frozen=True)
class Place:
    """A folder with a data root, a registry entry for one teacher, and recipes."""

    folder: Path
    prefect_url: str
    ray_address: str = ""
    """Of a Ray that is there already; empty: each run starts one of its own."""

    @property
    def root(self) -> DataRoot:
        return DataRoot(self.folder / "data")

    @property
    def with_own_ray(self) -> "Place":
        """The same, where each run starts a Ray of its own, which ends with it: what a user has without a cluster."""
        return replace(self, ray_address="")

    def write_teacher(self, base_url: str, **fields: object) -> None:
        """The simulated teacher's entry for this port; `fields` go over it, None takes one away."""
        entry = {"name": "simulated", "base_url": base_url, "model": "simulated-teacher", "simulated": True, **fields}
        (self.folder / "teachers").mkdir(parents=True, exist_ok=True)
        path = self.folder / "teachers" / f"{entry['name']}.yaml"
        path.write_text(yaml.safe_dump({name: value for name, value in entry.items() if value is not None}))

    def write_recipe(self, problems: list[dict[str, object]], name: str = "recipe", **fields: object) -> Path:
        """A recipe over these problems (prompt, reference); `fields` are laid over the defaults."""
        (self.folder / f"{name}.jsonl").write_text("".join(json.dumps(problem) + "\n" for problem in problems))
        recipe = {
            "dataset": "sums",
            "prompts": {
                "source": f"{name}.jsonl",
                "columns": {"prompt": "prompt", "reference": "reference"},
                "verifier": "numeric",
                "license": "CC0-1.0",
            },
            "teachers": ["simulated"],
            "sampling": {"max_tokens": 256},
            "publish": {"validation_fraction": 0.1},
            **fields,
        }
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(recipe))
        return path

    def start(self, *arguments: object) -> "subprocess.Popen[str]":
        """Start `still` with these arguments, on this place's data root and registry."""
        environment = {
            **os.environ,
            "PREFECT_API_URL": self.prefect_url,
            "STILLHOUSE_DATA": str(self.root.path),
            "STILLHOUSE_TEACHERS": str(self.folder / "teachers"),
            "STILLHOUSE_RAY_ADDRESS": self.ray_address,
        }
        return subprocess.Popen(
            [BIN / "still", *map(str, arguments)],
            env=environment, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=hears_ctrl_c,
        )  # fmt: skip

    def still(self, *arguments: object, exit_code: int = 0, seconds: float = 240) -> "subprocess.CompletedProcess[str]":
        """Run `still` to its end, and check its exit code."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        log = self.root.logs / "still.log"
        tail = log.read_text()[-4000:] if process.returncode != exit_code and log.exists() else ""
        assert process.returncode == exit_code, f"exit {process.returncode}, not {exit_code}\n{out}\n{err}\n{tail}"
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run(self, recipe: Path, *options: str) -> dict[str, Any]:
        """`still run --json`, as its JSON."""
        return dict(json.loads(self.still("run", recipe, "--json", *options).stdout))

    def sql(self, query: str) -> list[dict[str, Any]]:
        """What `still sql --json` would print, as rows; without its process."""
        return list(json.loads(json.dumps(run_query(self.root, query).to_pylist(), default=str)))

    def status(self, dataset: str = "sums") -> dict[str, Any]:
        """What the run's status file says now; empty before it has one."""
        try:
            return dict(json.loads((self.root.status / f"{dataset}.json").read_text()))
        except FileNotFoundError:
            return {}


def sums(count: int, seed: int = 1) -> list[dict[str, object]]:
    """Different problems that the simulated teacher solves."""
    return [
        {"prompt": f"What is {seed * 1000 + i} + {i % 97} + 5?", "reference": str(seed * 1000 + i + i % 97 + 5)}
        for i in range(count)
    ]
