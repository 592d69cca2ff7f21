"""A small real data root, written by the warehouse's own functions, for tests of views and documents.

Two datasets share a teacher. `sums` wants six samples: two are kept (one of them published and trained on),
one is rejected, one failed, one is maybe_paid, one was never asked. `echo` wants one of the same samples
again.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from warehouse.catalog import transaction
from warehouse.layout import DataRoot
from warehouse.parts import write_part
from warehouse.records import SCHEMAS, DataFile, content_id

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TEACHER = "simulated"
TERMS = content_id("terms")
IDENTITY = {
    "teacher": TEACHER,
    "route": "simulated",
    "teacher_model": "simulated-teacher",
    "terms_id": "simulated",
    "terms_sha256": TERMS,
    "decision_id": "decision-ask",
    "simulated": True,
}


def rows_of(kind: str, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """A table of the kind's schema; a column that a row leaves out is null."""
    schema = SCHEMAS[kind]
    unknown = {column for row in rows for column in row} - set(schema.names)
    assert not unknown, f"{kind} has no {unknown}"
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema)


def prompt(name: str, **columns: object) -> dict[str, object]:
    question = f"What is {name} + {name}?"
    return {
        "prompt_id": content_id(name),
        "question": question,
        "messages": [{"role": "user", "content": question}],
        "reference": name,
        "verifier": "numeric",
        "family": "addition",
        "source": "sums.jsonl",
        "source_row": 1,
        "license": "MIT",
        **columns,
    }


def planned(dataset: str, name: str, **columns: object) -> dict[str, object]:
    return {
        "plan_id": f"plan-{dataset}",
        "dataset": dataset,
        "request_key": content_id("key", name),
        "prompt_id": content_id(name),
        "sample_index": 0,
        "teacher": TEACHER,
        "max_tokens": 100,
        **columns,
    }


def attempt(dataset: str, name: str, number: int = 0, **columns: object) -> dict[str, object]:
    """A paid attempt, `number` minutes after noon."""
    sent = NOW + timedelta(minutes=number)
    return {
        "attempt_id": content_id("attempt", name, number),
        "request_key": content_id("key", name),
        "prompt_id": content_id(name),
        "sample_index": 0,
        "dataset": dataset,
        "run_id": f"run-{dataset}",
        "batch_id": "batch-0",
        **IDENTITY,
        "account": "simulated",
        "pool": "default",
        "state": "paid",
        "outcome": "ok",
        "status": 200,
        "max_tokens": 100,
        "sent_at": sent,
        "received_at": sent + timedelta(seconds=2),
        "latency_s": 2.0,
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "usage_source": "reported",
        "cost_usd": 0.25,
        "worst_tokens": 110,
        "worst_cost_usd": 1.0,
        "headers": "{}",
        "body": b'{"choices": []}',
        **columns,
    }


def trace(name: str, number: int = 0, **columns: object) -> dict[str, object]:
    """The trace that `attempt` with the same name and number brought."""
    return {
        "trace_id": content_id("trace", name, number),
        "attempt_id": content_id("attempt", name, number),
        "request_key": content_id("key", name),
        "prompt_id": content_id(name),
        "sample_index": 0,
        **IDENTITY,
        "run_id": "run-sums",
        "outcome": "ok",
        "reasoning": f"I add {name} and {name}.",
        "reasoning_source": "field",
        "answer": f"It is {name}{name}.",
        "content": f"It is {name}{name}.",
        "finish_reason": "stop",
        "max_tokens": 100,
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "usage_source": "reported",
        "cost_usd": 0.25,
        "latency_s": 2.0,
        "received_at": NOW + timedelta(minutes=number, seconds=2),
        "text_hash": content_id("text", name),
        **columns,
    }


