"""What a worker is given and what it hands back (pure): plain records that travel through Ray."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

from tasks.ask.exchange import Charging, Limits, RunTerms
from tasks.ask.lengths import Lengths
from tasks.ask.providers import MeterName, provider_named
from tasks.ask.spend import AccountCeiling, Amount, Ceiling, Rates, RunBudget, check_priced
from tasks.right.terms import Teacher
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.records import AttemptState, DataFile

OWN_SERVERS = ("vllm", "sglang", "self-hosted")


@dataclass(frozen=True)
class TeacherCall:
    """Everything a worker needs to ask one teacher for one run."""

    teacher: Teacher
    decision_id: str
    run_id: str
    dataset: str
    root: Path
    """The data root."""
    api_key: str | None = field(default=None, repr=False)
    """Sent as a bearer token; never journaled, logged or part of an error."""
    caps: Mapping[str, int] = field(default_factory=dict)
    """By prompt class: the cap to ask first with, where one was measured since the plan was made."""
    connect_timeout_s: float = 10.0
    request_timeout_s: float = 600.0
    """From sending to the last byte; long, because a timeout after sending may have been paid."""
    idle_timeout_s: float = 120.0
    """Of a stream, after its first byte: so long without any, not even a comment, and it is given up."""
    drain_s: float = 10.0
    """How long a stopped worker waits for what is in flight; the rest becomes `maybe_paid`."""
    unreachable_after_s: float = 30.0
    """No connection for so long ends the run."""
    patience_s: float = 1800.0
    """No answer for so long, in a storm of 429s or 503s, ends the run."""

    @property
    def data_root(self) -> DataRoot:
        return DataRoot(self.root)

    @property
    def url(self) -> str:
        return self.teacher.base_url.rstrip("/") + "/chat/completions"

    @property
    def account(self) -> tuple[str, str]:
        """Account and pool: what the quota belongs to."""
        return self.teacher.account, self.teacher.pool

    @property
    def rates(self) -> Rates | None:
        """Dollars per token; None where the price is unknown."""
        price = self.teacher.price
        if price is None:
            return None
        return Rates(price.usd_per_million_input / 1e6, price.usd_per_million_output / 1e6)

    @property
    def limits(self) -> Limits:
        quota = self.teacher.quota
        stated: dict[MeterName, float | None] = {
            "requests": quota.requests_per_minute,
            "tokens": quota.tokens_per_minute,
            "input_tokens": quota.input_tokens_per_minute,
            "output_tokens": quota.output_tokens_per_minute,
            "requests_per_day": quota.requests_per_day,
            "tokens_per_day": quota.tokens_per_day,
        }
        return Limits({name: limit for name, limit in stated.items() if limit is not None}, quota.concurrency)

    @property
    def charging(self) -> Charging:
        """How this teacher's provider counts what it limits."""
        provider = provider_named(self.teacher.provider)
        rule = self.teacher.quota.charge or provider.charge
        # Only a server of one's own shows its queue, at the root of its address.
        page = urljoin(self.teacher.base_url, "/metrics") if provider.name in OWN_SERVERS else None
        return Charging(
            rule, provider.burst_s, provider.ramp_s, provider.cached_free, provider.windows_s, metrics_url=page
        )

    @property
    def account_ceiling(self) -> AccountCeiling:
        """What its account may be billed."""
        budget = self.teacher.budget
        return AccountCeiling(
            Ceiling(budget.requests, budget.tokens, budget.usd),
            Ceiling(budget.requests_per_day, budget.tokens_per_day, budget.usd_per_day),
        )

    @property
    def label(self) -> str:
        """The teacher as errors name it."""
        return f"teacher '{self.teacher.name}' at {self.teacher.base_url}"

    @property
    def run_terms(self) -> RunTerms:
        return RunTerms(
            run_id=self.run_id,
            unreachable_after_s=self.unreachable_after_s,
            patience_s=self.patience_s,
            request_timeout_s=self.request_timeout_s,
        )


@dataclass(frozen=True)
class WorkerDone:
    """What a worker hands back: its segment is converted, and not yet committed."""

    segment: Path
    segment_id: str
    files: tuple[DataFile, ...]
    states: Mapping[str, AttemptState]
    """Where each sample stands that was asked."""
    spent: Amount
    """Billed, with what is unknown at its worst."""
    settled: frozenset[str] = frozenset()
    """Request keys that were asked to an end; a worker that takes the batch over leaves them alone."""
    lengths: Mapping[str, Lengths] = field(default_factory=dict)
    """Of its answers, by prompt class."""
    over_budget: int = 0
    failure: str | None = None
    """Why the run must end."""
    stopped: str | None = None
    """Why it stopped before its end, if somebody asked it to."""


@dataclass(frozen=True)
class BatchDone:
    """One batch, committed: answered + failed + maybe_paid + not_asked = rows."""

    name: str
    answered: int
    failed: int
    maybe_paid: int
    not_asked: int
    over_budget: int
    """Of not_asked: rows whose worst case did not fit under the budget."""
    tokens: int
    usd: float
    files: tuple[DataFile, ...]
    stopped: str | None = None
    lengths: Mapping[str, Lengths] = field(default_factory=dict)
    """Of its answers, by prompt class."""


def run_budget(run_id: str, dataset: str, ceiling: Ceiling, calls: Iterable[TeacherCall]) -> RunBudget:
    """Every ceiling that a run asks under."""
    calls = list(calls)
    return RunBudget(
        run_id=run_id,
        dataset=dataset,
        ceiling=ceiling,
        accounts={call.teacher.account: call.account_ceiling for call in calls},
        rates={call.teacher.name: call.rates for call in calls if call.rates},
    )


def check_calls(ceiling: Ceiling, calls: Iterable[TeacherCall]) -> None:
    """Refuse to start what cannot be counted.

    Raises:
        BadInput: a ceiling in dollars, of the recipe or of an account, and a teacher without a price; two teachers of
            one pool that state different charge rules.
    """
    calls = list(calls)
    _check_charging(calls)
    _check_prices(ceiling, calls)


def _check_charging(calls: Iterable[TeacherCall]) -> None:
    first: dict[tuple[str, str], TeacherCall] = {}
    for call in calls:
        other = first.setdefault(call.account, call)
        if other.charging.rule != call.charging.rule:
            raise BadInput(
                f"teachers '{other.teacher.name}' ({other.charging.rule}) and '{call.teacher.name}' "
                f"({call.charging.rule}) share account '{call.account[0]}', pool '{call.account[1]}': "
                "give both the same quota.charge, or pools of their own"
            )


def _check_prices(ceiling: Ceiling, calls: Sequence[TeacherCall]) -> None:
    check_priced(ceiling, {call.teacher.name: call.rates for call in calls})
    for call in calls:
        name = f"of account '{call.teacher.account}' the budget"
        for each, what in ((call.account_ceiling.ever, "usd"), (call.account_ceiling.daily, "usd_per_day")):
            check_priced(each, {call.teacher.name: call.rates}, f"{name}.{what}")
