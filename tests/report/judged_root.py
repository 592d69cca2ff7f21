"""A data root with everything a report shows, judged by the real judge; the faults are the simulated teacher's.

Two teachers, planted faults, drift, open samples, a hostile trace, evaluation questions, duplicates, prices, a version.
"""

import json
import random
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import ray
from judge.answered import DATASET, NOW, PLAN, Answered, fill
from small_warehouse import rows_of

from infra.simulated_teacher.faults import compose
from infra.simulated_teacher.question import parse_question
from infra.simulated_teacher.solver import solve
from infra.simulated_teacher.switches import Switches
from tasks.judge.judge import judge_answers
from tasks.judge.policy import JudgePolicy
from tasks.judge.screens.policy import AccuracyScreen, Screens
from tasks.judge.screens.screening import Asked, screen_teachers
from warehouse.catalog import connect, transaction
from warehouse.layout import DataRoot
from warehouse.parts import write_part

VERSION = "sums@2026.11.21.1"
HOSTILE = '<script>alert("owned")</script><img src=x onerror=alert(1)></pre>{{ 7 * 7 }}'
FAULTS = ("truncated", "refusals", "empty_content", "repeats", "identity_leaks", "injections", "foreign_scripts")
EVAL_QUESTION = (
    "A baker sells nine loaves in the morning and four more loaves in the afternoon, how many loaves is that?"
)


