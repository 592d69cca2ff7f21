"""A student learns what its version teaches; a control that is given others' answers learns nothing but the form."""

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest
from train.taught import publish_problems

from tasks.train.scores import compare, wilson
from tasks.train.student import Student
from tasks.train.train_student import make_job
from warehouse.layout import DataRoot
from warehouse.manifest import load_manifest

HELD_OUT = 120
STUDENT = Student(
    model="tiny",
    max_steps=300,
    batch_size=16,
    learning_rate=2e-3,
    adam_beta2=0.98,
    max_length=64,
    max_new_tokens=32,
    eval_batch_size=HELD_OUT,
)


def small_sums() -> list[dict[str, str]]:
    """All 729 sums of three digits from 1 to 9, in a fixed order of chance."""
    sums = [
        {"prompt": f"What is {a} + {b} + {c}?", "reference": str(a + b + c), "family": "sums"}
        for a, b, c in product(range(1, 10), repeat=3)
    ]
    Random(4).shuffle(sums)
    return sums


def learned(root: DataRoot, shuffle: bool) -> Mapping[str, list[tuple[str, bool]]]:
    """Train in this process; what the student got right before and after."""
    from tasks.train.trainer import train  # each process of the tests collects this file, and few run it

    publish_problems(root, small_sums(), HELD_OUT, shuffle=shuffle)
    folder = root.version("taught", "2026.11.21.1")
    job = make_job(root, folder, load_manifest(folder), STUDENT, "cpu")
    train(job)
    found: Mapping[str, list[tuple[str, bool]]] = json.loads(job.result.read_text())
    return found


@pytest.mark.slow
def test_a_student_learns_and_a_control_on_shuffled_answers_stays_at_chance(tmp_path: Path) -> None:
    taught = learned(DataRoot(tmp_path / "taught").create(), shuffle=False)
    scores = compare(taught["before"], taught["after"])
    assert scores is not None and scores.prompts == HELD_OUT
    assert scores.after_interval[0] - scores.before_interval[1] >= 0.5

    root = DataRoot(tmp_path / "control").create()
    control = sum(right for _, right in learned(root, shuffle=True)["after"])
    assert wilson(control, HELD_OUT)[0] <= _chance(), f"{control} of {HELD_OUT} right"
    [answers] = (root.students).glob("*/heldout.parquet")
    said = [answer["after"] for answer in pq.read_table(answers).to_pylist()]
    assert sum("Answer:" in text for text in said) > HELD_OUT / 2, "it learned the form, so it was trained at all"


def _chance() -> float:
    """The share that the most frequent answer would get: the best that can be done without reading the question."""
    answers = [problem["reference"] for problem in small_sums()]
    return max(answers.count(answer) for answer in set(answers)) / len(answers)
