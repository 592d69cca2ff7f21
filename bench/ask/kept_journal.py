"""What a journal costs that a keeper writes for a node without the data root, against one on the worker's own disk.

Rows are journaled as a worker does (an intent, then a response), so many at once, first into a file of this process,
then through a keeper that is a Ray actor of its own on this machine: the call is real, the network is the loopback.
Prints a Markdown table: rows/s, milliseconds from a group of frames to its acknowledgement (median and 99th
percentile), groups a row, and CPU a row of the writer and of the keeper; the last line once more while segments are
converted beside the keeper, and what that costs a row.

    python bench/ask/kept_journal.py --rows 4000 --in-flight 64 --body 4000
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.settings import quiet_dependencies

quiet_dependencies()

import orjson  # noqa: E402
import ray  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from asking import call_of, teacher_at  # noqa: E402

from tasks.ask.journal import Journal, OnDisk, Storage, beginning, microseconds  # noqa: E402
from tasks.ask.keeper import Converter, Keeper  # noqa: E402
from tasks.ask.keeping import Actors, RemoteKeeper, on_this_node  # noqa: E402
from tasks.ask.loop import run_loop  # noqa: E402
from tasks.ask.place import KeptSegment  # noqa: E402
from tasks.ask.segment import SegmentHeader  # noqa: E402
from tasks.ask.segment_file import SegmentFile  # noqa: E402
from warehouse.layout import DataRoot  # noqa: E402


class MeasuredKeeper(Keeper):
    """A keeper that says what it has used."""

    async def cpu_s(self) -> float:
        return time.process_time()


@dataclass
class Timed:
    """A storage whose every group is timed."""

    storage: Storage
    window_s: float
    took_ms: list[float] = field(default_factory=list)

    async def append(self, group: bytes) -> None:
        began = time.perf_counter()
        await self.storage.append(group)
        self.took_ms.append((time.perf_counter() - began) * 1e3)

    async def close(self) -> None:
        await self.storage.close()


def header_of(root: DataRoot, name: str) -> SegmentHeader:
    return SegmentHeader.of(call_of(root, teacher_at("http://localhost/v1")), "sums-0000", name)


async def write_rows(journal: Journal, rows: int, in_flight: int, body: int) -> None:
    numbers = iter(range(rows))
    answer = {"choices": [{"message": {"content": os.urandom(body // 2).hex()}, "finish_reason": "stop"}],
              "usage": {"prompt_tokens": 16, "completion_tokens": 300}}  # fmt: skip
    raw = orjson.dumps(answer)

    async def one_after_the_other() -> None:
        for n in numbers:
            key, at = f"{n:064}", microseconds()
            await journal.append("sent", {
                "n": n, "request_key": key, "prompt_id": key, "sample_index": 0, "max_tokens": 256, "worst_tokens": 416,
                "worst_cost_usd": None, "at": at, "most_tokens": 256, "prompt_class": None, "resampled": False,
            })  # fmt: skip
            headers = {"content-type": "application/json", "x-request-id": key}
            fields = {"n": n, "status": 200, "headers": headers, "at": at, "latency_s": 1.0}
            await journal.append("received", fields, raw)

    await asyncio.gather(*(one_after_the_other() for _ in range(in_flight)))


async def measure(name: str, timed: Timed, path: Path, keeper: Any, options: argparse.Namespace) -> str:
    journal = Journal(path, timed)
    keeper_began = await keeper.cpu_s.remote() if keeper else 0.0
    began, cpu_began = time.perf_counter(), time.process_time()
    await write_rows(journal, options.rows, options.in_flight, options.body)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    kept_s = await keeper.cpu_s.remote() - keeper_began if keeper else 0.0
    await journal.close()
    took = sorted(timed.took_ms)
    p50, p99 = statistics.median(took), took[int(0.99 * (len(took) - 1))]
    rows = options.rows
    return (
        f"| {name} | {rows / seconds:,.0f} | {p50:.2f} | {p99:.2f} | {len(took) / rows:.3f} |"
        f" {cpu_s / rows * 1e3:.3f} | {kept_s / rows * 1e3:.3f} |"
    )


async def compare(options: argparse.Namespace, root: DataRoot) -> None:
    here_too = {"num_cpus": 0, "scheduling_strategy": on_this_node(soft=False)}
    actor, converter = (ray.remote(kind).options(**here_too).remote(root) for kind in (MeasuredKeeper, Converter))
    keeper = RemoteKeeper(Actors(actor, converter))
    folder = root.journal / "sums"

    async def here(name: str) -> Timed:
        file = SegmentFile.create(folder / f"{name}.journal", beginning(vars(header_of(root, name))))
        return Timed(OnDisk(file), OnDisk.window_s)

    async def kept(name: str) -> Timed:
        return Timed(KeptSegment(keeper, name, await keeper.open(header_of(root, name))), KeptSegment.window_s)

    await kept("warm-up")
    print("| journal | rows/s | ms a group, median | ms, p99 | groups a row | CPU ms a row, writer | keeper |")
    print("|---|---|---|---|---|---|---|")
    for repeat in range(options.repeats):
        for name, storage, measured in (("own disk", here, None), ("kept", kept, actor)):
            segment = f"{name.split()[0]}-{repeat}"
            print(await measure(name, await storage(segment), folder / f"{segment}.journal", measured, options))
    converting = asyncio.create_task(convert_again_and_again(keeper, header_of(root, "kept-0")))
    print(await measure("kept, others convert", await kept("last"), folder / "last.journal", actor, options))
    converting.cancel()
    began = time.perf_counter()
    await keeper.convert(header_of(root, "last"))
    print(f"\nconverting: {(time.perf_counter() - began) / options.rows * 1e3:.2f} ms a row")


async def convert_again_and_again(keeper: RemoteKeeper, header: SegmentHeader) -> None:
    while True:
        await keeper.convert(header)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--body", type=int, default=4000, help="bytes of an answer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", help="for the data root; a temporary one without it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        root = DataRoot(Path(folder) / "data").create()
        ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=2**27, log_to_driver=False)
        try:
            run_loop(compare(options, root))
        finally:
            ray.shutdown()


if __name__ == "__main__":
    main()
