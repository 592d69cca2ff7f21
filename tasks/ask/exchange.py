"""What workers and the authority of a pool tell each other (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.ask.reply import Dimension, HeaderLimit
from warehouse.records import Outcome


@dataclass(frozen=True)
class Limits:
    """Per minute, and at once; None is unknown."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int | None = None


@dataclass(frozen=True)
class RunTerms:
    """What the pool must know of a run that asks through it."""

    run_id: str
    unreachable_after_s: float = 30.0
    """No connection could be made for so long: stop."""
    patience_s: float = 1800.0
    """Nothing was answered for so long, in a storm of 429s or 503s: stop."""
    request_timeout_s: float = 600.0
    """The longest that a request of it may take."""


@dataclass(frozen=True)
class Failure:
    """One request that brought no answer."""

    outcome: Outcome
    age_s: float
    """Since it was sent. An age crosses machines; a time of their own clocks would not."""
    sent: bool = True
    """False: the connection failed before anything was sent."""
    retry_after_s: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Counters:
    """How far a worker, or a run, is; only ever grows, but for `in_flight`."""

    sent: int = 0
    in_flight: int = 0
    answered: int = 0
    failed: int = 0
    maybe_paid: int = 0
    not_asked: int = 0
    rate_limited: int = 0
    overloaded: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: "Counters") -> "Counters":
        return Counters(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Report:
    """What a worker says in one exchange; counts are since its last one, `counters` since its start."""

    worker: str
    run_id: str
    teacher: str
    """As errors name it: name and endpoint."""
    wants: tuple[int, ...] = ()
    """Tokens of the requests that wait for permission, the first in line first."""
    ready: int = 0
    """Requests that have permission and wait for a slot."""
    in_flight: int = 0
    unused_requests: int = 0
    unused_tokens: int = 0
    """Granted, and neither sent in time nor charged."""
    answers: int = 0
    failures: tuple[Failure, ...] = ()
    limits: Mapping[Dimension, HeaderLimit] = field(default_factory=dict)
    """From the newest response."""
    slowest_s: float = 0.0
    """The longest that an answer took."""
    counters: Counters = Counters()
    leaving: bool = False


@dataclass(frozen=True)
class Stop:
    """Why a run must send nothing more."""

    reason: str
    failed: bool
    """True: the run has failed; False: somebody asked it to stop."""


@dataclass(frozen=True)
class Grant:
    """What a worker may do until its next exchange."""

    requests: int
    """So many of its `wants`, from the first."""
    slots: int
    """So many requests in flight at once; it may reuse a slot without asking."""
    expires_in_s: float | None
    """None: no rate is limited."""
    hold_s: float = 0.0
    """Send nothing for so long."""
    storm: bool = False
    stop: Stop | None = None


def lowest(*limits: Limits) -> Limits:
    """Of each limit the lowest that is known."""
    requests, tokens, slots = (
        min((value for each in limits if (value := getattr(each, name)) is not None), default=None)
        for name in Limits.__dataclass_fields__
    )
    return Limits(requests, tokens, slots)
