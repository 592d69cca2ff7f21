"""Data roots with unjudged answers in them, made as the line makes them: parts written, then listed in one
transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pyarrow as pa

from warehouse.catalog import transaction
from warehouse.layout import DataRoot
from warehouse.parts import write_part
from warehouse.records import SCHEMAS, DataFile, content_id

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PLAN, DATASET = "plan-1", "sums"


@dataclass(frozen=True)
class Answered:
    """One sample of a plan, with its answer; without one where `state` is failed, maybe_paid or None (never
    asked)."""

    question: str
    answer: str = ""
    reasoning: str = ""
    reference: str | None = None
    verifier: str = "none"
    sample: int = 0
    teacher: str = "mine"
    finish_reason: str | None = "stop"
    outcome: str = "ok"
    state: str | None = "paid"
    asked_by: str = DATASET
    metadata: str | None = None
    extra: dict[str, object] = field(default_factory=dict)

    @property
    def prompt_id(self) -> str:
        return content_id("prompt", self.question, self.reference, self.verifier)

    @property
    def request_key(self) -> str:
        return content_id("request", self.teacher, self.question, self.sample)

    @property
    def trace_id(self) -> str:
        return content_id("trace", self.request_key, self.reasoning, self.answer, self.finish_reason)

    @property
    def attempt_id(self) -> str:
        return content_id("attempt", self.request_key)

    def identity(self) -> dict[str, object]:
        return {
            "teacher": self.teacher,
            "route": "own",
            "teacher_model": self.teacher,
            "teacher_revision": None,
            "terms_id": "terms",
            "terms_sha256": f"terms of {self.teacher}",
            "decision_id": "decision",
            "simulated": False,
        }

    def prompt(self) -> dict[str, object]:
        return {
            "prompt_id": self.prompt_id,
            "question": self.question,
            "messages": [{"role": "user", "content": self.question}],
            "reference": self.reference,
            "verifier": self.verifier,
            "metadata": self.metadata,
            "source": "made",
            "source_row": 1,
            "license": "MIT",
        }

    def planned(self) -> dict[str, object]:
        return {
            "plan_id": PLAN,
            "dataset": DATASET,
            "request_key": self.request_key,
            "prompt_id": self.prompt_id,
            "sample_index": self.sample,
            "teacher": self.teacher,
            "max_tokens": 2048,
        }

    def attempt(self) -> dict[str, object]:
        return self.identity() | {
            "attempt_id": self.attempt_id,
            "request_key": self.request_key,
            "prompt_id": self.prompt_id,
            "sample_index": self.sample,
            "dataset": self.asked_by,
            "run_id": "run-1",
            "state": self.state,
            "outcome": self.outcome if self.state == "paid" else "timeout",
            "max_tokens": 2048,
            "sent_at": NOW,
            "received_at": NOW + timedelta(seconds=1),
        }

    def trace(self) -> dict[str, object]:
        return self.identity() | {
            "trace_id": self.trace_id,
            "attempt_id": self.attempt_id,
            "request_key": self.request_key,
            "prompt_id": self.prompt_id,
            "sample_index": self.sample,
            "run_id": "run-1",
            "outcome": self.outcome,
            "reasoning": self.reasoning,
            "answer": self.answer,
            "content": self.answer,
            "finish_reason": self.finish_reason,
            "max_tokens": 2048,
            "received_at": NOW + timedelta(seconds=1),
            "text_hash": content_id("text", self.reasoning, self.answer),
        }


def fill(root: DataRoot, answers: Sequence[Answered], name: str = "0") -> None:
    """Make the answers exist in the warehouse, as the one current plan of their dataset."""
    files = [_part(root, "prompts", name, list({a.prompt_id: a.prompt() for a in answers}.values()))]
    files.append(_part(root, "plans", name, [a.planned() for a in answers], dataset=DATASET))
    for teacher, group in groupby(sorted(answers, key=lambda a: a.teacher), key=lambda a: a.teacher):
        tried = [a for a in group if a.state is not None]
        whose = {"teacher": teacher, "terms_sha256": f"terms of {teacher}"}
        files.append(_part(root, "ledger", f"{name}-{teacher}", [a.attempt() for a in tried], **whose))
        traces = [a.trace() for a in tried if a.state == "paid"]
        files.append(_part(root, "traces", f"{name}-{teacher}", traces, **whose))
    with transaction(root, NOW, publish="now") as changes:
        changes.add_files(files)
        plan = {
            "plan_id": PLAN,
            "dataset": DATASET,
            "run_id": "run-1",
            "recipe_sha256": "0",
            "wanted": len(answers),
            "planned_at": NOW,
            "is_current": True,
        }
        changes.insert("plan", [plan])


def _part(root: DataRoot, kind: str, name: str, rows: list[dict[str, object]], **whose: str) -> DataFile:
    return write_part(root, kind, name, pa.Table.from_pylist(rows, schema=SCHEMAS[kind]), **whose)


def gym(task: str, entry: dict[str, object]) -> str:
    """The metadata of a reasoning-gym prompt, as the prompts' source writes it."""
    return json.dumps({"task": task, "entry": entry}, default=str)
