"""Data roots with judged answers in them: parts written, then listed in one transaction, as the line does."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from tasks.publish.order import Order
from tasks.publish.publication import Form, Publish, Published
from tasks.publish.publish import publish_kept
from tasks.right.gate import Admission, admit
from tasks.right.registry import load_teachers
from tasks.right.terms import Teacher
from warehouse.catalog import connect, transaction
from warehouse.layout import DataRoot
from warehouse.parts import write_part
from warehouse.records import SCHEMAS, content_id

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SHIPPED = Path(__file__).parents[2] / "infra" / "teachers"
OUTCOMES = ("kept", "rejected", "undecided", "quarantined")


@dataclass(frozen=True)
class Answer:
    """One judged answer to one question."""

    question: str
    reasoning: str | None
    answer: str
    outcome: str = "kept"
    reason: str | None = None
    teacher: str = "mine"
    sample: int = 0
    family: str | None = None
    tokens: int = 10
    messages: tuple[dict[str, str], ...] | None = None
    reference: str | None = None
    """What the prompt calls right; None: the answer itself."""
    verifier: str = "exact"
    metadata: str | None = None

    @property
    def own_messages(self) -> list[dict[str, str]]:
        return list(self.messages or [{"role": "user", "content": self.question}])

    @property
    def prompt_id(self) -> str:
        return content_id("prompt", json.dumps(self.own_messages), self.reference or self.answer, self.verifier)

    @property
    def request_key(self) -> str:
        return content_id("request", self.teacher, self.prompt_id, self.sample)

    @property
    def trace_id(self) -> str:
        return content_id("trace", self.request_key, self.reasoning, self.answer)


def sums(count: int, start: int = 0, **fields: object) -> list[Answer]:
    """Answers to `count` different questions."""
    return [
        Answer(f"What is {n} plus {n + 7}?", f"I add {n} and {n + 7} to get {2 * n + 7}.", str(2 * n + 7), **fields)
        for n in range(start, start + count)
    ]


def teachers(folder: Path, *names: str) -> dict[str, Teacher]:
    """Entries of a user's registry: `simulated` is the shipped one, every other a server of their own."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.yaml").write_text(
            f"name: {name}\nbase_url: http://127.0.0.1:9/v1\nmodel: {name}-7b\nlicense: MIT\n"
            "reviewed: {by: Ada Lovelace, on: 2026-11-01}\n"
        )
    return load_teachers([SHIPPED, folder])


@dataclass
class Judged:
    """A data root whose dataset has been asked and judged."""

    root: DataRoot
    dataset: str
    plan_id: str
    judge_run: str
    teachers: list[Teacher]
    publish: Publish = field(default_factory=lambda: Publish(validation_fraction=0.2))
    form: Form = "inline"
    ask: dict[str, object] = field(default_factory=dict)
    run_id: str = "run-1"
    now: datetime = NOW

    def admissions(self) -> tuple[Admission, ...]:
        return admit(self.root, self.teachers, "MIT", "publish", None, self.run_id, self.now)

    def order(self) -> Order:
        recipe = json.dumps({"dataset": self.dataset, "ask": self.ask})
        return Order(
            run_id=self.run_id,
            dataset=self.dataset,
            plan_id=self.plan_id,
            judge_run=self.judge_run,
            publish=self.publish,
            recipe=recipe,
            recipe_sha256="0" * 64,
            form=self.form,
            admissions=self.admissions(),
            now=self.now,
        )

    def published(self) -> Published:
        return publish_kept(self.root, self.order())

    def with_(self, **changes: object) -> "Judged":
        return replace(self, **changes)


def judged(
    root: DataRoot, answers: Sequence[Answer], *, dataset: str = "sums", parts: int = 1, turn: str = "1"
) -> Judged:
    """Write answers as `parts` parts of each kind and list them; `turn` names plan and judging."""
    judging = f"judging-{turn}"
    used, admitted = answered(root, answers, dataset=dataset, parts=parts, turn=turn)
    files = []
    for index in range(parts):
        verdicts = [_verdict(a, dataset, judging, admitted[a.teacher]) for a in answers[index::parts]]
        files.append(_part(root, "verdicts", f"{dataset}-{turn}-{index}", verdicts))
    counts = {outcome: sum(a.outcome == outcome for a in answers) for outcome in OUTCOMES}
    with transaction(root, NOW, publish="now") as store:
        store.add_files(files)
        store.execute("update store.judge_run set is_current = false where dataset = ?", [dataset])
        store.insert("judge_run", [{
            "judge_run": judging, "dataset": dataset, "plan_id": f"plan-{turn}", "rule_set": "rules", "judged_at": NOW,
            "traces": len(answers), "is_current": True, **counts,
        }])  # fmt: skip
    return Judged(root, dataset, f"plan-{turn}", judging, used)


