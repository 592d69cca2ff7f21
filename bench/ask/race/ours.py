"""Our own driver of the race: `ask_all` on a local Ray, told the same job as the peers'.

The registry entry states the account's rates and its charge rule, as it does for a real provider, and not its quantum.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent / "peers")]

from racing import Delivered, done, read_job, read_rows, ready  # noqa: E402

from flows.settings import quiet_dependencies  # noqa: E402

quiet_dependencies()

import orjson  # noqa: E402
import ray  # noqa: E402
from asking import batch_file, call_of, teacher_at  # noqa: E402

from tasks.ask.batch import ask_all  # noqa: E402
from tasks.ask.batch_files import BatchFile  # noqa: E402
from tasks.ask.spend import Ceiling  # noqa: E402
from warehouse.catalog import connect  # noqa: E402
from warehouse.layout import DataRoot  # noqa: E402
from warehouse.records import content_id  # noqa: E402

SPARE = 2
"""Processes for the authorities; Ray ends idle ones above its CPUs, and the warm-up's would be started again."""
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


def batches_of(root: DataRoot, rows: list[dict[str, Any]], job: dict[str, Any]) -> list[BatchFile]:
    """Two batches a worker."""
    size = -(-len(rows) // (2 * job["workers"]))
    written = [row_of(row, job) for row in rows]
    return [
        batch_file(root.scratch("race"), f"race-{at // size:04}", written[at : at + size])
        for at in range(0, len(rows), size)
    ]


async def ask(root: DataRoot, rows: list[dict[str, Any]], url: str, job: dict[str, Any], **quota: Any) -> None:
    teacher = teacher_at(url, **quota)
    call = call_of(root, replace_account(teacher, root), root.path.name, dataset="race")
    await ask_all(
        root, batches_of(root, rows, job), {"simulated": call}, Ceiling(), job["workers"], lambda: datetime.now(UTC)
    )


def replace_account(teacher: Any, root: DataRoot) -> Any:
    """The warm-up has an account of its own."""
    return teacher.model_copy(update={"account": root.path.name})


def main() -> None:
    job = read_job()
    logging.disable(logging.WARNING)
    delivered = Delivered(job)
    ray.init(
        "local", num_cpus=job["workers"] + SPARE, include_dashboard=False, log_to_driver=False,
        object_store_memory=2**27, logging_level=logging.ERROR, namespace="race",
    )  # fmt: skip
    warm, race = (DataRoot(Path(job["folder"]) / name).create() for name in ("warm", "race"))
    texts = [f"What is {number} + 1?" for number in range(900_001, 900_001 + 2 * job["workers"])]
    few = [{"id": text, "messages": [{"role": "user", "content": text}]} for text in texts]
    asyncio.run(ask(warm, few, job["warm_url"], job))
    rows = read_rows(job)
    ids = {content_id("race", row["id"]): row["id"] for row in rows}
    quota = {
        "requests_per_minute": job["requests_per_minute"],
        "tokens_per_minute": job["tokens_per_minute"],
        "charge": "max_of",
    }
    ready()
    asyncio.run(ask(race, rows, job["base_url"], job, **quota))
    with connect(race) as warehouse:
        for key, latency in warehouse.execute(_SQL).fetchall():
            delivered.add(ids[key], True, latency)
    done()
    ray.shutdown()


if __name__ == "__main__":
    main()
