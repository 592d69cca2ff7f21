"""Our own driver of the race: `ask_all` on a local Ray, told the same job as the peers'.

The registry entry states the account's rates and its charge rule, as it does for a real provider, and not its quantum;
where the scenario says so it states the rule alone, and the rates are read from headers. Where an answer may have been
paid and did not arrive, `ask_all` leaves the row to the same command run again; this driver runs it up to three times,
and all of that is measured.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "peers")]

from ground import local_ray  # noqa: E402  sets the switches that others read when they are imported

# isort: split
import orjson  # noqa: E402
import ray  # noqa: E402
from asking import batch_file, call_of, teacher_at  # noqa: E402
from racing import Delivered, done, read_job, read_rows, ready  # noqa: E402

from tasks.ask.batch import ask_all  # noqa: E402
from tasks.ask.batch_files import BatchFile  # noqa: E402
from tasks.ask.spend import Ceiling  # noqa: E402
from warehouse.catalog import connect  # noqa: E402
from warehouse.layout import DataRoot  # noqa: E402
from warehouse.records import content_id  # noqa: E402

RUNS = 3
SPARE = 2
"""Processes for the authorities."""
_SQL = """select request_key, arg_min(latency_s, sent_at) from attempts where state = 'paid' group by all"""


def row_of(row: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    body = {"model": job["model"], "messages": row["messages"], "max_tokens": job["max_tokens"]}
    length = len(row["messages"][-1]["content"])
    return {
        "request_key": content_id("race", row["id"]),
        "prompt_id": content_id("prompt", row["id"]),
        "sample_index": 0,
        "body": orjson.dumps(body),
        "prompt_tokens": length // 4 + 7,
        "prompt_tokens_bound": length + 16,
        "max_tokens": job["max_tokens"],
        "attempt": 0,
    }


def batches_of(root: DataRoot, rows: list[dict[str, Any]], job: dict[str, Any], name: str) -> list[BatchFile]:
    """One a worker: with the few rows of a race that is nearest to a long run's hundreds of rows a batch."""
    size = -(-len(rows) // job["workers"])
    written = [row_of(row, job) for row in rows]
    return [
        batch_file(root.scratch(name), f"{name}-{at // size:04}", written[at : at + size])
        for at in range(0, len(rows), size)
    ]


async def ask(
    root: DataRoot, rows: list[dict[str, Any]], url: str, job: dict[str, Any], name: str, **quota: Any
) -> None:
    """One run. The warm-up has an account of its own, as it has a root."""
    teacher = teacher_at(url, **quota).model_copy(update={"account": root.path.name})
    call = call_of(root, teacher, name, dataset="race")
    batches = batches_of(root, rows, job, name)
    await ask_all(root, batches, {"simulated": call}, Ceiling(), job["workers"], lambda: datetime.now(UTC))


def answered(root: DataRoot) -> dict[str, float]:
    """Request keys with an answer, and its latency in seconds."""
    with connect(root) as warehouse:
        return dict(warehouse.execute(_SQL).fetchall())


def race(root: DataRoot, job: dict[str, Any], delivered: Delivered) -> None:
    rows = {content_id("race", row["id"]): row for row in read_rows(job)}
    quota: dict[str, Any] = {"charge": "max_of"}
    if job["is_stated"]:
        quota |= {name: job[name] for name in ("requests_per_minute", "tokens_per_minute")}
    found: dict[str, float] = {}
    for number in range(RUNS):
        missing = [row for key, row in rows.items() if key not in found]
        if missing:
            asyncio.run(ask(root, missing, job["base_url"], job, f"race-{number}", **quota))
            found = answered(root)
    for key, latency in found.items():
        delivered.add(rows[key]["id"], True, latency)


@ray.remote(num_cpus=0.05)
def start(folder: str, count: int) -> None:
    """One of so many processes at once, with what a worker imports."""
    importlib.import_module("tasks.ask.worker")
    Path(folder, str(os.getpid())).touch()
    while len(os.listdir(folder)) < count:
        time.sleep(0.05)


def start_processes(job: dict[str, Any]) -> None:
    folder = Path(job["folder"]) / "processes"
    folder.mkdir()
    count = job["workers"] + SPARE
    ray.get([start.remote(str(folder), count) for _ in range(count)])


def main() -> None:
    job = read_job()
    delivered = Delivered(job)
    with local_ray():
        ask_and_tell(job, delivered)


def ask_and_tell(job: dict[str, Any], delivered: Delivered) -> None:
    start_processes(job)
    warm, own = (DataRoot(Path(job["folder"]) / name).create() for name in ("warm", "race"))
    texts = [f"What is {number} + 1?" for number in range(900_001, 900_001 + job["workers"])]
    few = [{"id": text, "messages": [{"role": "user", "content": text}]} for text in texts]
    asyncio.run(ask(warm, few, job["warm_url"], job, "warm"))
    ready()
    race(own, job, delivered)
    done()


if __name__ == "__main__":
    main()