def verdict(dataset: str, name: str, outcome: str, reason: str | None, number: int = 0) -> dict[str, object]:
    return {
        "trace_id": content_id("trace", name, number),
        "prompt_id": content_id(name),
        "request_key": content_id("key", name),
        "dataset": dataset,
        "judge_run": f"judge-{dataset}",
        "rule_set": "rules-1",
        "outcome": outcome,
        "reason": reason,
        "rule": "verify" if reason else None,
        "rule_version": 1 if reason else None,
        "details": "expected 3, found 33" if reason else None,
        "signals": '{"reasoning_words":5}',
        "teacher": TEACHER,
        "terms_sha256": TERMS,
        "judged_at": NOW + timedelta(hours=1),
    }


def plan(dataset: str, wanted: int, is_current: bool = True) -> dict[str, object]:
    return {
        "plan_id": f"plan-{dataset}",
        "dataset": dataset,
        "run_id": f"run-{dataset}",
        "recipe_sha256": content_id("recipe", dataset),
        "wanted": wanted,
        "planned_at": NOW,
        "is_current": is_current,
    }


def judge_run(dataset: str, traces: int, kept: int, is_current: bool = True) -> dict[str, object]:
    return {
        "judge_run": f"judge-{dataset}",
        "dataset": dataset,
        "plan_id": f"plan-{dataset}",
        "rule_set": "rules-1",
        "rules": [{"name": "verify", "version": 1}],
        "judged_at": NOW + timedelta(hours=1),
        "traces": traces,
        "kept": kept,
        "rejected": traces - kept,
        "undecided": 0,
        "quarantined": 0,
        "is_current": is_current,
    }


def decision(terms_sha256: str = TERMS, verdict: str = "allow", at: datetime = NOW) -> dict[str, object]:
    return {
        "decision_id": "decision-ask" if terms_sha256 == TERMS else f"decision-{terms_sha256}",
        "prev_hash": None,
        "at": at,
        "verdict": verdict,
        "purpose": "ask",
        "teacher": TEACHER,
        "terms_id": "simulated",
        "terms_sha256": terms_sha256,
        "reasons": [],
        "record": {"purpose": "ask"},
    }


def write(root: DataRoot, kind: str, name: str, rows: Sequence[Mapping[str, object]]) -> DataFile:
    whose = {"teacher": TEACHER, "terms_sha256": str(rows[0]["terms_sha256"])} if kind in ("ledger", "traces") else {}
    return write_part(root, kind, name, rows_of(kind, rows), **whose)


def small_root(root: DataRoot) -> DataRoot:
    """Fill a data root with the two datasets, in one transaction that publishes."""
    files = [
        write(root, "prompts", "sums", [prompt(name, source_row=row) for row, name in enumerate("123456", 1)]),
        write(root, "plans", "sums", [planned("sums", name) for name in "123456"]),
        write(root, "plans", "echo", [planned("echo", "1")]),
        write(root, "ledger", "batch-0", [attempt("sums", name) for name in "123"]),
        write(root, "ledger", "batch-1", _without_answers()),
        write(root, "traces", "batch-0", [trace(name) for name in "123"]),
        write(root, "verdicts", "sums", _verdicts()),
        write(root, "duplicates", "sums", [_duplicate()]),
        write(root, "version_rows", "sums-1", [_version_row()]),
    ]
    with transaction(root, NOW, publish="now") as store:
        store.add_files(files)
        for table, rows in _tables().items():
            store.insert(table, rows)
    return root


def _without_answers() -> list[dict[str, object]]:
    nothing = {"prompt_tokens": None, "completion_tokens": None, "cost_usd": None, "body": None}
    failed = attempt("sums", "4", state="failed", outcome="rejected", status=400, error="bad request", **nothing)
    cut = attempt(
        "sums",
        "5",
        state="maybe_paid",
        outcome="connection",
        status=None,
        received_at=None,
        error="cut",
        **nothing,
    )
    return [failed, cut]


def _verdicts() -> list[dict[str, object]]:
    return [
        verdict("sums", "1", "kept", None),
        verdict("sums", "2", "kept", None),
        verdict("sums", "3", "rejected", "wrong_answer"),
    ]


