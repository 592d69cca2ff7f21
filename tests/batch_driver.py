"""Asks by batch as a process that a test can kill: adopt, take up, plan, ask by batch, say what came of it.

`python batch_driver.py '{"root": ..., "base_url": ..., "count": ..., "die_at": "uploaded"}'` kills itself with SIGKILL
at the first step that is called so, and otherwise prints one JSON line at the end.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asking import batch_file, call_of, rows_of, teacher_at

from tasks.ask.adopt import adopt_journals
from tasks.ask.batch_files import BatchFile
from tasks.ask.call import TeacherCall
from tasks.ask.outcomes import RULES
from tasks.ask.provider_batch import Patience, ask_by_batch, take_up_batches
from tasks.ask.spend import Ceiling
from tasks.ask.submissions import wanted_out
from tasks.right.terms import AccountBudget, BatchTerms, Price
from warehouse.catalog import connect
from warehouse.errors import StillhouseError
from warehouse.layout import DataRoot

Say = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class BatchJob:
    root: str
    base_url: str
    count: int = 20
    start: int = 0
    dataset: str = "sums"
    run_id: str = "run-1"
    batch_rows: int = 50
    terms: dict[str, Any] = field(default_factory=dict)
    ceiling: dict[str, Any] = field(default_factory=dict)
    account: dict[str, Any] = field(default_factory=dict)
    price: float | None = None
    wait_s: float = 60.0
    die_at: str | None = None
    api_key: str | None = None

    @property
    def data_root(self) -> DataRoot:
        return DataRoot(Path(self.root)).create()

    def call(self) -> TeacherCall:
        price = None if self.price is None else Price(
            usd_per_million_input=self.price, usd_per_million_output=self.price, as_of="2026-11-01"
        )  # fmt: skip
        teacher = teacher_at(self.base_url, price).model_copy(
            update={"batch": BatchTerms(**self.terms), "budget": AccountBudget(**self.account)}
        )
        return call_of(self.data_root, teacher, self.run_id, self.dataset, patience_s=20.0, api_key=self.api_key)


def now() -> datetime:
    return datetime.now(UTC)


def plan(job: BatchJob) -> list[BatchFile]:
    """Batch files of whatever has no answer yet and is worth asking again, with the attempts made so far."""
    root = job.data_root
    done: dict[str, tuple[int, bool]] = {}
    if root.warehouse.exists():
        again = [outcome for outcome, rule in RULES.items() if rule.again == "next_plan"]
        with connect(root) as warehouse:
            sql = """select request_key, count(*), bool_or(state = 'paid' or not list_contains($again, outcome))
                     from attempts group by request_key"""
            done = {key: (tries, over) for key, tries, over in warehouse.execute(sql, {"again": again}).fetchall()}
    wanted = [row | {"attempt": done.get(row["request_key"], (0,))[0]} for row in rows_of(job.count, job.start)]
    left = [row for row in wanted if not done.get(row["request_key"], (0, False))[1]]
    return [
        batch_file(root.scratch(job.run_id), f"{job.dataset}-{at:04}", left[at : at + job.batch_rows])
        for at in range(0, len(left), job.batch_rows)
    ]


async def drive(job: BatchJob, say: Say) -> dict[str, Any]:
    """One run of the ask station, by batch alone."""
    root, call = job.data_root, job.call()
    patience = Patience(poll_s=0.02, wait_s=job.wait_s, settle_s=0.3)
    adopt_journals.fn(root, now())
    await take_up_batches.fn(root, [call], patience, now, say)
    batches = plan(job)
    done = await ask_by_batch.fn(
        root,
        batches,
        {"simulated": call},
        wanted_out(root, batches),
        Ceiling(**job.ceiling),
        patience,
        job.root,
        now,
        say,
    )
    return {"rows": sum(batch.rows for batch in batches), **(asdict(done[0]) if done else {})}


def main() -> int:
    job = BatchJob(**json.loads(sys.argv[1]))

    async def say(step: str) -> None:
        print(step, file=sys.stderr, flush=True)
        if job.die_at and job.die_at in step:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        print(json.dumps(asyncio.run(drive(job, say)), default=str))
    except StillhouseError as error:
        print(json.dumps({"error": str(error)}))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
