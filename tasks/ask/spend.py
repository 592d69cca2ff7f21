"""A budget as a ceiling (pure): requests, tokens and dollars, with the worst case of everything in flight
reserved.

Nothing is sent that could break a ceiling if every open request cost its worst. A request settles at what
the server reported; what may have been paid stays at its worst. Workers report running totals, never
differences, so that a report that is repeated, or lost, changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from warehouse.errors import BadInput


@dataclass(frozen=True)
class Amount:
    """Billed requests, tokens and dollars; `usd` is 0 where the price is unknown, and then no ceiling is on
    it."""

    requests: int = 0
    tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.requests + other.requests, self.tokens + other.tokens, self.usd + other.usd)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.requests - other.requests, self.tokens - other.tokens, self.usd - other.usd)


@dataclass(frozen=True)
class Ceiling:
    """What may be billed in all; None is no ceiling."""

    requests: int | None = None
    tokens: int | None = None
    usd: float | None = None

    def leaves(self, committed: Amount, more: Amount) -> bool:
        """Whether `more` fits on top of `committed`."""
        total = committed + more
        return (
            (self.requests is None or total.requests <= self.requests)
            and (self.tokens is None or total.tokens <= self.tokens)
            and (self.usd is None or total.usd <= self.usd)
        )


@dataclass(frozen=True)
class Rates:
    """Dollars for one token in and one token out."""

    input: float
    output: float

    def usd(self, prompt: int, completion: int) -> float:
        return prompt * self.input + completion * self.output


def check_priced(ceiling: Ceiling, rates: Mapping[str, Rates | None]) -> None:
    """Refuse to start a dollar budget on a teacher whose price is unknown.

    Raises:
        BadInput: naming the teacher.
    """
    unpriced = sorted(teacher for teacher, known in rates.items() if known is None)
    if ceiling.usd is not None and unpriced:
        raise BadInput(
            f"budget.usd is {ceiling.usd:g}, and the price of '{unpriced[0]}' is unknown: give its registry "
            "entry a price, or use budget.tokens or budget.requests"
        )


@dataclass(frozen=True)
class SpendReport:
    """A worker's running totals, and what it wants to reserve next."""

    worker: str
    run_id: str
    released: Amount = Amount()
    """Worst cases of requests that are over, or were reserved and not sent."""
    spent: Amount = Amount()
    """What those cost."""
    wants: tuple[Amount, ...] = ()
    """Worst cases of the next requests, the first in line first."""
    leaving: bool = False


@dataclass(frozen=True)
class Reserve:
    """How many of the wants are reserved."""

    requests: int
    left: Amount | None
    """Set when the next one will never fit: nothing is in flight that could still turn out cheaper. What is
    left."""


@dataclass
class Account:
    """One worker's running totals."""

    reserved: Amount = Amount()
    released: Amount = Amount()
    spent: Amount = Amount()

    @property
    def held(self) -> Amount:
        return self.reserved - self.released


class Book:
    """One run's budget over all its workers and everything billed before."""

    def __init__(self, ceiling: Ceiling, spent_before: Amount) -> None:
        self.ceiling = ceiling
        self._before = spent_before
        self._accounts: dict[str, Account] = {}

    @property
    def spent(self) -> Amount:
        """Billed so far, over all resumes."""
        return sum((account.spent for account in self._accounts.values()), self._before)

    @property
    def held(self) -> Amount:
        """Reserved and not settled."""
        return sum((account.held for account in self._accounts.values()), Amount())

    def exchange(self, report: SpendReport) -> Reserve:
        """Settle what is over and reserve what fits, in order."""
        account = self._accounts.setdefault(report.worker, Account())
        account.released, account.spent = report.released, report.spent
        if report.leaving:
            account.released = account.reserved
            return Reserve(0, None)
        return self._reserve(account, report.wants)

    def close(self, worker: str, spent: Amount) -> None:
        """Settle a worker that is gone, at what its journal says."""
        account = self._accounts.setdefault(worker, Account())
        account.released, account.spent = account.reserved, spent

    def _reserve(self, account: Account, wants: Sequence[Amount]) -> Reserve:
        committed = self.spent + self.held
        for index, worst in enumerate(wants):
            if not self.ceiling.leaves(committed, worst):
                final = index == 0 and self.held.requests == 0
                return Reserve(index, self._left(committed) if final else None)
            committed += worst
            account.reserved += worst
        return Reserve(len(wants), None)

    def _left(self, committed: Amount) -> Amount:
        unlimited = 2**62
        return Amount(
            unlimited if self.ceiling.requests is None else self.ceiling.requests - committed.requests,
            unlimited if self.ceiling.tokens is None else self.ceiling.tokens - committed.tokens,
            float("inf") if self.ceiling.usd is None else self.ceiling.usd - committed.usd,
        )