def _duplicate() -> dict[str, object]:
    return {
        "dataset": "sums",
        "judge_run": "judge-sums",
        "trace_id": content_id("trace", "3", 0),
        "duplicate_of": content_id("trace", "2", 0),
        "kind": "near",
        "jaccard": 0.9,
        "teacher": TEACHER,
        "duplicate_of_teacher": TEACHER,
    }


def _version_row() -> dict[str, object]:
    return {
        "version": "sums@2026.11.21.1",
        "shard": "train-00000-of-00001.parquet",
        "row_index": 0,
        "split": "train",
        "trace_id": content_id("trace", "1", 0),
        "request_key": content_id("key", "1"),
        "prompt_id": content_id("1"),
        "teacher": TEACHER,
        "terms_id": "simulated",
        "terms_sha256": TERMS,
        "decision_id": "decision-publish",
    }


def _tables() -> dict[str, list[dict[str, object]]]:
    version = "sums@2026.11.21.1"
    return {
        "run": [_run("sums", "completed"), _run("echo", "running")],
        "plan": [plan("sums", 6), plan("echo", 1)],
        "decision": [decision()],
        "terms": [_terms()],
        "teacher": [_teacher()],
        "judge_run": [judge_run("sums", traces=3, kept=2)],
        "version": [
            {
                "version": version,
                "dataset": "sums",
                "folder": "shards/sums/2026.11.21.1",
                "content_digest": content_id("content"),
                "manifest_sha256": content_id("manifest"),
                "rows": 1,
                "train_rows": 1,
                "validation_rows": 0,
                "tokens": 20,
                "simulated": True,
                "recipe_sha256": content_id("recipe", "sums"),
                "judge_run": "judge-sums",
                "run_id": "run-sums",
                "published_at": NOW + timedelta(hours=2),
            }
        ],
        "shard": [
            {
                "version": version,
                "shard": "train-00000-of-00001.parquet",
                "split": "train",
                "rows": 1,
                "bytes": 2000,
                "sha256": content_id("shard"),
                "teacher": TEACHER,
                "terms_id": "simulated",
                "terms_sha256": TERMS,
            }
        ],
        "student_run": [
            {
                "student_run_id": "student-1",
                "version": version,
                "student": {"model": "tiny"},
                "student_sha256": content_id("student"),
                "model": "tiny",
                "device": "cpu",
                "state": "completed",
                "accuracy_before": 0.05,
                "accuracy_after": 0.75,
                "metrics": {"families": {"addition": 0.75}},
                "checkpoint": "students/student-1",
                "started_at": NOW + timedelta(hours=3),
                "ended_at": NOW + timedelta(hours=3, minutes=1),
                "run_id": "run-train",
                "simulated": True,
            }
        ],
    }


def _run(dataset: str, state: str) -> dict[str, object]:
    return {
        "run_id": f"run-{dataset}",
        "dataset": dataset,
        "flow": "distill",
        "recipe": {"dataset": dataset},
        "recipe_sha256": content_id("recipe", dataset),
        "started_at": NOW,
        "ended_at": NOW + timedelta(minutes=5) if state == "completed" else None,
        "state": state,
        "simulated": True,
    }


def _terms() -> dict[str, object]:
    return {
        "terms_id": "simulated",
        "terms_sha256": TERMS,
        "teacher": TEACHER,
        "weights_license": "Apache-2.0",
        "route": "simulated",
        "route_license": "Apache-2.0",
        "outputs_trainable": "yes",
        "conditions": [],
        "reviewed_by": "A. Reviewer",
        "reviewed_on": date(2026, 11, 1),
        "expires_on": date(2027, 11, 1),
        "text": {"sha256": content_id("text")},
    }


def _teacher() -> dict[str, object]:
    return {
        "teacher": TEACHER,
        "model": "simulated-teacher",
        "revision": None,
        "route": "simulated",
        "account": "simulated",
        "pool": "default",
        "base_url": "http://127.0.0.1:8909/v1",
        "simulated": True,
        "entry": {"name": TEACHER},
        "seen_at": NOW,
    }
