"""What the tests of reading again share: a plan whose answers a worker's journal brought, and a later parser."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
from asking import call_of, teacher_at
from small_segment import PRICE, answer, received

from tasks.ask.adopt import adopt_journals
from tasks.ask.journal import MAGIC, encode
from tasks.ask.plan import AskPlan, plan_asking
from tasks.ask.prompts import PromptSource
from tasks.ask.reply import PARSER, Reply, read_reply
from tasks.ask.rereading import Parser
from tasks.ask.sampling import Ask, Sampling
from tasks.ask.segment import SegmentHeader
from tasks.right.gate import Admission
from tasks.right.terms import Teacher
from warehouse.catalog import connect, publish
from warehouse.layout import DataRoot

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
AT = 1_795_000_000_000_000
THOUGHT = {"model": "m", "choices": [{"message": {"content": "4", "musing": "2+2 = 4"}, "finish_reason": "stop"}],
           "usage": {"prompt_tokens": 100, "completion_tokens": 20}}  # fmt: skip
"""An answer whose reasoning is in a field that no parser knew of when it came."""
ODD = {"model": "m", "result": "4", "usage": {"prompt_tokens": 100, "completion_tokens": 20}}
"""An answer in a form that no parser knew of."""
SORRY = answer("I cannot help with that.")
UNCOUNTED = {**answer("nine", usage=False), "tokens": [100, 20]}


def later(status: int, headers: Mapping[str, str], body: bytes, *more: Any) -> Reply:
    """A later parser: it knows another field for the reasoning, another form of answer, refusals by their words, and
    where one server counts tokens."""
    document = orjson.loads(body)
    if "result" in document:
        document["choices"] = [{"message": {"content": document["result"]}, "finish_reason": "stop"}]
    for choice in document.get("choices", []):
        if "musing" in choice["message"]:
            choice["message"]["reasoning"] = choice["message"].pop("musing")
    if "tokens" in document:
        document["usage"] = dict(zip(("prompt_tokens", "completion_tokens"), document["tokens"], strict=True))
    reply = read_reply(status, headers, orjson.dumps(document), *more)
    return replace(reply, outcome="refused") if reply.answer.startswith("I cannot") else reply


SECOND = Parser(PARSER + 1, later)


class Line:
    """A plan over a file of questions, and its answers as a worker's journal brought them."""

    def __init__(self, root: DataRoot, folder: Path, **teacher: Any) -> None:
        self.root, self.folder = root, folder
        self.teacher: Teacher = teacher_at("http://127.0.0.1:9/v1", PRICE).model_copy(update=teacher)

    def plan(self, dataset: str = "sums", count: int = 6) -> AskPlan:
        rows = [{"prompt": f"What is {number} + {number}?"} for number in range(count)]
        (self.folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return plan_asking.fn(
            root=self.root, run_id="run-1", dataset=dataset, recipe_sha256="r",
            source=PromptSource(source="p.jsonl", license="MIT"), folder=self.folder, ask=Ask(),
            sampling=Sampling(max_tokens=256), samples_per_prompt=1, shares={"simulated": 1.0},
            admissions=[Admission(self.teacher, "d")], batch_rows=1000, now=NOW,
        )  # fmt: skip

    def answer(self, *bodies: Any, segment_id: str = "seg-1", status: int = 200, count: int = 6, **sent: Any) -> None:
        """Answer the plan's open samples in order, by a segment that is then taken up; `sent` goes into its intents."""
        rows = [row for batch in self.plan(count=count).batches for row in pq.read_table(batch.path).to_pylist()]
        header = SegmentHeader.of(call_of(self.root, self.teacher), "sums-0001", segment_id)
        frames = [encode("segment", vars(header))]
        for number, (row, body) in enumerate(zip(rows, bodies, strict=False)):
            asked = {name: row[name] for name in ("request_key", "prompt_id", "sample_index", "max_tokens")}
            more = {"n": number, "worst_tokens": 400, "worst_cost_usd": 0.003, "at": AT + number, **sent}
            frames += [encode("sent", {**asked, **more}), received(number, status, body)]
        path = self.root.journal / "sums" / f"{segment_id}.journal"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MAGIC + b"".join(frames))
        adopt_journals.fn(self.root, NOW, None, 0.0)
        publish(self.root)

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(connect(self.root)) as warehouse:
            return warehouse.execute(sql).fetchall()

    def files(self) -> dict[str, bytes]:
        """Everything in the data root."""
        return {str(path): path.read_bytes() for path in sorted(self.root.path.rglob("*")) if path.is_file()}