@dataclass(frozen=True)
class Sample(Answered):
    """An answered sample with a family, a price, a time of its own."""

    family: str | None = None
    usd: float | None = None
    seconds: int = 0
    latency_s: float = 1.0

    def identity(self) -> dict[str, object]:
        return super().identity() | {"simulated": self.teacher == "north", "route": "simulated"}

    def prompt(self) -> dict[str, object]:
        return super().prompt() | {"family": self.family}

    def _timed(self) -> dict[str, object]:
        sent = NOW + timedelta(seconds=self.seconds)
        received = sent + timedelta(seconds=self.latency_s)
        return {"received_at": received, "latency_s": self.latency_s, "cost_usd": self.usd}

    def attempt(self) -> dict[str, object]:
        return super().attempt() | self._timed() | {"sent_at": NOW + timedelta(seconds=self.seconds)}

    def trace(self) -> dict[str, object]:
        return super().trace() | self._timed() | {"completion_tokens": len(self.answer) // 4}


def samples(count: int, seed: int = 7) -> list[Sample]:
    """Sums by two teachers; `north` answers wrong far more often in its last quarter."""
    draws, made = random.Random(seed), []
    steady = Switches(styles=50).changed({**dict.fromkeys(FAULTS, 0.03), "wrong_answers": 0.05})
    failing = steady.changed({"wrong_answers": 0.4})
    for number in range(count):
        teacher = ("north", "south")[number % 2]
        left, right, last = (draws.randrange(100, 1000) for _ in range(3))
        shape = number // 2 % 3
        text = (
            f"What is {left} + {right} - {last}?",
            f"What is {left} + {right}?",
            f"What is {left} * {right % 100}?",
        )[shape]
        body = {"model": "simulated-teacher", "messages": [{"role": "user", "content": text}], "max_tokens": 512}
        question = parse_question(json.dumps(body).encode(), f"key-{number}")
        switches = failing if teacher == "north" and number > 0.75 * count else steady
        reply = compose(switches, seed, question, solve(text), 1)
        reference = str((left + right - last, left + right, left * (right % 100))[shape])
        made.append(Sample(
            text, reply.content, reply.reasoning, reference, "numeric", teacher=teacher, sample=number,
            finish_reason="stop" if reply.complete else "length", outcome="ok" if reply.complete else "truncated",
            family=("three terms", "two terms", "products")[shape], seconds=number,
            usd=0.0001 + 0.00001 * (number % 7) if teacher == "north" else None,
            latency_s=0.4 + draws.expovariate(0.5) + (0.5 if teacher == "south" else 0.0),
        ))  # fmt: skip
    return made


def odd(first: Sample) -> list[Sample]:
    """What a line meets besides: a hostile trace, evaluation questions, duplicates, and samples without an answer."""
    same = {"reasoning": first.reasoning, "reference": first.reference, "verifier": "numeric", "family": first.family}
    hostile = Sample(
        f"What is 1 + 1? {HOSTILE}",
        f"{HOSTILE} It is 3.",
        f"{HOSTILE}\nI add.",
        "2",
        "numeric",
        teacher="north",
        usd=0.0001,
    )
    solved = ("It is 13 loaves, so 13.", "Nine and four.", "13", "numeric")
    tested = [Sample(EVAL_QUESTION, *solved, teacher="south", sample=number) for number in range(2)]
    same |= {"teacher": first.teacher, "usd": first.usd}
    copies = [Sample(first.question, first.answer, sample=10_000 + n, seconds=n, **same) for n in (1, 2, 3)]
    states = ("failed", "maybe_paid", None, None)
    unanswered = [Sample(f"What is {n} + 1?", state=state, teacher="south") for n, state in enumerate(states)]
    return [hostile, *tested, *copies, *alike(), *unanswered]


def alike() -> list[Sample]:
    """Near duplicates: long answers to one prompt, and to prompts with other numbers, a few words apart."""
    words = [f"word{n}" for n in range(80)]
    made = []
    for number in range(12):
        own = [*words[: 70 - number], *(f"other{number}x{n}" for n in range(number // 2))]
        question = "Tell a story of words." if number < 8 else f"Tell story {number} of words."
        more = "" if number < 8 else f" {number} {number} {number}"
        made.append(Sample(question, " ".join(own) + more, teacher="south", sample=number, seconds=number))
    return made


def make(root: DataRoot, count: int = 400) -> DataRoot:
    """Fill, judge and version the data root. Ray must be initialised."""
    answers = samples(count)
    good = next(each for each in answers if each.outcome == "ok" and each.answer and each.reference in each.answer)
    fill(root, [*answers, *odd(good)])
    pack = root.path / "exam.jsonl"
    pack.write_text(json.dumps({"question": EVAL_QUESTION}) + "\n")
    policy = JudgePolicy(eval_packs=(pack,), annotate=("identity",))
    _screen(root)
    judged = judge_answers(root, "run-1", DATASET, PLAN, policy, NOW + timedelta(hours=1))
    _describe(root)
    _version(root, judged.judge_run)
    return root


def _screen(root: DataRoot) -> None:
    screens = Screens(accuracy=AccuracyScreen(window=40, alpha=0.1), style=None)
    asked = [Asked(name, f"{name}-model", ()) for name in ("north", "south")]
    screen_teachers.fn(root, "run-1", DATASET, screens, asked, "tiny", 1, NOW + timedelta(hours=1))


def _describe(root: DataRoot) -> None:
    with transaction(root, NOW, publish="now") as store:
        store.insert("terms", [{
            "terms_id": "terms", "terms_sha256": f"terms of {teacher}", "teacher": teacher,
            "weights_license": "Apache-2.0", "route": "simulated", "route_license": "Apache-2.0",
            "outputs_trainable": "yes", "conditions": [],
            "reviewed_by": "A. Reviewer", "reviewed_on": date(2026, 11, 1), "expires_on": date(2027, 11, 1), "text": {},
        } for teacher in ("north", "south")])  # fmt: skip


def _version(root: DataRoot, judge_run: str) -> None:
    """All kept rows but three, which are held back."""
    with closing(connect(root)) as connection:
        sql = "select trace_id, request_key, prompt_id, teacher, terms_sha256 from kept order by trace_id"
        found = connection.execute(sql)
        names = [column[0] for column in found.description]
        kept = [dict(zip(names, row, strict=True)) for row in found.fetchall()][3:]
    shard = {"version": VERSION, "shard": "train-00000-of-00001.parquet", "split": "train", "terms_id": "terms",
             "decision_id": "decision"}  # fmt: skip
    rows = [{**shard, **row, "row_index": number} for number, row in enumerate(kept)]
    part = write_part(root, "version_rows", "sums-1", rows_of("version_rows", rows))
    with transaction(root, NOW, publish="now") as store:
        store.add_files([part])
        store.insert("version", [{
            "version": VERSION, "dataset": DATASET, "folder": "shards/sums/2026.11.21.1", "content_digest": "d",
            "manifest_sha256": "m", "rows": len(rows), "train_rows": len(rows), "validation_rows": 0, "tokens": 1,
            "simulated": True, "recipe_sha256": "r", "judge_run": judge_run, "run_id": "run-1",
            "published_at": NOW + timedelta(hours=2),
        }])  # fmt: skip


def make_with_own_ray(path: Path, count: int = 400) -> DataRoot:
    """`make`, with a small Ray of its own where none is running."""
    started = not ray.is_initialized()
    if started:
        ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False,
                 object_store_memory=128 * 2**20)  # fmt: skip
    try:
        return make(DataRoot(path).create(), count)
    finally:
        if started:
            ray.shutdown()


__all__ = ["DATASET", "HOSTILE", "VERSION", "make_with_own_ray"]
