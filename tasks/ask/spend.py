"""What is billed, and the ceilings on it (pure): the words that workers and the spend authority share.

Nothing is sent that could break a ceiling if every open request cost its worst. A request settles at what
the server reported; what may have been paid stays at its worst. Workers report running totals, never
differences, so that a report that is repeated, or lost, changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

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

    def less(self, committed: Amount) -> "Ceiling":
        """What is left of it, 0 at the least."""
        return Ceiling(
            None if self.requests is None else max(0, self.requests - committed.requests),
            None if self.tokens is None else max(0, self.tokens - committed.tokens),
            None if self.usd is None else max(0.0, self.usd - committed.usd),
        )

    @property
    def is_set(self) -> bool:
        return self != Ceiling()


def lowest(*ceilings: Ceiling) -> Ceiling:
    """Of each kind the lowest that is set."""
    requests, tokens, usd = (
        min((value for each in ceilings if (value := getattr(each, name)) is not None), default=None)
        for name in Ceiling.__dataclass_fields__
    )
    return Ceiling(requests, tokens, usd)


@dataclass(frozen=True)
class AccountCeiling:
    """What an account may be billed through one data root, ever and on one UTC day."""

    ever: Ceiling = Ceiling()
    daily: Ceiling = Ceiling()

    @property
    def is_set(self) -> bool:
        return self.ever.is_set or self.daily.is_set


def lowest_of(*ceilings: AccountCeiling) -> AccountCeiling:
    """Of each kind the lowest that is set."""
    return AccountCeiling(lowest(*(each.ever for each in ceilings)), lowest(*(each.daily for each in ceilings)))


@dataclass(frozen=True)
class Rates:
    """Dollars for one token in and one token out."""

    input: float
    output: float

    def usd(self, prompt: int, completion: int) -> float:
        return prompt * self.input + completion * self.output


@dataclass(frozen=True)
class RunBudget:
    """Every ceiling that a run asks under."""

    run_id: str
    dataset: str
    ceiling: Ceiling = Ceiling()
    """Of the recipe: over everything ever billed for the dataset."""
    accounts: Mapping[str, AccountCeiling] = field(default_factory=dict)
    """Of every account that the run asks through."""
    rates: Mapping[str, Rates] = field(default_factory=dict)
    """By teacher, where the price is known: for attempts that were made before it was."""


def check_priced(ceiling: Ceiling, rates: Mapping[str, Rates | None], name: str = "budget.usd") -> None:
    """Refuse to start a dollar budget on a teacher whose price is unknown.

    Raises:
        BadInput: naming the teacher.
    """
    unpriced = sorted(teacher for teacher, known in rates.items() if known is None)
    if ceiling.usd is not None and unpriced:
        raise BadInput(
            f"{name} is {ceiling.usd:g}, and the price of '{unpriced[0]}' is unknown: give its registry "
            "entry a price, or set a ceiling on tokens or requests instead"
        )


@dataclass(frozen=True)
class Billed:
    """What is written down as billed, with what is unknown at its worst."""

    datasets: Mapping[str, Amount] = field(default_factory=dict)
    accounts: Mapping[str, Amount] = field(default_factory=dict)
    days: Mapping[tuple[str, date], Amount] = field(default_factory=dict)
    """By account and the UTC day of sending."""


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
    account: str = ""
    """That is charged; one of the run's."""
    reserved: Amount = Amount()
    """All that it was ever told is reserved for it: an authority that restarts knows it only from here."""


@dataclass(frozen=True)
class Reserve:
    """How many of the wants are reserved."""

    requests: int
    left: Amount | None
    """Set when the next one will never fit: nothing is in flight that could still turn out cheaper. What is
    left."""


@dataclass(frozen=True)
class Standing:
    """How far one ceiling has been used."""

    name: str
    ceiling: Ceiling
    spent: Amount
    held: Amount
    """Reserved at worst cases, and not settled."""
    account: str | None = None
    """That it is of; None: the dataset's."""

    @property
    def room(self) -> Ceiling:
        """What may still be reserved."""
        return self.ceiling.less(self.spent + self.held)

    def refuses_for_good(self, worst: Amount) -> bool:
        """Whether a request will never fit: it does not now, and nothing is held that could turn out cheaper."""
        return self.held.requests == 0 and not self.ceiling.leaves(self.spent, worst)
