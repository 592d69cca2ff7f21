"""Who uses a pool's slots (pure): a fair share for each worker, and the dead's only once the teacher must be done."""

from collections.abc import Iterator
from dataclasses import dataclass

from tasks.ask.exchange import Counters, Report

SILENT_S = 2.0
"""A worker that has not exchanged for so long is dead, or sends nothing until it has."""


@dataclass
class Seat:
    """A worker at the table."""

    worker: str
    run_id: str
    assigned: int = 0
    """Slots it may use, as of the last grant."""
    held: int = 0
    """Slots it may be using: a grant lowers it only once the next report shows that it has arrived."""
    in_flight: int = 0
    wanted: int = 0
    left: int = 0
    """Rows of its batch that it has not sent."""
    seen: float = 0.0
    counters: Counters = Counters()
    granted_at: float = 0.0
    pace: float = 0.0
    """Rows a second that it was lately let through."""

    def note_granted(self, rows: int, now: float) -> None:
        """A running mean over about five exchanges."""
        since, self.granted_at = now - self.granted_at, now
        self.pace += 0.2 * (rows / max(since, 0.05) - self.pace)

    def is_dry(self, ahead_s: float) -> bool:
        """Whether what is left of its batch is sent in that time, or does not fill its slots."""
        return self.left <= max(self.pace * ahead_s, self.assigned - self.in_flight)


class Table:
    """The workers of one pool."""

    def __init__(self) -> None:
        self._seats: dict[str, Seat] = {}
        self.slowest_s = 0.0
        """The longest that an answer took."""
        self._mean_s = float("inf")

    def __iter__(self) -> Iterator[Seat]:
        return iter(list(self._seats.values()))

    @property
    def in_flight(self) -> int:
        return sum(seat.in_flight for seat in self._seats.values())

    def take(self, report: Report, now: float) -> Seat:
        """A worker's seat, as its report says."""
        seat = self._seats.setdefault(report.worker, Seat(report.worker, report.run_id))
        seat.in_flight, seat.seen, seat.counters, seat.left = report.in_flight, now, report.counters, report.left
        seat.wanted = report.in_flight + report.ready + len(report.wants)
        seat.held = max(seat.assigned, report.in_flight)
        self.slowest_s = max(self.slowest_s, report.slowest_s)
        if report.answers and report.answer_s:
            mean_s = max(report.answer_s / report.answers, 0.001)
            self._mean_s = mean_s if self._mean_s == float("inf") else 0.9 * self._mean_s + 0.1 * mean_s
        return seat

    def turnover(self, slots: int, within_s: float) -> int:
        """How often so many slots become free in that time, if answers take as long as they lately did."""
        return int(slots * within_s / self._mean_s)

    def remember(self, worker: str, run_id: str, held: int, now: float) -> None:
        """A seat of before a restart: it may use so many slots until its worker reports, or is dead."""
        self._seats[worker] = Seat(worker, run_id, assigned=held, held=held, in_flight=held, seen=now)

    def leave(self, seat: Seat) -> None:
        self._seats.pop(seat.worker, None)

    def assign(self, seat: Seat, limit: int) -> int:
        """A fair share of the slots that others cannot be using."""
        others = [other for other in self._seats.values() if other is not seat]
        free = limit - sum(other.held for other in others)
        askers = 1 + sum(1 for other in others if other.wanted)
        unwanted = sum(max(0, limit // askers - other.wanted) for other in others if other.wanted)
        share = max(1, -(-limit // askers) + unwanted)
        before, seat.assigned = seat.assigned, max(0, min(share, free, seat.wanted))
        seat.held = max(seat.assigned, before, seat.in_flight)
        return seat.assigned

    def dead(self, now: float, request_timeout_s: float) -> list[Seat]:
        """Workers that fell silent and with whose requests the teacher must be done.

        They send nothing more, but up to all of their slots may be in use, and the teacher may go on with a dead
        client's requests: they count for twice as long as the slowest answer so far.
        """
        longest = min(request_timeout_s, 2 * self.slowest_s or request_timeout_s)
        for seat in self._seats.values():
            if now - seat.seen > SILENT_S:
                seat.wanted = seat.left = 0
        return [seat for seat in self if now - seat.seen > SILENT_S + longest]
