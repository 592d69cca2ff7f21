"""Whether memory stays flat: planning and recording prompts, and asking for them.

Planning: a process each plans and records a tenth of the prompts, half and all; the slope is the difference of their
peaks. DuckDB may take up to `tasks.ask.wanted.MEMORY_LIMIT` before it spills, and does. Asking: every process of a run
is looked at twice a second; the slope is that of a line fitted to its resident set over the rows answered, after the
first fifth. Resident sets count pages that processes share in each of them.

    python bench/ask/memory.py --plan 1000000 --ask 100000
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import linear_regression

from ground import ROOT, local_ray, machine, ray_processes  # sets the switches that others read when they are imported

# isort: split
from asking import batches_of, call_of, teacher_at
from simulated import SimulatedTeacher

from tasks.ask.authority import Progress
from tasks.ask.batch import ask_all
from tasks.ask.spend import Ceiling
from warehouse.layout import DataRoot

MIB = 2**20
PARTS = ("driver", "ask_rows", "QuotaAuthority", "SpendAuthority")
PLANNING = """
import json, resource, sys
from datetime import UTC, datetime
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
from rows_of_a_stage import plan_rows
plan_rows(Path(sys.argv[1]), int(sys.argv[2]), datetime.now(UTC))
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
"""

Sizes = Mapping[str, list[tuple[int, int]]]
"""Of every process of a run: rows answered, and its resident bytes then."""


def planning_peak(folder: Path, prompts: int) -> tuple[int, float]:
    """Peak resident bytes of a process that plans and records so many prompts, and its seconds."""
    program = PLANNING.format(root=str(ROOT), tests=str(ROOT / "tests"))
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program, str(folder), str(prompts)], capture_output=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1])), time.monotonic() - began


def resident(pid: int) -> int | None:
    """Bytes; None for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)


async def asking_sizes(root: DataRoot, rows: int, batch_rows: int) -> tuple[Sizes, float]:
    """Ask for so many rows; the sizes of driver, workers and authorities on the way, and the seconds."""
    sizes: dict[str, list[tuple[int, int]]] = defaultdict(list)
    parts: dict[int, str | None] = {}

    async def look(progress: Progress) -> None:
        for one in ray_processes():
            name = "driver" if one.pid == os.getpid() else one.command
            part = next((part for part in PARTS if part in name), None)
            parts[one.pid] = part or parts.get(one.pid)  # a worker between two batches is called idle
            if (known := parts[one.pid]) and (size := resident(one.pid)):
                sizes[f"{known} {one.pid}"].append((progress.counters.answered, size))

    began = time.monotonic()
    with SimulatedTeacher(latency=0.1) as teacher:
        call = call_of(root, teacher_at(teacher.base_url, concurrency=128), "run", dataset="many")
        batches = batches_of(root.scratch("run"), rows // batch_rows, batch_rows)
        done = await ask_all(root, batches, {"simulated": call}, Ceiling(), 2, lambda: datetime.now(UTC), look)
    assert sum(batch.answered for batch in done) == rows
    return sizes, time.monotonic() - began


def slope(points: Sequence[tuple[int, int]], rows: int) -> float | None:
    """Bytes a row after the first fifth; None for a process that did not see half of the run."""
    late = [(answered, size) for answered, size in points if answered > rows / 5]
    if len(late) < 3 or late[-1][0] - late[0][0] < rows / 2:
        return None
    return linear_regression(*zip(*late, strict=True)).slope


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", type=int, default=1_000_000, help="prompts")
    parser.add_argument("--ask", type=int, default=100_000, help="rows")
    parser.add_argument("--batch-rows", type=int, default=1000)
    options = parser.parse_args()
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as folder:
        print("| prompts planned and recorded | seconds | peak MiB | bytes a prompt since the row before |")
        print("|---:|---:|---:|---:|")
        before: tuple[int, int] | None = None
        for prompts in (options.plan // 10, options.plan // 2, options.plan):
            peak, seconds = planning_peak(Path(folder) / str(prompts), prompts)
            grows = f"{(peak - before[1]) / (prompts - before[0]):+.0f}" if before else ""
            print(f"| {prompts:,} | {seconds:.0f} | {peak / MIB:.0f} | {grows} |", flush=True)
            before = prompts, peak
        with local_ray():
            root = DataRoot(Path(folder) / "asked").create()
            sizes, seconds = asyncio.run(asking_sizes(root, options.ask, options.batch_rows))
    print(f"\nAsked {options.ask:,} rows in {seconds:.0f} s, {options.batch_rows} a batch, by 2 workers.\n")
    print("| process | MiB after a fifth | at the end | bytes a row |")
    print("|---|---:|---:|---:|")
    for name, points in sizes.items():
        grows = slope(points, options.ask)
        if grows is not None:
            fifth = next(size for answered, size in points if answered > options.ask / 5)
            print(f"| {name.rsplit(' ', 1)[0]} | {fifth / MIB:.0f} | {points[-1][1] / MIB:.0f} | {grows:+.0f} |")


if __name__ == "__main__":
    main()
