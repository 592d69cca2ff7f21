"""What carries httpx's requests best: its own pool, aiohttp's, or pyreqwest's where that is installed.

One process, the worker's event loop, the same bodies, so many in flight at a teacher that takes so long; from the first
answer to the end of the time, so that opening the connections does not count.

    python bench/ask/transports.py --in-flight 512 --latency 2 --seconds 12
"""

import argparse
import asyncio
import importlib.metadata
import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ground import machine  # sets the switches that others read when they are imported

# isort: split
import httpx
import orjson
import uvloop
from asking import call_of, rows_of, teacher_at
from simulated import SimulatedTeacher

from tasks.ask.call import TeacherCall
from tasks.ask.client import http_client
from warehouse.layout import DataRoot

Opened = Callable[[TeacherCall], httpx.AsyncClient]


@dataclass(frozen=True)
class Measured:
    per_s: float
    cpu_ms: float
    """A request."""


def own_pool(call: TeacherCall) -> httpx.AsyncClient:
    """httpx's own, without a limit of its own: the default of 100 connections would hold 512 up."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(limits=limits, timeout=call.request_timeout_s, trust_env=False)


def over_pyreqwest(call: TeacherCall) -> httpx.AsyncClient:
    from pyreqwest.client import ClientBuilder
    from pyreqwest.compatibility.httpx import HttpxTransport

    return httpx.AsyncClient(transport=HttpxTransport(ClientBuilder().build()), timeout=call.request_timeout_s)


def transports() -> dict[str, Opened]:
    known: dict[str, tuple[str, Opened]] = {
        "httpx's own pool": ("httpx", own_pool),
        "httpx-aiohttp (the worker's)": ("httpx-aiohttp", http_client),
    }
    if importlib.util.find_spec("pyreqwest"):
        known["pyreqwest"] = ("pyreqwest", over_pyreqwest)
    return {f"{name}, {importlib.metadata.version(package)}": opened for name, (package, opened) in known.items()}


async def measure(opened: Opened, call: TeacherCall, bodies: list[bytes], options: argparse.Namespace) -> Measured:
    url, headers = httpx.URL(call.url), {"content-type": "application/json"}
    first: list[tuple[float, float]] = []
    answered = 0

    async def ask(client: httpx.AsyncClient, lane: int) -> None:
        nonlocal answered
        for at in range(lane, len(bodies), options.in_flight):
            response = await client.post(url, content=bodies[at], headers=headers)
            orjson.loads(response.content)
            if not first:
                first.append((time.monotonic(), time.process_time()))
            else:
                answered += 1

    async with opened(call) as client:
        lanes = [asyncio.create_task(ask(client, lane)) for lane in range(options.in_flight)]
        await asyncio.wait(lanes, timeout=options.latency + options.seconds)
        seconds, cpu_s = time.monotonic() - first[0][0], time.process_time() - first[0][1]
        for lane in lanes:
            lane.cancel()
        problems = [
            each for each in await asyncio.gather(*lanes, return_exceptions=True) if isinstance(each, Exception)
        ]
    if problems:
        raise problems[0]
    return Measured(answered / seconds, 1000 * cpu_s / answered)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--in-flight", type=int, default=512)
    parser.add_argument("--latency", type=float, default=2.0, help="seconds the teacher takes")
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    ideal = options.in_flight / options.latency
    bodies = [row["body"] for row in rows_of(round(2 * ideal * (options.seconds + options.latency)))]
    print(f"{machine()}; ideal {ideal:.0f} requests/s\n")
    print("| transport | requests/s | of ideal | CPU ms a request |")
    print("|---|---:|---:|---:|", flush=True)
    with TemporaryDirectory() as folder, SimulatedTeacher(latency=options.latency) as teacher:
        call = call_of(DataRoot(Path(folder)), teacher_at(teacher.base_url))
        for name, opened in transports().items():
            found = []
            for _ in range(options.repeats):
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    found.append(runner.run(measure(opened, call, bodies, options)))
            rate, cpu = (
                statistics.median(values) for values in zip(*((f.per_s, f.cpu_ms) for f in found), strict=True)
            )
            print(f"| {name} | {rate:.0f} | {rate / ideal:.0%} | {cpu:.2f} |", flush=True)


if __name__ == "__main__":
    main()
