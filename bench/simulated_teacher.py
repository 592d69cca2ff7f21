"""How many requests a second the simulated teacher serves: `python bench/simulated_teacher.py`.

The server runs as its own process, with everything on that a test uses; the client is bare asyncio on
loopback, one connection for each request in flight, and never waits. Prints a Markdown table; CPU is the
server's own time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import orjson
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from simulated import SimulatedTeacher

_TICKS = os.sysconf("SC_CLK_TCK")


def requests(count: int) -> Iterator[bytes]:
    """Distinct questions with headers as an HTTP client sends them; one identity for each."""
    for number in range(count):
        text = f"What is {number + 11} + {number * 7 % 997} - {number % 89}?"
        messages = [{"role": "system", "content": "Think first."}, {"role": "user", "content": text}]
        body = orjson.dumps({"model": "simulated-teacher", "messages": messages, "max_tokens": 512, "temperature": 0.7})
        head = [
            "POST /v1/chat/completions HTTP/1.1",
            "Host: 127.0.0.1",
            "Accept: */*",
            "Accept-Encoding: gzip, deflate",
            "User-Agent: bench",
            "Authorization: Bearer none",
            "Content-Type: application/json",
            f"X-Client-Request-Id: {number:064x}",
            f"Content-Length: {len(body)}",
        ]
        yield "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def client(port: int, queue: Iterator[bytes]) -> int:
    """Asks until the queue is empty; how many answers with status 200 came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answered = 0
    for request in queue:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        at = head.index(b"content-length: ") + 16
        await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
        answered += head.startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()
    return answered


async def load(port: int, count: int, in_flight: int) -> tuple[int, float]:
    """Answers and seconds."""
    queue = iter(list(requests(count)))
    start = time.perf_counter()
    answered = sum(await asyncio.gather(*[client(port, queue) for _ in range(in_flight)]))
    return answered, time.perf_counter() - start


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(count: int, in_flight: int, repeats: int, flags: dict[str, object]) -> str:
    """One row of the table; medians."""
    rates, costs, memory = [], [], []
    for _ in range(repeats):
        with SimulatedTeacher(**flags) as teacher:
            before, base = cpu_seconds(teacher.pid), resident_mb(teacher.pid)
            answered, seconds = uvloop.run(load(teacher.port, count, in_flight))
            used, grown = cpu_seconds(teacher.pid) - before, resident_mb(teacher.pid) - base
            counted = teacher.referee()["answered"]
        if not answered == counted == count:
            raise SystemExit(f"asked {count}, got {answered}, the referee counted {counted}")
        rates.append(answered / seconds)
        costs.append(used / answered * 1e6)
        memory.append(grown * 2**20 / count)
    rate, cost, grown = map(statistics.median, (rates, costs, memory))
    return f"| {in_flight} | {count} | {rate:,.0f} | {cost:.0f} | {1e6 / cost:,.0f} | {grown:,.0f} |"


def machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or "unknown processor"
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.machine()}"


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--requests", type=int, default=20000)
    flags.add_argument("--in-flight", type=int, nargs="+", default=[64, 256])
    flags.add_argument("--repeats", type=int, default=3)
    flags.add_argument("--preset", default="clean")
    chosen = flags.parse_args()
    command = " ".join(["python", "bench/simulated_teacher.py", *sys.argv[1:]])
    print(f"`{command}`; Python {platform.python_version()}, uvloop {version('uvloop')},")
    print(f"orjson {version('orjson')}; {machine()}; median of {chosen.repeats}\n")
    print("| in flight | requests | requests/s | server CPU us/request | requests/s a core | bytes/question |")
    print("|---|---|---|---|---|---|")
    for in_flight in chosen.in_flight:
        print(measure(chosen.requests, in_flight, chosen.repeats, {"preset": chosen.preset}), flush=True)


if __name__ == "__main__":
    main()
