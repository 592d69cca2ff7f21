"""A data root for a recall, made by the line's own functions: two teachers, three versions, two students, a descendant.

`theirs` is recalled. It answers forty questions; `mine` answers twenty of them in the very same words, so that one of
each pair loses, and twenty others.
"""

import json
import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
from publish.kept_answers import NOW, SHIPPED, Answer, Judged, judged, sums

from flows.recipe import Recipe, parse_recipe
from flows.settings import Settings
from tasks.judge.judge import judge_answers
from tasks.judge.opinion import dataset_of
from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import INPUTS, judge_rows
from tasks.judge.rules import row_rule_set
from tasks.judge.statements import statement
from tasks.publish.publication import Publish
from tasks.recall.students import add_student
from warehouse.catalog import connect, transaction
from warehouse.layout import DataRoot
from warehouse.parts import write_part
from warehouse.records import SCHEMAS, content_id

EARLY = [replace(a, teacher="mine") for a in sums(20, start=1_000)]
SHARED = sums(20, start=2_000, teacher="theirs")
SAME = [replace(a, teacher="mine") for a in SHARED]
LATE = sums(20, start=3_000, teacher="theirs")
STUDENTS = ("student-of-one", "student-of-two")


@dataclass(frozen=True)
class Drill:
    """The data root, its versions in order, and the environment that flows read."""

    here: Settings
    versions: tuple[str, ...]

    @property
    def root(self) -> DataRoot:
        return self.here.root

    def ask(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(connect(self.root)) as connection:
            return connection.execute(sql, list(parameters)).fetchall()


def drill(path: Path) -> Drill:
    """Make it. Version 1 holds `mine` alone, 2 and 3 both."""
    root = DataRoot(path / "data")
    rounds = (EARLY, [*EARLY, *SHARED, *SAME], [*EARLY, *SHARED, *SAME, *LATE])
    versions = tuple(_version(root, answers, number) for number, answers in enumerate(rounds, 1))
    train(root, dict(zip(STUDENTS, versions[:2], strict=False)))
    add_student(root, "small-copy", ("student-of-two",), "quantise", "4 bit", NOW)
    return Drill(settings(root), versions)


def settings(root: DataRoot) -> Settings:
    """What flows read: this data root, and its own teachers beside the shipped ones."""
    return Settings(root, (SHIPPED, root.path / "teachers"), None, 1)


def copy(made: Drill, path: Path) -> Drill:
    """The same in another folder."""
    shutil.copytree(made.root.path, path)
    return replace(made, here=settings(DataRoot(path)))


def recipe() -> dict[str, object]:
    return {
        "dataset": "sums",
        "prompts": {"source": "/made.jsonl", "columns": {"prompt": "prompt"}, "license": "MIT"},
        "teachers": ["mine", "theirs"],
        "publish": {"validation_fraction": 0.2},
        "judge": {"screens": {"accuracy": None, "style": None, "family": None}},
    }


def _version(root: DataRoot, answers: list[Answer], number: int) -> str:
    line = judged(root, answers, turn=str(number))
    known = parse_recipe(recipe(), "here")
    list_run(root, known, number)
    find(root, known.judge)
    found = judge_answers(root, f"run-{number}", "sums", line.plan_id, known.judge, _at(number))
    assert found.kept >= 20, found
    return published(line, found.judge_run, number)


def _at(number: int) -> datetime:
    return NOW.replace(hour=12 + number)


def list_run(root: DataRoot, known: Recipe, number: int) -> None:
    """List a run by a recipe, which a recall judges and publishes again by."""
    row = {
        "run_id": f"run-{number}", "dataset": "sums", "flow": "distill", "recipe": known.model_dump_json(),
        "recipe_sha256": known.sha256, "started_at": _at(number), "ended_at": _at(number), "state": "completed",
        "simulated": False,
    }  # fmt: skip
    with transaction(root, _at(number), publish="now") as store:
        store.insert("run", [row])


def published(line: Judged, judge_run: str, number: int) -> str:
    """Publish what a judging kept; the version."""
    at = _at(number)
    ready = line.with_(judge_run=judge_run, now=at, run_id=f"run-{number}", publish=Publish(validation_fraction=0.2))
    return ready.published().version


def train(root: DataRoot, students: dict[str, str]) -> None:
    """List students as trained, each on a version."""
    rows = [
        {"student_run_id": name, "version": version, "model": "tiny", "state": "completed", "started_at": NOW,
         "simulated": False, "student": json.dumps({"model": "tiny"})}
        for name, version in students.items()
    ]  # fmt: skip
    with transaction(root, NOW, publish="now") as store:
        store.insert("student_run", rows)


def find(root: DataRoot, policy: JudgePolicy) -> None:
    """Judge row by row what is not judged yet, as Ray's workers do, in this process: a Ray takes longer to start."""
    row_rules = row_rule_set(policy, ())
    with closing(connect(root)) as connection:
        opinions = dataset_of("sums") if policy.llm else ""
        connection.execute(statement("asked"), {"dataset": "sums", "opinions": opinions})
        connection.execute(f"create temp table known as {statement('known')}", {"row_rules": row_rules})
        inputs = statement("inputs").replace("read_parquet($known)", "known")
        found = judge_rows(connection.sql(inputs).to_arrow_table().cast(INPUTS), policy).to_pylist()
    files = []
    for teacher, group in groupby(sorted(found, key=lambda row: row["teacher"]), key=lambda row: row["teacher"]):
        rows = [{"row_rules": row_rules, **row} for row in group]
        table = pa.Table.from_pylist(rows, schema=SCHEMAS["findings"])
        terms = {"teacher": teacher, "terms_sha256": rows[0]["terms_sha256"]}
        files.append(write_part(root, "findings", f"{teacher}-{content_id(str(rows))}", table, **terms))
    with transaction(root, NOW, publish="now") as store:
        store.add_files(files)
