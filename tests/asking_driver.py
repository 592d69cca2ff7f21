"""A driver of the ask station alone, as a process that a test can kill: adopt, plan, ask, say what came of
it.

`python asking_driver.py '{"root": ..., "base_url": ..., "count": ...}'` prints one JSON line when Ray is up
and one at the end.
"""

import asyncio
import json
import logging
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.settings import quiet_dependencies

quiet_dependencies()

import ray  # noqa: E402
from asking import batch_file, call_of, rows_of, teacher_at  # noqa: E402

from tasks.ask.adopt import adopt_journals  # noqa: E402
from tasks.ask.authority import Progress  # noqa: E402
from tasks.ask.batch import ask_all  # noqa: E402
from tasks.ask.batch_files import BatchFile  # noqa: E402
from tasks.ask.outcomes import asked_again  # noqa: E402
from tasks.ask.spend import Ceiling  # noqa: E402
from tasks.right.terms import AccountBudget, Price  # noqa: E402
from warehouse.catalog import connect  # noqa: E402
from warehouse.errors import StillhouseError  # noqa: E402
from warehouse.layout import DataRoot  # noqa: E402


@dataclass(frozen=True)
class Job:
    root: str
    base_url: str
    count: int
    run_id: str
    dataset: str = "sums"
    start: int = 0
    batch_rows: int = 50
    max_tokens: int = 256
    workers: int = 2
    quota: dict[str, int] = field(default_factory=dict)
    ceiling: dict[str, Any] = field(default_factory=dict)
    price: float | None = None
    budget: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)
    ray_address: str | None = None
    """A cluster that is there; None starts one for this driver."""


def plan(job: Job, root: DataRoot) -> list[BatchFile]:
    """Batches of what is still to be asked: what may have been paid comes last."""
    last: dict[str, tuple[str, str]] = {}
    if root.warehouse.exists():
        with connect(root) as warehouse:
            sql = """select request_key, arg_min(state, (state <> 'paid', -epoch_us(sent_at))),
                     arg_min(outcome, (state <> 'paid', -epoch_us(sent_at))) from attempts group by all"""
            last = {key: (state, outcome) for key, state, outcome in warehouse.execute(sql).fetchall()}
    wanted = rows_of(job.count, job.start, job.max_tokens)
    new = [row for row in wanted if row["request_key"] not in last]
    tried = [(row, *last[row["request_key"]]) for row in wanted if row["request_key"] in last]
    again = [row for row, state, outcome in tried if state != "paid" and asked_again(outcome, 256, 256)]
    ordered, folder = new + again, root.scratch(job.run_id)
    return [
        batch_file(folder, f"{job.dataset}-{at // job.batch_rows:04}", ordered[at : at + job.batch_rows])
        for at in range(0, len(ordered), job.batch_rows)
    ]


async def drive(job: Job) -> dict[str, Any]:
    root = DataRoot(Path(job.root)).create()
    adopted = adopt_journals.fn(root, datetime.now(UTC), job.dataset)
    price = None if job.price is None else Price(
        usd_per_million_input=job.price, usd_per_million_output=job.price, as_of="2026-11-01"
    )  # fmt: skip
    teacher = teacher_at(job.base_url, price, **job.quota)
    teacher = teacher.model_copy(update={"budget": AccountBudget(**job.budget)})
    call = call_of(root, teacher, job.run_id, **{"dataset": job.dataset, **job.call})
    status = root.status / f"{job.dataset}.json"

    async def show(progress: Progress) -> None:
        fresh = status.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(progress.counters)))
        fresh.rename(status)

    batches = plan(job, root)
    done = await ask_all(
        root, batches, {"simulated": call}, Ceiling(**job.ceiling), job.workers, lambda: datetime.now(UTC), show
    )
    fields = ("answered", "failed", "maybe_paid", "not_asked", "over_budget", "tokens")
    sums = {name: sum(getattr(batch, name) for batch in done) for name in fields}
    return {"adopted": asdict(adopted), "rows": sum(batch.rows for batch in batches), **sums}


async def drive_all(jobs: list[Job]) -> None:
    for said in await asyncio.gather(*(drive(job) for job in jobs)):
        print(json.dumps(said), flush=True)


def start_ray(address: str | None) -> None:
    quiet: dict[str, Any] = {"namespace": "tests", "log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=2**27, **quiet)
    else:
        ray.init(address, _node_ip_address="127.0.0.1", **quiet)


def main() -> int:
    jobs = [Job(**json.loads(argument)) for argument in sys.argv[1:]]
    start_ray(jobs[0].ray_address)
    try:
        asyncio.run(drive_all(jobs))
    except StillhouseError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    finally:
        ray.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
