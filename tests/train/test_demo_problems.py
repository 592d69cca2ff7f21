"""The demo's problems: seeded, never one twice, right, and of every family enough."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from flows.demo import PROBLEMS, SEED
from flows.demo_problems import DEMO_STUDENT, demo_problems, write_demo_problems
from tasks.train.student import Student


def test_the_same_seed_gives_the_same_problems_and_another_seed_others() -> None:
    first = list(demo_problems(90, seed=1))
    assert first == list(demo_problems(90, seed=1))
    assert first != list(demo_problems(90, seed=2))
    assert list(demo_problems(30, seed=1)) == first[:30]


def test_as_many_as_the_demo_asks_are_all_different_and_of_every_family() -> None:
    problems = list(demo_problems(PROBLEMS, SEED))
    assert len({problem["prompt"] for problem in problems}) == PROBLEMS
    families = Counter(problem["family"] for problem in problems)
    assert set(families) == {"sums", "sequences", "word problems"}
    assert min(families.values()) >= PROBLEMS // 5


def test_every_reference_is_right() -> None:
    for problem in demo_problems(600, seed=7):
        numbers = [int(found) for found in re.findall(r"\d+", problem["prompt"])]
        assert int(problem["reference"]) == _solved(problem["family"], numbers), problem


def test_more_than_there_are_is_an_error_and_not_an_endless_search() -> None:
    with pytest.raises(ValueError, match="ask for fewer"):
        list(demo_problems(200_000, seed=1))


def test_problems_are_written_one_a_line(tmp_path: Path) -> None:
    write_demo_problems(tmp_path / "problems.jsonl", 12, seed=5)
    lines = (tmp_path / "problems.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == list(demo_problems(12, seed=5))


def test_the_demo_student_is_a_student() -> None:
    assert Student(**DEMO_STUDENT).is_tiny


def _solved(family: str, numbers: list[int]) -> int:
    if family == "sequences":
        return numbers[-1] + numbers[1] - numbers[0]
    a, b, c = numbers
    return a + b + c if family == "sums" else a + b - c
