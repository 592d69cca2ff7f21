"""A data root whose recall reaches rows that the recalled teacher never gave: it judged them, or wrote their prompts.

`mine` answers twenty sums that a rule can check, twelve that none can, and six that `author` wrote. `theirs` is asked
about the twelve, as an LLM judge, and about nothing else: it finds eight right, two wrong, and cannot tell of two.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from publish.kept_answers import NOW, Answer, Judged, answered, sums
from recall.drilled import Drill, find, list_run, published, recipe, settings, train

from flows.recipe import Recipe, parse_recipe
from tasks.judge.judge import judge_answers
from tasks.judge.opinion import LlmJudge, dataset_of
from tasks.judge.questions_to_judge import write_questions
from tasks.recall.students import add_student
from tasks.right.terms import Teacher
from warehouse.layout import DataRoot

SAID = ("correct",) * 8 + ("incorrect",) * 2 + ("unsure",) * 2
CHECKED = sums(20, start=1_000)
OPEN = [replace(a, verifier="numeric", reference=f"either 3 or else {a.answer}") for a in sums(12, start=2_000)]
WRITTEN = sums(6, start=3_000, metadata='{"written_by": "author"}')
ON_ITS_WORD = {a.trace_id for a, said in zip(OPEN, SAID, strict=True) if said == "correct"}
_REPLIES = {a.answer: said for a, said in zip(OPEN, SAID, strict=True)}


def drill(path: Path) -> Drill:
    """Make it. Version 1 holds the twenty alone, version 2 all that rules and the judge kept."""
    root, known = DataRoot(path / "data"), parse_recipe(by_llm(), "here")
    used, _ = answered(root, CHECKED, turn="1")
    versions = [published(*_judged(root, used, known, 1), 1)]
    answered(root, [*CHECKED, *OPEN, *WRITTEN], turn="2")
    _, without = _judged(root, used, known, 2)
    answered(root, _replies(root, without, known), dataset=dataset_of("sums"), turn="opinions")
    versions.append(published(*_judged(root, used, known, 2), 2))
    train(root, {"before": versions[0], "after": versions[1]})
    add_student(root, "small-copy", ("after",), "quantise", "4 bit", NOW)
    return Drill(settings(root), tuple(versions))


def by_llm() -> dict[str, Any]:
    made = recipe()
    return {**made, "teachers": ["mine"], "judge": {**dict(made["judge"]), "llm": {"teacher": "theirs"}}}


def _judged(root: DataRoot, used: list[Teacher], known: Recipe, number: int) -> tuple[Judged, str]:
    list_run(root, known, number)
    find(root, known.judge)
    at, plan = NOW.replace(hour=12 + number), f"plan-{number}"
    found = judge_answers(root, f"run-{number}", "sums", plan, known.judge, at)
    return Judged(root, "sums", plan, found.judge_run, used), found.judge_run


def _replies(root: DataRoot, judge_run: str, known: Recipe) -> list[Answer]:
    """What `theirs` says to the questions that the line writes for it."""
    llm = known.judge.llm or LlmJudge(teacher="theirs")
    file, _ = write_questions.fn(root, "sums", judge_run, llm)
    questions = [(row, said) for row in pq.read_table(file).to_pylist() for said in _said_to(row["prompt"])]
    return [
        Answer(row["prompt"], f"I work out number {n} by myself and compare the two.", f"Answer: {said}",
               teacher="theirs", verifier="none", metadata=row["metadata"])
        for n, (row, said) in enumerate(questions)
    ]  # fmt: skip


def _said_to(prompt: str) -> list[str]:
    return [said for answer, said in _REPLIES.items() if f"\n{answer}\n" in prompt]
