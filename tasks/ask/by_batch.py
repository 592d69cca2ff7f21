"""Ask by the provider's batch API: submit, poll, collect; what is out survives every run.

The order is what makes it safe. Intents are durable first (`submissions.py`), then the file goes up under the name of
our key, then a note says that a batch may be made, then it is made with our key in its metadata, then its id is noted.
Whoever comes back after a crash, at any of these points, lists the provider's batches before it submits, and finds its
own. An ended batch becomes journal segments that are whole before they have a name, and those go the way of every
segment (`adopt.py`): a crash while collecting costs a second download and nothing else.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tasks.ask.batch_api import BatchApi, MaybeMade
from tasks.ask.batch_files import BATCH, BatchFile
from tasks.ask.batch_lines import GONE, Listing, ProviderBatch, end_without_line, metadata, submission_key
from tasks.ask.batch_results import Results
from tasks.ask.batch_segments import is_listed, take_segment, write_segment
from tasks.ask.batch_upload import LinesCutter
from tasks.ask.billed import count_billed
from tasks.ask.call import BatchDone, TeacherCall
from tasks.ask.segment import Segment, SegmentHeader
from tasks.ask.spend import Amount, Ceiling, RunBudget
from tasks.ask.submissions import Note, Submission, keys_out, open_submission, submissions
from warehouse.errors import RunFailed
from warehouse.layout import DataRoot
from warehouse.records import AttemptState

SEGMENT_ROWS = 2000
"""Requests of one segment, and so of one part: what is held in memory of a batch that has ended."""
READ_ROWS = 1000
KEYS = ("request_key",)
SETTLE_S = 10.0
"""After the request to make a batch, until a listing that does not show it counts as proof that there is none. A guess:
no provider states how soon its list is complete."""

Now = Callable[[], datetime]
Say = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Patience:
    """How a run waits for batches."""

    poll_s: float = 60.0
    wait_s: float = 86_400.0
    """After this long the run goes on without what is still out; a later one takes it up."""
    settle_s: float = SETTLE_S


@dataclass
class _Tally:
    """Where this run's rows stand."""

    states: dict[str, AttemptState] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    attempts: Counter[str] = field(default_factory=Counter)
    spent: Amount = Amount()
    refused: str | None = None
    """Why a provider failed a whole batch in the last round."""

    def add(self, segment: Segment) -> None:
        self.states.update(segment.states)
        self.settled |= segment.settled
        self.attempts.update(attempt["request_key"] for attempt in segment.attempts)
        self.spent += segment.spent

    @property
    def answered(self) -> int:
        return sum(state == "paid" for state in self.states.values())


