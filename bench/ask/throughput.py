"""How fast the ask station asks, and what it adds to a bare httpx client over the same transport in the same run.

Real Ray workers, journal and warehouse against the simulated teacher as a process of its own, on this machine. Prints
a Markdown table: rows/s from the first request to the last commit; the client's CPU a row, of workers and authorities,
and with the driver and Ray's agent (from a tenth of the rows to nine tenths: what starting costs is another matter, and
is in `start-up`); both over the bare client's, of which there are as many processes as workers and which only sends the
same bodies and reads the answers; and the time to the first request.

    python bench/ask/throughput.py --rows 16000 --batch-rows 1000 --in-flight 512 --latency 2
"""

import argparse
import asyncio
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from ground import Cpu, local_ray, machine, ray_cpu  # sets the switches that others read when they are imported

# isort: split
import httpx
import orjson
import uvloop
from asking import batches_of, call_of, rows_of, teacher_at
from simulated import SimulatedTeacher

from tasks.ask.authority import Progress
from tasks.ask.batch import ask_all
from tasks.ask.call import TeacherCall
from tasks.ask.client import http_client
from tasks.ask.spend import Ceiling
from warehouse.layout import DataRoot


@dataclass(frozen=True)
class Measured:
    rows: int
    seconds: float
    first_request_s: float
    asking_s: float
    """CPU a row of workers and authorities, from a tenth of the rows to nine tenths."""
    whole_s: float
    """And with the driver and Ray's agent."""
    all_s: float
    """CPU of all, up to the last look at the run."""
    max_in_flight: int


async def measure(
    root: DataRoot, teacher: SimulatedTeacher, run_id: str, options: argparse.Namespace, rows: int, each: int
) -> Measured:
    call = call_of(root, teacher_at(teacher.base_url, concurrency=options.in_flight), run_id, dataset=run_id)
    batches = batches_of(root.scratch(run_id), -(-rows // each), min(each, rows), start=len(run_id) * 1_000_000)
    teacher.reset()
    began, before = time.monotonic(), ray_cpu()
    first: list[float] = []
    looks: list[tuple[int, Cpu]] = []

    async def see(progress: Progress) -> None:
        if progress.counters.sent and not first:
            first.append(time.monotonic() - began)
        looks.append((progress.counters.answered, ray_cpu()))

    done = await ask_all(root, batches, {"simulated": call}, Ceiling(), options.workers, lambda: datetime.now(UTC), see)
    seconds = time.monotonic() - began
    answered = sum(batch.answered for batch in done)
    report = teacher.referee()
    assert answered == report["answered"] == len(batches) * min(each, rows), report
    within = [look for look in looks if 0.1 * rows <= look[0] <= 0.9 * rows] or looks
    (some, early), (more, late) = within[0], within[-1]
    asking, whole = (late.asking - early.asking) / (more - some), (late.whole - early.whole) / (more - some)
    spent = looks[-1][1].whole - before.whole
    return Measured(answered, seconds - first[0], first[0], asking, whole, spent, report["max_in_flight"])


def bare(call: TeacherCall, rows: int, start: int, in_flight: int) -> float:
    """CPU seconds of httpx over the worker's own transport, on the worker's own loop, and nothing else."""
    bodies = [row["body"] for row in rows_of(rows, start)]
    url, headers = httpx.URL(call.url), {"content-type": "application/json"}

    async def ask() -> float:
        slots = asyncio.Semaphore(in_flight)
        async with http_client(call) as client:

            async def one(body: bytes) -> None:
                async with slots:
                    orjson.loads((await client.post(url, content=body, headers=headers)).content)

            began = time.process_time()
            await asyncio.gather(*(one(body) for body in bodies))
            return time.process_time() - began

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(ask())


def bare_side_by_side(root: DataRoot, teacher: SimulatedTeacher, options: argparse.Namespace) -> float:
    """CPU seconds a row of as many bare clients as there are workers, which share rows and slots as workers do."""
    call, count = call_of(root, teacher_at(teacher.base_url)), options.workers
    rows, slots = options.rows // count, options.in_flight // count
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        spent = [pool.submit(bare, call, rows, 5_000_000 + at * rows, slots) for at in range(count)]
        return sum(one.result() for one in spent) / (rows * count)


async def run(options: argparse.Namespace, root: DataRoot, teacher: SimulatedTeacher) -> list[Measured]:
    await measure(root, teacher, "f", options, 3 * options.workers, 1)  # starts the processes: batches overlap
    return [
        await measure(root, teacher, f"many-{at}" + "x" * at, options, options.rows, options.batch_rows)
        for at in range(options.repeats)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--batch-rows", type=int, default=500)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds the teacher takes")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    here = machine()
    with tempfile.TemporaryDirectory() as folder, SimulatedTeacher(latency=options.latency) as teacher:
        root = DataRoot(Path(folder) / "data").create()
        with local_ray():
            plain = [bare_side_by_side(root, teacher, options) for _ in range(options.repeats)]
            many = asyncio.run(run(options, root, teacher))
    ideal = options.in_flight / options.latency
    print(f"{here}\n")
    print(
        "| rows | workers | in flight | teacher s | rows/s | of ideal | bare ms/row | workers, authorities | ratio |",
        end="",
    )
    print(" with the driver | ratio | start-up s | first request s |\n|" + "---:|" * 13)
    for each, least in zip(many, plain, strict=True):
        rate = each.rows / each.seconds
        print(
            f"| {each.rows} | {options.workers} | {each.max_in_flight} | {options.latency:g} | {rate:.0f} | "
            f"{rate / ideal:.0%} | {1000 * least:.2f} | {1000 * each.asking_s:.2f} | {each.asking_s / least:.2f} | "
            f"{1000 * each.whole_s:.2f} | {each.whole_s / least:.2f} | {each.all_s - each.rows * each.whole_s:.1f} | "
            f"{each.first_request_s:.1f} |"
        )


if __name__ == "__main__":
    main()
