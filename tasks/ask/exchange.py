"""What workers and the authority of a pool tell each other (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.ask.charge import Cost, Want
from tasks.ask.headers import HeaderLimit
from tasks.ask.providers import ChargeRule, MeterName
from warehouse.records import Outcome


@dataclass(frozen=True)
class Limits:
    """What an account states; what it does not is unknown, and learned."""

    rates: Mapping[MeterName, float] = field(default_factory=dict)
    concurrency: int | None = None


@dataclass(frozen=True)
class Charging:
    """How a provider counts what it limits."""

    rule: ChargeRule = "unknown"
    quantum_s: float = 1.0
    """It may enforce a rate per minute over so short a time."""
    ramp_s: float = 0.0
    """It refuses sharp ramps: the rate is reached only after so long."""
    cached_free: bool = False
    """Prompt tokens read from a cache take nothing of the limits."""
    windows_s: Mapping[MeterName, float] = field(default_factory=dict)
    """Limits that are counted in fixed windows of so many seconds, and not refilled all the time."""
    metrics_url: str | None = None
    """Where a server of one's own says how long its queue is."""


UNKNOWN = Charging()


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
    about: MeterName | None = None
    """Of a 429: the limit that turned it away, where the provider says."""


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
    wants: tuple[Want, ...] = ()
    """The requests that wait for permission, the first in line first."""
    ready: int = 0
    """Requests that have permission and wait for their time or a slot."""
    left: int = 0
    """Rows of its batch that are not sent yet, with those of `wants` and `ready`."""
    in_flight: int = 0
    back: Cost = Cost()
    """Charged, and either not sent in time or not used up; negative where more was used than charged."""
    prompt_tokens: tuple[int, int] = (0, 0)
    """Of the answers: as estimated, and as the server counted them."""
    answers: int = 0
    answer_tokens: int = 0
    answer_s: float = 0.0
    """Output tokens and latencies of those answers, summed."""
    failures: tuple[Failure, ...] = ()
    limits: Mapping[MeterName, HeaderLimit] = field(default_factory=dict)
    """From the response whose request was sent last."""
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

    charged: tuple[Cost, ...] = ()
    """What so many of its `wants`, from the first, are charged: it may send them."""
    due_s: tuple[float, ...] = ()
    """When each of these may be sent, from now; a send that is late is given back."""
    slots: int = 0
    """So many requests in flight at once; it may reuse a slot without asking."""
    metered: bool = False
    """A rate is limited: what was let through while none was known must ask again."""
    hold_s: float = 0.0
    """Send nothing for so long."""
    storm: bool = False
    stop: Stop | None = None


def lowest(*limits: Limits) -> Limits:
    """Of each limit the lowest that is known."""
    names = {name for each in limits for name in each.rates}
    rates = {name: min(each.rates[name] for each in limits if name in each.rates) for name in names}
    slots = min((each.concurrency for each in limits if each.concurrency is not None), default=None)
    return Limits(rates, slots)
