"""What asking will come to (pure): in all, how long yet, and whether rows or a budget end it first.

Before a run from the plan's estimates; during it from what has been answered so far. Both are guesses, said with
"about"; what is not known stays None.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.ask.spend import Ceiling, Standing


@dataclass(frozen=True)
class Lane:
    """What one account's pool is asked in a run, and how far it is."""

    account: str
    planned: int
    """Samples."""
    ended: int
    """Answered, failed, interrupted or given up for want of budget."""
    asked: int
    """Of those, the ones that were asked."""
    tokens: int
    usd: float | None
    """None: the price is unknown."""

    @property
    def open(self) -> int:
        return max(0, self.planned - self.ended)

    def in_all(self, so_far: float) -> float | None:
        """A total, if every sample that is open costs the mean of those asked; None as long as there is no mean."""
        if not self.open:
            return so_far
        return so_far + so_far / self.asked * self.open if self.asked else None


@dataclass(frozen=True)
class Outlook:
    """Where a run is heading."""

    tokens: float | None
    usd: float | None
    seconds_left: float | None
    ends_first: str | None
    """`rows`, or the name of the budget; None as long as nothing can be said."""
    samples_left: int | None
    """That will about be asked until then."""


def project(lanes: Sequence[Lane], standings: Sequence[Standing], seconds: float | None) -> Outlook:
    """Extrapolate each lane by its own mean; `seconds` is how long it has been asked.

    The standings are a dataset's, and then those of accounts, which concern their own lanes alone.
    """
    still_open = sum(lane.open for lane in lanes)
    fits = [(fit, standing.name) for standing in standings if (fit := _fit(standing, lanes)) is not None]
    fit, name = min(fits, default=(still_open, "rows"))
    ends = "rows" if fit >= still_open else name
    left = min(fit, still_open)
    longest = _sum_or_none([_seconds_left(lane, seconds) for lane in lanes], max)
    is_known = all(lane.asked or not lane.open for lane in lanes)
    return Outlook(
        tokens=_sum_or_none([lane.in_all(lane.tokens) for lane in lanes], sum),
        usd=_sum_or_none([None if lane.usd is None else lane.in_all(lane.usd) for lane in lanes], sum),
        seconds_left=longest * left / still_open if longest is not None and still_open else longest,
        ends_first=ends if is_known else None,
        samples_left=left if is_known else None,
    )


def samples_that_fit(room: Ceiling, samples: int, tokens: float, usd: float | None) -> int | None:
    """How many of `samples`, which cost `tokens` and `usd` together, fit into a room; None where nothing bounds
    them."""
    bounds = [
        left * samples / cost
        for left, cost in ((room.requests, samples), (room.tokens, tokens), (room.usd, usd))
        if left is not None and cost
    ]
    return min(samples, int(min(bounds))) if bounds else None


def _fit(standing: Standing, lanes: Sequence[Lane]) -> int | None:
    """How many of the open samples a budget will about let through; None if it does not bound them."""
    concerned = [lane for lane in lanes if standing.account in (None, lane.account)]
    asked, still_open = sum(lane.asked for lane in concerned), sum(lane.open for lane in concerned)
    if not asked or not still_open:
        return None
    usd = _sum_or_none([lane.usd for lane in concerned], sum)
    share = still_open / asked
    tokens = sum(lane.tokens for lane in concerned)
    room = standing.ceiling.less(standing.spent)
    fit = samples_that_fit(room, still_open, tokens * share, None if usd is None else usd * share)
    others = sum(lane.open for lane in lanes) - still_open
    return None if fit is None else fit + others


def _seconds_left(lane: Lane, seconds: float | None) -> float | None:
    if not lane.open:
        return 0.0
    return seconds * lane.open / lane.ended if lane.ended and seconds else None


def _sum_or_none(values: Sequence[float | None], join: Callable[[Sequence[float]], float]) -> float | None:
    known = [value for value in values if value is not None]
    return join(known) if known and len(known) == len(values) else None
