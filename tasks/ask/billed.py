"""What a data root has been billed, as it is written down: the ledger, the journals that are not in it yet, and what
is out at providers as batches."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date
from pathlib import Path

import pyarrow as pa

from tasks.ask.journal import SUFFIX, owned, read_frames
from tasks.ask.segment import Segment, SegmentHeader, billed, read_segment, time_of
from tasks.ask.spend import Amount, Billed, Rates, RunBudget
from tasks.ask.submissions import submissions, worst_of_intent
from warehouse.catalog import connect
from warehouse.layout import DataRoot

LEDGER = """
    select
        dataset,
        account,
        cast(sent_at as date) as day,
        count(*) filter (where not (state = 'failed' and outcome = 'connection')) as requests,
        coalesce(sum(case usage_source
            when 'reported' then prompt_tokens + completion_tokens
            when 'unknown' then worst_tokens end), 0)::bigint as tokens,
        coalesce(sum(case usage_source
            when 'reported' then coalesce(cost_usd, prompt_tokens * rates.input + completion_tokens * rates.output)
            when 'unknown' then coalesce(worst_cost_usd, worst_tokens * greatest(rates.input, rates.output))
            end), 0)::double as usd
    from store.ledger_parquet
    left join rates using (teacher)
    group by all
"""
"""The ledger as it was first read: no later reading changes what was billed."""
_COLUMNS: list[tuple[str, pa.DataType]] = [("teacher", pa.string()), ("input", pa.float64()), ("output", pa.float64())]
_RATES = pa.schema(_COLUMNS)


@dataclass
class Tally:
    """Sums by dataset, by account, and by account and day."""

    datasets: dict[str, Amount] = field(default_factory=dict)
    accounts: dict[str, Amount] = field(default_factory=dict)
    days: dict[tuple[str, date], Amount] = field(default_factory=dict)

    def add(self, dataset: str, account: str, day: date, amount: Amount) -> None:
        self.datasets[dataset] = self.datasets.get(dataset, Amount()) + amount
        self.accounts[account] = self.accounts.get(account, Amount()) + amount
        self.days[account, day] = self.days.get((account, day), Amount()) + amount

    @property
    def billed(self) -> Billed:
        return Billed(self.datasets, self.accounts, self.days)


@dataclass(frozen=True)
class Counted:
    """One count of a data root."""

    billed: Billed
    gone: frozenset[str]
    """Of the known workers those whose cost is in `billed`."""
    strangers: tuple[SegmentHeader, ...]
    """Workers that hold a journal and are not known: what they may still send is in no count."""
    ended: frozenset[str] = frozenset()
    """Workers that have let go of a journal, which was counted."""


def count_billed(
    root: DataRoot, rates: Mapping[str, Rates], known: Callable[[], frozenset[str]] = frozenset
) -> Counted:
    """Count what is billed, with what is unknown at its worst, but for what the workers `known` still hold.

    A worker's journal is its lock: who holds none has ended. Journals are looked at before the ledger, so that
    one that is committed in between is found in the ledger; each segment is counted in exactly one of the two.
    `known` is asked at the start, and again once the ledger stands still: it names workers that have reserved.
    Attempts made before their teacher's price was known count at the price in `rates`, and no dollars without one.
    """
    at_first, tally, strangers = known(), Tally(), list[SegmentHeader]()
    ended, asking = dict[str, Segment](), set[str]()
    for path in sorted(root.journal.glob(f"*/*{SUFFIX}")):
        with owned(path) as has_ended:
            if has_ended:
                if segment := read_segment(path):
                    ended[path.stem] = segment
            elif path.exists() and path.stem in at_first:
                asking.add(path.stem)
            elif header := _header(path):
                strangers.append(header)
    out = {each.key: each for each in submissions(root)}
    listed = _add_ledger(root, tally, rates, lambda: known() | ended.keys() | out.keys())
    for submission in (each for key, each in out.items() if key not in listed and key not in ended):
        for intent in submission.intents():
            day = time_of(intent["at"]).date()
            tally.add(submission.header.dataset, submission.header.account, day, worst_of_intent(intent))
    for segment in (segment for name, segment in ended.items() if name not in listed):
        for attempt in segment.attempts:
            day = attempt["sent_at"].astimezone(UTC).date()
            tally.add(segment.header.dataset, segment.header.account, day, billed(attempt))
    return Counted(
        tally.billed, (at_first - asking) | (listed - ended.keys() - out.keys()), tuple(strangers), frozenset(ended)
    )


def in_the_way(counted: Counted, budget: RunBudget, open_runs: Container[str] = ()) -> tuple[SegmentHeader, ...]:
    """Workers of no open run that may still spend under a ceiling of this one: its room is not known yet."""
    return tuple(one for one in counted.strangers if one.run_id not in open_runs and _shares(one, budget))


def _shares(worker: SegmentHeader, budget: RunBudget) -> bool:
    account = budget.accounts.get(worker.account)
    return (account is not None and account.is_set) or (worker.dataset == budget.dataset and budget.ceiling.is_set)


def _header(path: Path) -> SegmentHeader | None:
    """What a worker's journal says it is; None if it is gone."""
    try:
        first = next(read_frames(path), None)
    except FileNotFoundError:
        return None
    return SegmentHeader(**first.fields) if first and first.kind == "segment" else None


def _add_ledger(
    root: DataRoot, tally: Tally, rates: Mapping[str, Rates], segments: Callable[[], frozenset[str]]
) -> frozenset[str]:
    """Add the ledger as it stands; which of the segments are in it."""
    if not root.warehouse.exists():
        return frozenset()
    rows = [{"teacher": teacher, "input": rate.input, "output": rate.output} for teacher, rate in rates.items()]
    with connect(root) as warehouse:
        warehouse.register("rates", pa.Table.from_pylist(rows, schema=_RATES))
        for dataset, account, day, requests, tokens, usd in warehouse.execute(LEDGER).fetchall():
            tally.add(dataset, account, day, Amount(requests, tokens, usd))
        sql = "select distinct segment_id from store.file where segment_id in (select unnest(?))"
        return frozenset(name for (name,) in warehouse.execute(sql, [sorted(segments())]).fetchall())
