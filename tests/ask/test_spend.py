"""A ceiling is never broken, whatever the requests turn out to cost."""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
from asking import NOTHING, TODAY, book_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.ask.book import Book
from tasks.ask.spend import AccountCeiling, Amount, Billed, Ceiling, Rates, RunBudget, SpendReport, check_priced
from warehouse.errors import BadInput

WORST = Amount(1, 1000, 0.01)
TOMORROW = TODAY + timedelta(days=1)


def report(worker: str = "a", wants: int = 0, released: Amount = NOTHING, spent: Amount = NOTHING) -> SpendReport:
    return SpendReport(worker, "run-1", released, spent, (WORST,) * wants)


def times(count: int, amount: Amount) -> Amount:
    return Amount(count * amount.requests, count * amount.tokens, count * amount.usd)


@dataclass
class Asking:
    """A worker as the book sees it, and what the teacher really bills for it."""

    name: str
    run_id: str
    account: str
    in_flight: list[Amount] = field(default_factory=list)
    released: Amount = NOTHING
    spent: Amount = NOTHING
    is_over: bool = False


@dataclass
class World:
    """Two runs on two accounts, whose workers reserve, are billed, report late, repeat themselves and die."""

    rng: random.Random
    book: Book
    workers: list[Asking]
    ceilings: dict[str, Ceiling]
    day: date = TODAY
    billed: dict[str, Amount] = field(default_factory=dict)
    billed_on: dict[tuple[str, date], Amount] = field(default_factory=dict)

    def step(self) -> None:
        worker = self.rng.choice(self.workers)
        for _ in range(self.rng.randint(0, len(worker.in_flight))):
            self._answer(worker)
        if self.rng.random() < 0.03:
            return self._die(worker)
        wants = tuple(self._worst() for _ in range(self.rng.randint(1, 6)))
        said = SpendReport(
            worker.name, worker.run_id, worker.released, worker.spent, wants, account=worker.account
        )  # fmt: skip
        reserve = self.book.exchange(said, self.day)
        worker.in_flight += wants[: reserve.requests]
        worker.is_over = reserve.left is not None
        self.check()

    def _worst(self) -> Amount:
        tokens = self.rng.randint(500, 1000)
        return Amount(1, tokens, tokens / 1e5)

    def _answer(self, worker: Asking) -> None:
        worst = worker.in_flight.pop(self.rng.randrange(len(worker.in_flight)))
        share = self.rng.choice([0.0, self.rng.random(), 1.0])  # turned away, reported, unknown
        cost = Amount(1, int(worst.tokens * share), worst.usd * share)
        worker.released += worst
        worker.spent += cost
        for name in (f"dataset {worker.run_id}", f"account {worker.account}"):
            self.billed[name] = self.billed.get(name, NOTHING) + cost
        key = (worker.account, self.day)
        self.billed_on[key] = self.billed_on.get(key, NOTHING) + cost

    def _die(self, worker: Asking) -> None:
        """What it had in flight was paid in full, and its journal says so."""
        while worker.in_flight:
            self._answer(worker)
        self.book.close(worker.name, worker.spent, self.day)
        place = self.workers.index(worker)
        self.workers[place] = Asking(f"{worker.name}'", worker.run_id, worker.account)

    def check(self) -> None:
        for name, ceiling in self.ceilings.items():
            if name.startswith("day"):
                spent = self.billed_on.get((name.removeprefix("day "), self.day), NOTHING)
            else:
                spent = self.billed.get(name, NOTHING)
            at_worst = sum((worst for worker in self._charged(name) for worst in worker.in_flight), spent)
            assert ceiling.requests is None or at_worst.requests <= ceiling.requests, name
            assert ceiling.tokens is None or at_worst.tokens <= ceiling.tokens, name
            assert ceiling.usd is None or at_worst.usd <= ceiling.usd + 1e-9, name

    def _charged(self, name: str) -> list[Asking]:
        kind, of = name.split(" ", 1)
        return [worker for worker in self.workers if of == (worker.run_id if kind == "dataset" else worker.account)]


def ceilings() -> st.SearchStrategy[Ceiling]:
    return st.builds(
        Ceiling,
        st.none() | st.integers(0, 60),
        st.none() | st.integers(0, 40_000),
        st.none() | st.floats(0, 0.4),
    )


