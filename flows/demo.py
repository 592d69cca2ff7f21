"""The demo: the whole line on the simulated teacher, with a student that learns; no key, no network."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

from flows.demo_problems import DEMO_STUDENT, write_demo_problems
from flows.recipe import Recipe, load_recipe
from warehouse.errors import RunFailed
from warehouse.layout import DataRoot

DATASET = "demo"
SEED = 20261121
PROBLEMS = 5200
HELD_OUT = 0.12
"""Of 5,200 problems about 620 are held out, more than the 500 that the accuracy is to be measured on."""


@contextmanager
def simulated_teacher(*flags: str) -> Iterator[str]:
    """Run the simulated teacher as a process of its own for as long as the block lasts; yields its base URL.

    Raises:
        RunFailed: it did not say that it is ready.
    """
    command = [sys.executable, "-m", "infra.simulated_teacher", "--port", "0", "--parent-pid", str(os.getpid()), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _base_url(process)
        finally:
            process.terminate()


def _base_url(process: "subprocess.Popen[str]") -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise RunFailed(
            f"the simulated teacher ended with code {process.wait()} before it was ready; run `still simulate`"
        )
    return str(json.loads(line)["base_url"])


def requests_seen(base_url: str) -> int:
    """How many chat requests the referee counted."""
    return int(httpx.get(f"{base_url.removesuffix('/v1')}/referee", timeout=10).json()["requests"])


def write_demo(root: DataRoot, base_url: str) -> Path:
    """Write the demo's problems, recipe and registry entry under the data root; returns the recipe's path.

    The files are the same each time but for the port, which is no part of a request's key: a second demo asks nothing.
    """
    folder = root.path / "demo"
    (folder / "teachers").mkdir(parents=True, exist_ok=True)
    write_demo_problems(folder / "problems.jsonl", PROBLEMS, SEED)
    entry = {"name": "simulated", "base_url": base_url, "model": "simulated-teacher", "simulated": True}
    (folder / "teachers" / "simulated.yaml").write_text(yaml.safe_dump(entry, sort_keys=False))
    recipe = {
        "dataset": DATASET,
        "prompts": {
            "source": "problems.jsonl",
            "columns": {"prompt": "prompt", "reference": "reference", "family": "family"},
            "verifier": "numeric",
            "license": "CC0-1.0",
        },
        "teachers": ["simulated"],
        "sampling": {"max_tokens": 256},
        "publish": {"validation_fraction": HELD_OUT},
        "student": DEMO_STUDENT,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    return folder / "recipe.yaml"


def demo_recipe(root: DataRoot, base_url: str) -> Recipe:
    """The demo's recipe, read back as any user's would be."""
    return load_recipe(write_demo(root, base_url))
