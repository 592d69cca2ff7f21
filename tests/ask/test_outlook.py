"""Where a run is heading: by each teacher's own mean, and as unknown as what it rests on."""

import pytest

from tasks.ask.outlook import Lane, project, samples_that_fit
from tasks.ask.spend import Amount, Ceiling, Standing

CHEAP = Lane("one", planned=100, ended=50, asked=50, tokens=5_000, usd=0.5)
DEAR = Lane("two", planned=10, ended=5, asked=5, tokens=5_000, usd=5.0)
NEW = Lane("three", planned=10, ended=0, asked=0, tokens=0, usd=0.0)


def standing(account: str | None = None, spent: Amount = Amount(), **ceiling: float) -> Standing:  # noqa: B008
    return Standing("the budget", Ceiling(**ceiling), spent, Amount(), account)  # type: ignore[arg-type]


def test_each_teacher_goes_on_by_its_own_mean() -> None:
    outlook = project([CHEAP, DEAR], [], 60.0)
    assert (outlook.tokens, outlook.usd) == (20_000, 11.0)
    assert (outlook.ends_first, outlook.samples_left) == ("rows", 55)
    assert outlook.seconds_left == pytest.approx(60.0)


def test_what_is_not_known_stays_unknown() -> None:
    outlook = project([CHEAP, NEW], [standing(tokens=10**9)], 60.0)
    assert (outlook.tokens, outlook.seconds_left, outlook.ends_first) == (None, None, None)
    unpriced = Lane("one", 10, 5, 5, 100, None)
    assert project([CHEAP, unpriced], [], 1.0).usd is None


def test_a_budget_that_is_used_up_before_the_rows_ends_it_first() -> None:
    outlook = project([CHEAP], [standing(spent=Amount(50, 5_000, 0.5), tokens=7_000)], 60.0)
    assert (outlook.ends_first, outlook.samples_left) == ("the budget", 20)
    assert outlook.seconds_left == pytest.approx(60.0 * 20 / 50)


def test_the_budget_of_an_account_concerns_its_own_teachers_alone() -> None:
    outlook = project([CHEAP, DEAR], [standing("two", Amount(5, 5_000, 5.0), usd=7.0)], 60.0)
    assert (outlook.ends_first, outlook.samples_left) == ("the budget", 52)


def test_how_many_samples_fit_is_the_tightest_of_the_ceilings() -> None:
    assert samples_that_fit(Ceiling(requests=7, tokens=1000), 100, 5_000.0, None) == 7
    assert samples_that_fit(Ceiling(tokens=1000), 100, 5_000.0, None) == 20
    assert samples_that_fit(Ceiling(usd=1.0), 100, 5_000.0, 200.0) == 0
    assert samples_that_fit(Ceiling(tokens=10**6), 100, 5_000.0, None) == 100
    assert samples_that_fit(Ceiling(), 100, 5_000.0, None) is None