def world(seed: int, dataset: Ceiling, ever: Ceiling, daily: Ceiling) -> World:
    book, limits = Book(), AccountCeiling(ever, daily)
    book.rebase(Billed(), (), TODAY)
    book.open_run(RunBudget("one", "one", dataset, {"x": limits, "y": AccountCeiling()}))
    book.open_run(RunBudget("two", "two", Ceiling(), {"x": AccountCeiling()}))
    workers = [Asking("a", "one", "x"), Asking("b", "one", "y"), Asking("c", "two", "x"), Asking("d", "two", "x")]
    held = {"dataset one": dataset, "account x": ever, "day x": daily}
    return World(random.Random(seed), book, workers, held)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), dataset=ceilings(), ever=ceilings(), daily=ceilings())
@example(seed=1, dataset=Ceiling(), ever=Ceiling(tokens=30_000), daily=Ceiling(tokens=9_000))
def test_billed_at_worst_never_breaks_any_ceiling_whatever_the_interleaving(
    seed: int, dataset: Ceiling, ever: Ceiling, daily: Ceiling
) -> None:
    one = world(seed, dataset, ever, daily)
    for step in range(120):
        if step == 60:
            one.day = TOMORROW
        one.step()


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), tokens=st.integers(0, 30_000), daily=st.booleans())
def test_less_than_one_worst_case_of_a_ceiling_is_left_when_every_worker_gives_up(
    seed: int, tokens: int, daily: bool
) -> None:
    limit = Ceiling(tokens=tokens)
    one = world(seed, Ceiling(), Ceiling() if daily else limit, limit if daily else Ceiling())
    one.workers = [worker for worker in one.workers if worker.account == "x"]
    while not all(worker.is_over for worker in one.workers):
        one.step()
    spent = one.billed.get("account x", NOTHING).tokens
    assert all(not worker.in_flight for worker in one.workers)
    assert tokens - 1000 < spent <= tokens


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), tokens=st.integers(0, 60_000), before=st.integers(0, 20_000))
def test_a_ceiling_on_tokens_is_never_broken_and_less_than_one_worst_case_is_left(
    seed: int, tokens: int, before: int
) -> None:
    rng = random.Random(seed)
    book = book_of(Ceiling(tokens=tokens), Amount(0, before, 0.0))
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
        reserve = book.exchange(report(worker, rng.randint(1, 8), released[worker], spent[worker]), TODAY)
        held[worker] += reserve.requests
        billed = before + sum(amount.tokens for amount in spent.values())
        assert billed + sum(held.values()) * WORST.tokens <= max(tokens, before)
        is_over = reserve.left is not None
    assert sum(held.values()) == 0
    assert max(tokens, before) - billed < WORST.tokens


def test_what_does_not_fit_waits_while_something_in_flight_may_turn_out_cheaper() -> None:
    book = book_of(Ceiling(requests=10, tokens=2500))
    assert book.exchange(report(wants=5), TODAY).requests == 2
    waiting = book.exchange(report("b", wants=1), TODAY)
    assert (waiting.requests, waiting.left) == (0, None)
    book.exchange(report(released=times(2, WORST), spent=Amount(2, 300, 0.0)), TODAY)
    assert book.exchange(report("b", wants=1), TODAY).requests == 1


def test_nothing_fits_any_more_says_what_is_left() -> None:
    book = book_of(Ceiling(usd=0.015), Amount(7, 7000, 0.01))
    left = book.exchange(report(wants=3), TODAY).left
    assert left is not None and left.usd == pytest.approx(0.005)


def test_a_report_that_is_repeated_changes_nothing() -> None:
    book = book_of(Ceiling(tokens=10_000))
    book.exchange(report(wants=3), TODAY)
    for _ in range(3):
        book.exchange(report(released=times(3, WORST), spent=Amount(3, 600, 0.0)), TODAY)
    assert tokens_of(book) == (600, 0)


def test_a_dead_workers_reservations_become_what_its_journal_says() -> None:
    book = book_of(Ceiling(tokens=10_000))
    book.exchange(report(wants=8), TODAY)
    book.exchange(report(released=times(2, WORST), spent=Amount(2, 100, 0.0)), TODAY)
    book.close("a", Amount(3, 1100, 0.0), TODAY)
    assert tokens_of(book) == (1100, 0)


