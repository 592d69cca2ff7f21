"""Every budget of one data root in one book (pure; the UTC day is an argument).

What a run asks counts for its dataset, for the account that is charged, and for that account on that day,
and a request is reserved only if its worst case fits under every ceiling of the three. A request that is in
flight at midnight counts in full on both days, because either may be the one on which it is billed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from tasks.ask.spend import (
    AccountCeiling,
    Amount,
    Billed,
    Ceiling,
    Reserve,
    RunBudget,
    SpendReport,
    Standing,
    lowest,
    lowest_of,
)

NOTHING = Amount()
UNLIMITED = 2**62


@dataclass
class Purse:
    """Running totals of a dataset, or of an account."""

    spent: Amount = NOTHING
    held: Amount = NOTHING
    spent_today: Amount = NOTHING


@dataclass
class Worker:
    """One worker's running totals, and whose they are."""

    run_id: str
    dataset: str
    account: str
    reserved: Amount = NOTHING
    released: Amount = NOTHING
    spent: Amount = NOTHING
    spent_today: Amount = NOTHING

    @property
    def held(self) -> Amount:
        return self.reserved - self.released


@dataclass
class Book:
    """All runs' ceilings, what was billed before, and what every worker holds. One owner calls it."""

    _runs: dict[str, RunBudget] = field(default_factory=dict)
    _ceilings: dict[str, AccountCeiling] = field(default_factory=dict)
    _workers: dict[str, Worker] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)
    """Workers that are counted in what is written down, whatever they may still say."""
    _before: Billed = Billed()
    _datasets: dict[str, Purse] = field(default_factory=dict)
    _accounts: dict[str, Purse] = field(default_factory=dict)
    _today: date = date.min

    @property
    def workers(self) -> frozenset[str]:
        """Those that have reserved anything and are not yet counted in what is written down."""
        return frozenset(name for name, worker in list(self._workers.items()) if worker.reserved != NOTHING)

    @property
    def heard(self) -> frozenset[str]:
        """Workers that have reported, whether or not anything is reserved for them."""
        return frozenset(list(self._workers))

    @property
    def budgets(self) -> tuple[RunBudget, ...]:
        """Of the open runs."""
        return tuple(self._runs.values())

    @property
    def runs(self) -> frozenset[str]:
        """Those that are open."""
        return frozenset(self._runs)

    def rebase(self, written: Billed, gone: Iterable[str], today: date) -> None:
        """Begin again from what is written down, which holds everything that the workers `gone` cost."""
        for name in gone:
            self._workers.pop(name, None)
            self._gone.add(name)
        self._turn(today)
        self._before = written
        self._datasets = {name: Purse(amount) for name, amount in written.datasets.items()}
        self._accounts = {
            name: Purse(amount, spent_today=written.days.get((name, self._today), NOTHING))
            for name, amount in written.accounts.items()
        }
        for worker in self._workers.values():
            for purse in self._purses(worker):
                purse.spent += worker.spent
                purse.held += worker.held
                purse.spent_today += worker.spent_today

    def open_run(self, budget: RunBudget) -> None:
        """Let a run reserve. Where open runs state different ceilings for an account, the lowest holds."""
        self._runs[budget.run_id] = budget
        self._renew_ceilings()

    def close_run(self, run_id: str) -> bool:
        """End a run; what it cost still counts. True if no other run is open."""
        self._runs.pop(run_id, None)
        self._renew_ceilings()
        return not self._runs

    def exchange(self, report: SpendReport, today: date) -> Reserve:
        """Settle what is over and reserve what fits, in order. A run that has ended reserves nothing."""
        self._turn(today)
        run = self._runs.get(report.run_id)
        if run is None or report.worker in self._gone or (report.leaving and report.worker not in self._workers):
            return Reserve(0, None)  # who leaves has let go of its journal, and is counted from there
        worker = self._worker(run, report)
        released = worker.reserved if report.leaving else report.released
        self._settle(worker, released, report.spent)
        return Reserve(0, None) if report.leaving else self._reserve(worker, run, report.wants)

    def close(self, worker: str, spent: Amount, today: date) -> None:
        """Settle a worker that is gone, at what its journal says."""
        self._turn(today)
        known = self._workers.get(worker)
        if known is not None:
            self._settle(known, known.reserved, spent)

    def standings(self, run_id: str, today: date) -> tuple[Standing, ...]:
        """How far each ceiling of a run has been used; its dataset's is the first, set or not."""
        self._turn(today)
        run = self._runs[run_id]
        accounts = (standing for name in run.accounts for standing in self._of_account(name))
        return (self._of_dataset(run), *accounts)

    def _worker(self, run: RunBudget, report: SpendReport) -> Worker:
        if report.worker not in self._workers:
            if report.account not in run.accounts:
                raise ValueError(f"run {run.run_id} does not ask through account '{report.account}'")
            # Reserved by an authority of before a restart, if anything is.
            new = Worker(run.run_id, run.dataset, report.account, report.reserved)
            self._workers[report.worker] = new
            for purse in self._purses(new):
                purse.held += new.reserved
        return self._workers[report.worker]

    def _purses(self, worker: Worker) -> tuple[Purse, Purse]:
        dataset = self._datasets.setdefault(worker.dataset, Purse())
        return dataset, self._accounts.setdefault(worker.account, Purse())

    def _turn(self, today: date) -> None:
        """A new day starts with nothing spent. A clock that is set back does not bring a day back."""
        if today <= self._today:
            return
        self._today = today
        for purse in (*self._datasets.values(), *self._accounts.values()):
            purse.spent_today = NOTHING
        for worker in self._workers.values():
            worker.spent_today = NOTHING

    def _settle(self, worker: Worker, released: Amount, spent: Amount) -> None:
        """Take over a worker's totals; what is new in them counts today, since it may have been sent today."""
        freed, cost = released - worker.released, spent - worker.spent
        worker.released, worker.spent = released, spent
        worker.spent_today += cost
        for purse in self._purses(worker):
            purse.held -= freed
            purse.spent += cost
            purse.spent_today += cost

    def _reserve(self, worker: Worker, run: RunBudget, wants: Sequence[Amount]) -> Reserve:
        standings = (self._of_dataset(run), *self._of_account(worker.account))
        room = lowest(*(standing.room for standing in standings))
        taken, granted = NOTHING, 0
        for worst in wants:
            if not room.leaves(taken, worst):
                break
            taken += worst
            granted += 1
        worker.reserved += taken
        for purse in self._purses(worker):
            purse.held += taken
        if granted or not wants:
            return Reserve(granted, None)
        full = [standing.room for standing in standings if standing.refuses_for_good(wants[0])]
        return Reserve(0, _amount(lowest(*full)) if full else None)

    def _of_dataset(self, run: RunBudget) -> Standing:
        purse = self._datasets.get(run.dataset, Purse())
        return Standing(f"the budget of {run.dataset}", run.ceiling, purse.spent, purse.held)

    def _of_account(self, account: str) -> tuple[Standing, Standing]:
        purse, ceiling = self._accounts.get(account, Purse()), self._ceilings.get(account, AccountCeiling())
        name = f"the budget of account {account}"
        return (
            Standing(name, ceiling.ever, purse.spent, purse.held, account),
            Standing(f"{name} for {self._today}", ceiling.daily, purse.spent_today, purse.held, account),
        )

    def _renew_ceilings(self) -> None:
        accounts = {account for run in self._runs.values() for account in run.accounts}
        self._ceilings = {
            account: lowest_of(*(run.accounts[account] for run in self._runs.values() if account in run.accounts))
            for account in accounts
        }


def _amount(left: Ceiling) -> Amount:
    return Amount(
        UNLIMITED if left.requests is None else left.requests,
        UNLIMITED if left.tokens is None else left.tokens,
        float("inf") if left.usd is None else left.usd,
    )
