"""A ceiling is never broken, whatever the requests turn out to cost."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ask.spend import Amount, Book, Ceiling, Rates, SpendReport, check_priced
from warehouse.errors import BadInput

WORST, NOTHING = Amount(1, 1000, 0.01), Amount()


def report(worker: str = "a", wants: int = 0, released: Amount = NOTHING, spent: Amount = NOTHING) -> SpendReport:
    return SpendReport(worker, "run-1", released, spent, (WORST,) * wants)


def times(count: int, amount: Amount) -> Amount:
    return Amount(count * amount.requests, count * amount.tokens, count * amount.usd)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), tokens=st.integers(0, 60_000), before=st.integers(0, 20_000))
def test_a_ceiling_on_tokens_is_never_broken_and_less_than_one_worst_case_is_left(
    seed: int, tokens: int, before: int
) -> None:
    rng = random.Random(seed)
    book = Book(Ceiling(tokens=tokens), Amount(0, before, 0.0))
    held = dict.fromkeys("abc", 0)
    released = dict.fromkeys("abc", Amount())
    spent = dict.fromkeys("abc", Amount())
    is_over = False
    while not is_over:
        worker = rng.choice("abc")
        for _ in range(rng.randint(0, held[worker])):
            held[worker] -= 1
            released[worker] += WORST
            spent[worker] += Amount(1, rng.randint(1, WORST.tokens), 0.0)
        reserve = book.exchange(report(worker, rng.randint(1, 8), released[worker], spent[worker]))
        held[worker] += reserve.requests
        billed = before + sum(amount.tokens for amount in spent.values())
        assert billed + sum(held.values()) * WORST.tokens <= max(tokens, before)
        is_over = reserve.left is not None
    assert sum(held.values()) == 0
    assert max(tokens, before) - billed < WORST.tokens


def test_what_does_not_fit_waits_while_something_in_flight_may_turn_out_cheaper() -> None:
    book = Book(Ceiling(requests=10, tokens=2500), Amount())
    assert book.exchange(report(wants=5)).requests == 2
    waiting = book.exchange(report("b", wants=1))
    assert (waiting.requests, waiting.left) == (0, None)
    book.exchange(report(released=times(2, WORST), spent=Amount(2, 300, 0.0)))
    assert book.exchange(report("b", wants=1)).requests == 1


def test_nothing_fits_any_more_says_what_is_left() -> None:
    book = Book(Ceiling(usd=0.015), Amount(7, 7000, 0.01))
    left = book.exchange(report(wants=3)).left
    assert left is not None and left.usd == pytest.approx(0.005)


def test_a_report_that_is_repeated_changes_nothing() -> None:
    book = Book(Ceiling(tokens=10_000), Amount())
    book.exchange(report(wants=3))
    for _ in range(3):
        book.exchange(report(released=times(3, WORST), spent=Amount(3, 600, 0.0)))
    assert (book.spent.tokens, book.held.tokens) == (600, 0)


def test_a_dead_workers_reservations_become_what_its_journal_says() -> None:
    book = Book(Ceiling(tokens=10_000), Amount())
    book.exchange(report(wants=8))
    book.exchange(report(released=times(2, WORST), spent=Amount(2, 100, 0.0)))
    book.close("a", Amount(3, 1100, 0.0))
    assert (book.spent.tokens, book.held.tokens) == (1100, 0)


def test_a_worker_that_leaves_gives_back_what_it_did_not_send() -> None:
    book = Book(Ceiling(tokens=2000), Amount())
    book.exchange(report(wants=2))
    book.exchange(SpendReport("a", "run-1", WORST, Amount(1, 200, 0.0), leaving=True))
    assert (book.spent.tokens, book.held.tokens) == (200, 0)


def test_without_a_ceiling_everything_is_granted() -> None:
    assert Book(Ceiling(), Amount()).exchange(report(wants=200)).requests == 200


def test_a_dollar_budget_refuses_to_start_on_an_unknown_price() -> None:
    rates: dict[str, Rates | None] = {"priced": Rates(1e-6, 2e-6), "unknown": None}
    with pytest.raises(BadInput, match="budget.usd is 5, and the price of 'unknown' is unknown"):
        check_priced(Ceiling(usd=5.0), rates)
    check_priced(Ceiling(tokens=5), rates)
    check_priced(Ceiling(usd=5.0), {"free": Rates(0.0, 0.0)})