def test_a_worker_that_leaves_gives_back_what_it_did_not_send() -> None:
    book = book_of(Ceiling(tokens=2000))
    book.exchange(report(wants=2), TODAY)
    book.exchange(SpendReport("a", "run-1", WORST, Amount(1, 200, 0.0), leaving=True), TODAY)
    assert tokens_of(book) == (200, 0)


def test_a_usage_above_the_worst_case_settles_as_reported() -> None:
    book = book_of(Ceiling(tokens=2500))
    book.exchange(report(wants=1), TODAY)
    left = book.exchange(report(wants=1, released=WORST, spent=Amount(1, 1800, 0.0)), TODAY).left
    assert tokens_of(book) == (1800, 0)
    assert left is not None and left.tokens == 700


def test_without_a_ceiling_everything_is_granted() -> None:
    assert book_of(Ceiling()).exchange(report(wants=200), TODAY).requests == 200


def test_a_day_begins_with_nothing_spent_and_with_all_that_is_in_flight() -> None:
    book = account_book(daily=Ceiling(tokens=3000))
    assert book.exchange(report(wants=5), TODAY).requests == 3
    book.exchange(report(released=WORST, spent=Amount(1, 1000, 0.0)), TODAY)
    assert book.exchange(report("b", wants=5), TODAY).requests == 0
    assert book.exchange(report("b", wants=5), TOMORROW).requests == 1, "two are in flight and may be billed tomorrow"
    assert book.exchange(report("b", wants=5), TODAY).requests == 0, "a clock that is set back brings no day back"


def test_what_is_written_down_of_a_day_counts_on_that_day_alone() -> None:
    book = account_book(daily=Ceiling(tokens=3000))
    book.rebase(Billed({}, {"": Amount(9, 9000, 0.0)}, {("", TODAY): Amount(2, 2000, 0.0)}), (), TODAY)
    assert book.exchange(report(wants=5), TODAY).requests == 1
    book.exchange(report(released=WORST), TODAY)
    assert book.exchange(report(wants=5, released=WORST), TOMORROW).requests == 3


def test_beginning_again_counts_every_worker_once() -> None:
    book = book_of(Ceiling(tokens=10_000))
    book.exchange(report("done", wants=1), TODAY)
    book.exchange(report("asking", wants=2), TODAY)
    book.rebase(Billed({"sums": Amount(1, 700, 0.0)}, {}), {"done"}, TODAY)
    assert tokens_of(book) == (700, 2000)
    book.exchange(report("done", released=WORST, spent=Amount(1, 700, 0.0)), TODAY)
    assert tokens_of(book) == (700, 2000), "its last word comes late, and it is in what is written down"


def test_of_two_runs_that_state_an_accounts_ceiling_the_lowest_holds_while_both_are_open() -> None:
    book = account_book(ever=Ceiling(requests=5))
    book.open_run(RunBudget("run-2", "other", Ceiling(), {"": AccountCeiling(Ceiling(requests=2))}))
    assert book.exchange(report(wants=9), TODAY).requests == 2
    assert not book.close_run("run-2")
    assert book.exchange(report(wants=9), TODAY).requests == 3
    assert book.close_run("run-1")


def test_an_account_that_the_run_does_not_name_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="does not ask through account 'else'"):
        book_of(Ceiling()).exchange(SpendReport("a", "run-1", account="else"), TODAY)


def test_a_dollar_budget_refuses_to_start_on_an_unknown_price() -> None:
    rates: dict[str, Rates | None] = {"priced": Rates(1e-6, 2e-6), "unknown": None}
    with pytest.raises(BadInput, match="budget.usd is 5, and the price of 'unknown' is unknown"):
        check_priced(Ceiling(usd=5.0), rates)
    check_priced(Ceiling(tokens=5), rates)
    check_priced(Ceiling(usd=5.0), {"free": Rates(0.0, 0.0)})


def account_book(ever: Ceiling = Ceiling(), daily: Ceiling = Ceiling()) -> Book:  # noqa: B008  frozen
    book = Book()
    book.rebase(Billed(), (), TODAY)
    book.open_run(RunBudget("run-1", "sums", Ceiling(), {"": AccountCeiling(ever, daily)}))
    return book


def tokens_of(book: Book) -> tuple[int, int]:
    """Spent and held of the dataset."""
    standing = book.standings("run-1", TODAY)[0]
    return standing.spent.tokens, standing.held.tokens
