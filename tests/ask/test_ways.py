"""Which samples go directly and which by batch."""

import pytest
from asking import teacher_at

from tasks.ask.batch_files import BatchFile
from tasks.ask.ways import Way, part_ways
from tasks.right.terms import BatchTerms
from warehouse.errors import BadInput

PLAIN = teacher_at("http://127.0.0.1:1/v1")
TEACHERS = {"plain": PLAIN, "able": PLAIN.model_copy(update={"batch": BatchTerms()})}


def files(*teachers: str) -> tuple[BatchFile, ...]:
    return tuple(BatchFile(f"b-{at}", f"/b-{at}", 100, name, "first") for at, name in enumerate(teachers))


def names(way: Way, *teachers: str, first_direct: int = 0, answered: int = 0) -> tuple[list[str], list[str]]:
    direct, by_batch = part_ways(files(*teachers), way, TEACHERS, first_direct, answered)
    return [batch.name for batch in direct], [batch.name for batch in by_batch]


def test_by_default_nothing_goes_by_batch() -> None:
    assert names("direct", "able", "able") == (["b-0", "b-1"], [])


def test_by_batch_go_those_whose_teacher_has_a_batch_api() -> None:
    assert names("batch", "able", "plain", "able") == (["b-1"], ["b-0", "b-2"])


def test_of_a_tail_the_first_samples_are_asked_directly_over_all_runs() -> None:
    assert names("tail", "able", "able", "able", first_direct=150) == (["b-0", "b-1"], ["b-2"])
    assert names("tail", "able", "able", "able", first_direct=150, answered=100) == (["b-0"], ["b-1", "b-2"])
    assert names("tail", "able", first_direct=150, answered=150) == ([], ["b-0"])


def test_without_any_batch_api_the_recipe_is_wrong() -> None:
    teachers = {"plain": PLAIN}
    with pytest.raises(BadInput, match=r"ask_by is 'batch', and teacher 'plain' has no batch API .* `batch: \{\}`"):
        part_ways(files("plain"), "batch", teachers, 0, 0)
