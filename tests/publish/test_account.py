"""The sums that publishing asserts."""

import pytest

from tasks.publish.account import check_kept, check_sums
from warehouse.errors import BadInput, RunFailed

FUNNEL = {
    "wanted": 20,
    "reused": 2,
    "answered": 10,
    "failed": 3,
    "maybe_paid": 1,
    "not_asked": 4,
    "kept": 7,
    "rejected": 3,
    "undecided": 1,
    "quarantined": 1,
}


def test_sums_that_hold_pass() -> None:
    check_sums("sums", FUNNEL)


def test_a_wanted_sample_that_is_nowhere_stops_the_publication() -> None:
    with pytest.raises(RunFailed, match="wanted 20 is not reused 2 .* failed 2 .*nothing was published"):
        check_sums("sums", FUNNEL | {"failed": 2})


def test_answers_without_a_verdict_ask_for_judging() -> None:
    with pytest.raises(BadInput, match="12 answers and 11 verdicts: judge again"):
        check_sums("sums", FUNNEL | {"quarantined": 0})


def test_more_verdicts_than_answers_stop_the_publication() -> None:
    with pytest.raises(RunFailed, match=r"reused \+ answered 12 is not kept 8"):
        check_sums("sums", FUNNEL | {"kept": 8})


def test_kept_rows_that_are_not_found_stop_the_publication() -> None:
    check_kept("sums", "judging-1", 7, 7)
    with pytest.raises(BadInput, match="keeps 7 answers by its current judging, judging-1 has 6"):
        check_kept("sums", "judging-1", 7, 6)