@dataclass
class ByBatch:
    """The work with one teacher's batch API."""

    root: DataRoot
    call: TeacherCall
    """At the batch's price."""
    api: BatchApi
    patience: Patience
    root_id: str
    now: Now
    say: Say
    batches: Sequence[BatchFile] = ()
    awaited: set[str] = field(default_factory=set)
    """Keys of the submissions to wait for; others of this teacher are collected too if they have ended."""
    tally: _Tally = field(default_factory=_Tally)
    over_budget: int = 0
    """Rows that did not fit under the ceiling in the last round."""
    out: int = 0
    """Batches that were not over when they were last looked at."""

    @property
    def is_done(self) -> bool:
        """Whether every row has an end that no further batch would change."""
        return all(row["request_key"] in self.tally.settled for row in _rows(self.batches, frozenset(), KEYS))

    def check_accepted(self) -> None:
        """RunFailed if the provider would not take what is left."""
        if self.tally.refused and not self.is_done:
            raise RunFailed(
                f"{self.call.label} refuses a batch ({self.tally.refused}): correct the recipe or the entry, or ask"
                " directly (`ask_by: direct`), and run again"
            )

    async def take_up(self) -> None:
        """Collect what has ended, and find what a dead run may have submitted."""
        await self._find()
        await self.collect_ended()

    # -- submitting

    async def submit_all(self, budget: RunBudget) -> None:
        """Submit whatever is neither out nor settled and fits under every ceiling."""
        self.tally.refused = None
        if not self.batches:
            return
        rows = _rows(self.batches, keys_out(self.root) | self.tally.settled, BATCH.names)
        listing: Listing | None = None
        cutter = LinesCutter(rows, self.call, self._used(budget), self.tally.attempts)
        path = self._scratch() / "lines.jsonl"
        while cut := cutter.write(path):
            listing = await self._listing() if listing is None else listing
            key = submission_key(self.root_id, self.call.dataset, cut.attempts, cut.sha256)
            await self._submit(key, path, cut.intents, listing)
        path.unlink(missing_ok=True)
        self.over_budget = cutter.over_budget

    def _used(self, budget: RunBudget) -> list[tuple[Ceiling, Amount]]:
        """Every ceiling on this teacher, with what is billed, and what is out at its worst."""
        billed, account = count_billed(self.root, budget.rates).billed, self.call.teacher.account
        today, own = self.now().astimezone(UTC).date(), budget.accounts[account]
        return [
            (budget.ceiling, billed.datasets.get(budget.dataset, Amount())),
            (own.ever, billed.accounts.get(account, Amount())),
            (own.daily, billed.days.get((account, today), Amount())),
        ]

    async def _submit(self, key: str, path: Path, intents: Sequence[Mapping[str, Any]], listing: Listing) -> None:
        header = SegmentHeader.of(self.call, f"{self.call.dataset}-{key[:8]}", key)
        at = _microseconds(self.now())
        out = open_submission(self.root, header, ({**intent, "at": at} for intent in intents))
        self.awaited.add(key)
        there, file_id = listing.find(key), ""
        if there is None:
            file_id = await self.api.upload(path, key)
            await self.say(f"uploaded {len(intents)} requests")
            there = listing.find(key, file_id)
        if there is not None:  # submitted by a run whose record of it is lost
            out.noted(Note("submitted", at, file_id, there.id))
            return
        out = out.noted(Note("submitting", _microseconds(self.now()), file_id))
        batch = await self._make(out, file_id)
        await self.say(f"submitted batch {batch.id}")
        out.noted(Note("submitted", _microseconds(self.now()), file_id, batch.id))

    async def _make(self, out: Submission, file_id: str) -> ProviderBatch:
        """Make a batch, once: whenever it is not known whether there is one, look before trying again."""
        terms = self.call.teacher.batch
        assert terms is not None, "only a teacher with a batch API is asked by batch"
        said = metadata(out.key, out.header.dataset)
        deadline = time.monotonic() + self.call.patience_s
        while True:
            try:
                return await self.api.make(file_id, terms.endpoint, terms.window, said)
            except MaybeMade as trouble:
                await asyncio.sleep(self.patience.settle_s)
                there = (await self._listing()).find(out.key, file_id)
                if there is not None:
                    return there
                if time.monotonic() > deadline:
                    raise RunFailed(
                        f"{self.call.label} makes no batch ({trouble}): run again, nothing is lost"
                    ) from None

    async def _find(self) -> None:
        """Settle what an earlier run left half submitted: it is there, with its key, or it never was."""
        asked: list[tuple[Submission, Note]] = []
        for out in self._mine():
            if out.note is None:
                out.drop()
            elif out.note.state == "submitting":
                asked.append((out, out.note))
        if not asked:
            return
        listing = await self._listing()
        if not all(listing.find(out.key, note.file_id) for out, note in asked):
            age_s = (_microseconds(self.now()) - max(note.at for _, note in asked)) / 1e6
            await asyncio.sleep(max(0.0, self.patience.settle_s - age_s))
            listing = await self._listing()
        for out, note in asked:
            if batch := listing.find(out.key, note.file_id):
                out.noted(replace(note, state="submitted", batch_id=batch.id))
            else:
                out.drop()  # its file stays at the provider, and is used again

    async def _listing(self) -> Listing:
        return await self.api.listing(self.now().timestamp())

    # -- waiting

    async def collect_ended(self) -> int:
        """One look at everything that is out with this teacher; returns how many are not over and awaited."""
        waiting, done, total = 0, 0, 0
        for out in self._mine():
            if out.note is None or out.note.batch_id is None:
                continue
            batch = await self.api.look(out.note.batch_id) or await self._missed(out, out.note)
            if batch is None or batch.is_over:
                await self._collect(out, batch)
            elif out.key in self.awaited:
                waiting += 1
                done, total = done + batch.completed, total + batch.total
        self.out = waiting
        if waiting:
            many = "a batch is" if waiting == 1 else f"{waiting} batches are"
            await self.say(f"{many} out at the provider: {done:,} of {total:,} requests done")
        return waiting

    async def _missed(self, out: Submission, note: Note) -> ProviderBatch | None:
        """A batch that its provider denies: new ones may not be known everywhere yet, so the list decides, later."""
        age_s = (_microseconds(self.now()) - note.at) / 1e6
        await asyncio.sleep(max(0.0, self.patience.settle_s - age_s))
        return (await self._listing()).find(out.key, note.file_id)

    def _mine(self) -> list[Submission]:
        teacher = self.call.teacher.name
        return [out for out in submissions(self.root) if out.header.teacher == teacher]

    # -- collecting

    async def _collect(self, out: Submission, batch: ProviderBatch | None) -> None:
        """Turn an ended batch into segments, the segments into parts, and commit them."""
        if batch is not None and batch.status == "failed":
            self.tally.refused = batch.problem or "no reason given"
        with ExitStack() as files:
            results = await self._download(out, batch, files)
            await self.say(f"collecting batch {batch.id if batch else out.key}")
            intents, number = out.intents(), 0
            while chunk := list(islice(intents, SEGMENT_ROWS)):
                header = replace(
                    out.header,
                    segment_id=f"{out.key}-{number:04}",
                    batch_id=batch.id if batch else out.header.batch_id,
                )
                if not is_listed(self.root, header, self.now()):  # a run that died after this has committed it
                    path = write_segment(self.root, header, chunk, results, _microseconds(self.now()))
                    await self.say(f"written {header.segment_id}")
                    self.tally.add(await asyncio.to_thread(take_segment, self.root, path, self.now()))
                number += 1
        out.drop()

    async def _download(self, out: Submission, batch: ProviderBatch | None, files: ExitStack) -> Results:
        if batch is None:
            return Results("", GONE)
        results = Results(batch.id, GONE)
        for file_id, name in ((batch.output_file_id, "output"), (batch.error_file_id, "error")):
            path = self._scratch() / f"{out.key}-{name}.jsonl"
            if file_id is not None and await self.api.download(file_id, path):
                files.callback(path.unlink)
                lines = results.index(files.enter_context(path.open("rb")))
                results.answered += lines if name == "output" else 0
        results.missing = end_without_line(batch, results.answered)
        return results

    def _scratch(self) -> Path:
        folder = self.root.scratch(self.call.run_id)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def done(self) -> BatchDone:
        """Where this teacher's rows stand; what is out counts as not asked."""
        keys = (row["request_key"] for row in _rows(self.batches, frozenset(), KEYS))
        states = Counter(self.tally.states.get(key) for key in keys)
        return BatchDone(
            name=f"{self.call.dataset} by batch",
            answered=states["paid"],
            failed=states["failed"],
            maybe_paid=states["maybe_paid"],
            not_asked=states[None],
            over_budget=self.over_budget,
            tokens=self.tally.spent.tokens,
            usd=self.tally.spent.usd,
            files=(),
            stopped=f"{self.out} still out at the provider" if self.out else None,
        )


def _rows(batches: Sequence[BatchFile], skip: Set[str], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of some batch files but those in `skip`, a thousand at a time."""
    for batch in batches:
        with pq.ParquetFile(batch.path) as file:
            for rows in file.iter_batches(batch_size=READ_ROWS, columns=list(columns)):
                yield from (row for row in rows.to_pylist() if row["request_key"] not in skip)


def _microseconds(at: datetime) -> int:
    return round(at.timestamp() * 1e6)
