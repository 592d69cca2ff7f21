"""The rules against the simulated teacher's planted faults: it knows the truth, and its wordings are not the rules'."""

import pytest
from judge.planted import CAUGHT_BY, Row, judged, tally

ROWS = 1_500
ENOUGH = 0.98


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return judged(ROWS)


@pytest.mark.parametrize("fault", CAUGHT_BY)
def test_the_rule_of_a_planted_fault_finds_it_and_nothing_else(fault: str, rows: list[Row]) -> None:
    found = tally(rows, fault)
    assert found.planted >= 30
    assert min(found.recall, found.precision) >= ENOUGH, found


def test_a_row_in_which_nothing_was_planted_is_kept(rows: list[Row]) -> None:
    clean = [row.found for row in rows if not row.planted]
    assert len(clean) > ROWS / 2
    assert sum(found != {"None"} for found in clean) == 0