def answered(
    root: DataRoot, answers: Sequence[Answer], *, dataset: str = "sums", parts: int = 1, turn: str = "1"
) -> tuple[list[Teacher], dict[str, Admission]]:
    """Write prompts, a plan, and what was answered, in `parts` parts of each kind, and list them unjudged; the teachers
    and what the gate said of each."""
    root.create()
    known = teachers(root.path / "teachers", *{a.teacher for a in answers} - {"simulated"})
    used = [known[name] for name in sorted({a.teacher for a in answers})]
    admitted = {a.teacher.name: a for a in admit(root, used, "MIT", "ask", None, f"ask-{turn}", NOW)}
    plan = f"plan-{turn}"
    with closing(connect(root)) as connection:
        bought = {trace_id for (trace_id,) in connection.execute("select trace_id from traces").fetchall()}
    files = []
    for index in range(parts):
        share = answers[index::parts]
        name = f"{dataset}-{turn}-{index}"
        files.append(_part(root, "prompts", name, list({a.prompt_id: _prompt(a) for a in share}.values())))
        files.append(_part(root, "plans", name, [_planned(a, dataset, plan) for a in share]))
        for teacher in sorted({a.teacher for a in share}):
            own = [a for a in share if a.teacher == teacher and a.trace_id not in bought]
            terms = {"teacher": teacher, "terms_sha256": admitted[teacher].teacher.terms_sha256}
            rows = [_trace(a, dataset, admitted[teacher]) for a in own]
            for kind in ("ledger", "traces") if rows else ():
                files.append(_part(root, kind, f"{name}-{teacher}", rows, **terms))
    with transaction(root, NOW, publish="soon") as store:
        store.add_files(files)
        store.execute("update store.plan set is_current = false where dataset = ?", [dataset])
        store.insert("plan", [{
            "plan_id": plan, "dataset": dataset, "wanted": len(answers), "planned_at": NOW, "is_current": True,
        }])  # fmt: skip
    return used, admitted


def _part(root: DataRoot, kind: str, name: str, rows: list[dict[str, object]], **terms: str):
    names = SCHEMAS[kind].names
    return write_part(root, kind, name, pa.Table.from_pylist(
        [{column: row.get(column) for column in names} for row in rows], schema=SCHEMAS[kind]
    ), **terms)  # fmt: skip


def _prompt(a: Answer) -> dict[str, object]:
    return {
        "prompt_id": a.prompt_id, "question": a.question, "messages": a.own_messages, "metadata": a.metadata,
        "reference": (a.reference or a.answer) if a.verifier != "none" else None, "verifier": a.verifier,
        "family": a.family, "source": "made.jsonl", "source_row": 1, "license": "MIT",
    }  # fmt: skip


def _planned(a: Answer, dataset: str, plan: str) -> dict[str, object]:
    return {
        "plan_id": plan, "dataset": dataset, "request_key": a.request_key, "prompt_id": a.prompt_id,
        "sample_index": a.sample, "teacher": a.teacher, "max_tokens": 100,
    }  # fmt: skip


def _verdict(a: Answer, dataset: str, judging: str, admission: Admission) -> dict[str, object]:
    return {
        "trace_id": a.trace_id, "prompt_id": a.prompt_id, "request_key": a.request_key, "dataset": dataset,
        "judge_run": judging, "rule_set": "rules", "outcome": a.outcome, "reason": a.reason, "signals": "{}",
        "teacher": a.teacher, "terms_sha256": admission.teacher.terms_sha256, "judged_at": NOW,
    }  # fmt: skip


def _trace(a: Answer, dataset: str, admission: Admission) -> dict[str, object]:
    """One dictionary for the attempt and for its trace: each takes the columns it has."""
    teacher = admission.teacher
    return {
        "attempt_id": content_id("attempt", a.trace_id), "request_key": a.request_key, "prompt_id": a.prompt_id,
        "sample_index": a.sample, "dataset": dataset, "run_id": "ask", "batch_id": "b", "teacher": a.teacher,
        "route": teacher.route, "teacher_model": teacher.model, "terms_id": teacher.terms_id,
        "terms_sha256": teacher.terms_sha256, "decision_id": admission.decision_id, "simulated": teacher.simulated,
        "state": "paid", "outcome": "ok", "max_tokens": 100, "sent_at": NOW, "received_at": NOW + timedelta(seconds=1),
        "trace_id": a.trace_id, "reasoning": a.reasoning, "answer": a.answer, "content": a.answer,
        "finish_reason": "stop", "headers": "{}",
        "body": f"{a.reasoning} {a.answer}".encode(), "text_hash": content_id("text", a.reasoning, a.answer),
        "completion_tokens": a.tokens, "usage_source": "reported",
    }  # fmt: skip
