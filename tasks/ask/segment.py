"""From a journal segment to rows and parts: the one path, at a batch's normal end and after a crash alike.

It reads nothing but the segment, so whoever converts it, and however often, writes the same bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from tasks.ask.call import TeacherCall
from tasks.ask.continuing import Prefix
from tasks.ask.journal import Frame, read_frames
from tasks.ask.lengths import Lengths
from tasks.ask.reading import columns_of, is_kept, trace_of
from tasks.ask.reply import PARSER, Reply, read_reply
from tasks.ask.spend import Amount, Rates
from warehouse.layout import DataRoot
from warehouse.parts import write_part
from warehouse.records import ATTEMPTS, IDENTITY, TRACES, AttemptState, DataFile, Outcome, content_id

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEST_FIRST: tuple[AttemptState, ...] = ("paid", "maybe_paid", "failed")
PREFLIGHT = "preflight"
"""The batch of probes: billed like any other, and their answers are no traces."""
IN_FLIGHT = "no answer had been journaled when its worker ended"


@dataclass(frozen=True)
class SegmentHeader:
    """What every row of a segment shares; the segment's first record."""

    segment_id: str
    dataset: str
    run_id: str
    batch_id: str
    teacher: str
    route: str
    teacher_model: str
    teacher_revision: str | None
    terms_id: str
    terms_sha256: str
    decision_id: str
    simulated: bool
    account: str
    pool: str
    usd_per_token_in: float | None
    usd_per_token_out: float | None
    provider: str = "unknown"
    """Whose responses these are; segments of before it was written down were read in OpenAI's form, and still are."""

    @classmethod
    def of(cls, call: TeacherCall, batch: str, segment_id: str) -> "SegmentHeader":
        teacher, rates = call.teacher, call.rates
        return cls(
            segment_id=segment_id,
            dataset=call.dataset,
            run_id=call.run_id,
            batch_id=batch,
            teacher=teacher.name,
            route=teacher.route,
            teacher_model=teacher.model,
            teacher_revision=teacher.revision,
            terms_id=teacher.terms_id,
            terms_sha256=teacher.terms_sha256,
            decision_id=call.decision_id,
            simulated=teacher.simulated,
            account=teacher.account,
            pool=teacher.pool,
            usd_per_token_in=rates.input if rates else None,
            usd_per_token_out=rates.output if rates else None,
            provider=teacher.provider,
        )

    @property
    def rates(self) -> Rates | None:
        if self.usd_per_token_in is None or self.usd_per_token_out is None:
            return None
        return Rates(self.usd_per_token_in, self.usd_per_token_out)

    @property
    def identity(self) -> dict[str, object]:
        """Columns of every attempt and trace."""
        return {name: getattr(self, name) for name, _ in IDENTITY}


@dataclass(frozen=True)
class Segment:
    """A segment read: one row per attempt, one per trace."""

    header: SegmentHeader
    attempts: tuple[Mapping[str, Any], ...]
    traces: tuple[Mapping[str, Any], ...]
    cut: frozenset[str] = frozenset()
    """Attempts whose answer was cut off below the cap that is wanted: more of it is to be asked for."""

    @property
    def spent(self) -> Amount:
        """What its attempts are taken to have cost: as reported, else the worst."""
        return sum((billed(attempt) for attempt in self.attempts), Amount())

    @property
    def settled(self) -> frozenset[str]:
        """Request keys whose last attempt is not one that is tried again within a batch, or that have an answer, if
        only the beginning of one: a later plan knows how to ask for more."""
        last = {attempt["request_key"]: attempt for attempt in self.attempts}
        paid = {attempt["request_key"] for attempt in self.attempts if attempt["state"] == "paid"}
        return frozenset(key for key, attempt in last.items() if key in paid or not _may_go_on(attempt))

    @property
    def states(self) -> dict[str, AttemptState]:
        """Where each sample stands: the best of its attempts counts; one with a beginning alone is not listed."""
        best: dict[str, AttemptState] = {}
        for attempt in self.attempts:
            if attempt["attempt_id"] in self.cut:
                continue
            key, state = attempt["request_key"], attempt["state"]
            best[key] = min(best.get(key, state), state, key=BEST_FIRST.index)
        return best

    @property
    def lengths(self) -> dict[str, Lengths]:
        """Completion tokens by prompt class: of each sample the longest answer that was seen."""
        classes = {each["attempt_id"]: each["prompt_class"] for each in self.attempts if each["state"] == "paid"}
        longest: dict[str, tuple[int, bool, str]] = {}
        for trace in self.traces:
            key, tokens, name = trace["request_key"], trace["completion_tokens"], classes.get(trace["attempt_id"])
            if name is not None and tokens is not None and tokens > longest.get(key, (-1,))[0]:
                longest[key] = tokens, trace["outcome"] == "truncated", name
        found: dict[str, Lengths] = {}
        for tokens, is_cut, name in longest.values():
            found.setdefault(name, Lengths()).add(tokens, is_cut)
        return found


def billed(attempt: Mapping[str, Any]) -> Amount:
    """What an attempt counts against a budget: every request that reached the teacher, and its tokens."""
    reached = 0 if attempt["state"] == "failed" and attempt["outcome"] == "connection" else 1
    if attempt["usage_source"] == "reported":
        return Amount(reached, attempt["prompt_tokens"] + attempt["completion_tokens"], attempt["cost_usd"] or 0.0)
    if attempt["usage_source"] == "unknown":
        return Amount(reached, attempt["worst_tokens"], attempt["worst_cost_usd"] or 0.0)
    return Amount(reached)


def read_segment(path: Path) -> Segment | None:
    """Read a segment; None if it was cut off before it said what it is, when nothing had been sent."""
    frames = read_frames(path)
    first = next(frames, None)
    if first is None or first.kind != "segment":
        return None
    header = SegmentHeader(**first.fields)
    attempts: list[Mapping[str, Any]] = []
    traces: list[Mapping[str, Any]] = []
    cut: set[str] = set()
    for sent, end in _pairs(frames):
        attempt, reply = _attempt(header, sent, end)
        if attempt is None:
            continue
        attempts.append(attempt)
        if reply is not None and is_kept(reply) and header.batch_id != PREFLIGHT:
            traces.append(trace_of(attempt, reply, _prefix(sent)))
        if attempt["outcome"] == "truncated" and sent["max_tokens"] < sent.get("most_tokens", 0):
            cut.add(attempt["attempt_id"])
    return Segment(header, tuple(attempts), tuple(traces), frozenset(cut))


def write_parts(root: DataRoot, segment: Segment) -> tuple[DataFile, ...]:
    """Write a segment's rows as at most two parts; a segment in which nothing was asked gives none."""
    header = segment.header
    written = []
    for kind, schema, rows in (("ledger", ATTEMPTS, segment.attempts), ("traces", TRACES, segment.traces)):
        if rows:
            table = pa.Table.from_pylist(list(rows), schema=schema)
            written.append(
                write_part(
                    root,
                    kind,
                    f"{header.dataset}/{header.segment_id}",
                    table,
                    dataset=header.dataset,
                    teacher=header.teacher,
                    terms_sha256=header.terms_sha256,
                    segment_id=header.segment_id,
                )
            )
    return tuple(written)


def _pairs(frames: Iterator[Frame]) -> Iterator[tuple[Mapping[str, Any], Frame | None]]:
    """Each intent with what came of it, in the order of the ends; then those of which nothing is known."""
    open_intents: dict[int, Mapping[str, Any]] = {}
    for frame in frames:
        if frame.kind == "sent":
            open_intents[frame.fields["n"]] = frame.fields
        else:
            yield open_intents.pop(frame.fields["n"]), frame
    for sent in open_intents.values():
        yield sent, None


def _attempt(
    header: SegmentHeader, sent: Mapping[str, Any], end: Frame | None
) -> tuple[dict[str, Any] | None, Reply | None]:
    """One row of the ledger; None for an intent that was given up before anything was sent."""
    if end is None:
        return _row(header, sent, "maybe_paid", "connection", error=IN_FLIGHT), None
    if end.kind == "received":
        return _received(header, sent, end)
    error, at = end.fields["error"], time_of(end.fields["at"])
    if end.kind == "lost":
        return _row(header, sent, "maybe_paid", end.fields["outcome"], error=error, received_at=at), None
    if error is None:
        return None, None
    return _row(header, sent, "failed", "connection", error=error, received_at=at, usage_source=None), None


def _received(header: SegmentHeader, sent: Mapping[str, Any], end: Frame) -> tuple[dict[str, Any], Reply]:
    at = time_of(end.fields["at"])
    fields = end.fields
    broke, prefix = fields.get("broke"), _prefix(sent)
    reply = read_reply(fields["status"], fields["headers"], end.body, at, header.provider, broke, prefix)
    said = columns_of(reply)
    usage = reply.usage if said["usage_source"] == "reported" else None
    row = _row(
        header,
        sent,
        **said,
        received_at=at,
        latency_s=fields["latency_s"],
        status=fields["status"],
        cost_usd=usage.cost_usd(header.rates) if usage else None,
        headers=orjson.dumps(fields["headers"], option=orjson.OPT_SORT_KEYS).decode(),
        body=end.body,
    )
    return row, reply


def _row(
    header: SegmentHeader, sent: Mapping[str, Any], state: AttemptState, outcome: Outcome, **more: Any
) -> dict[str, Any]:
    prefix = _prefix(sent)
    return {
        **dict.fromkeys(ATTEMPTS.names),
        "attempt_id": content_id(header.segment_id, sent["n"]),
        "request_key": sent["request_key"],
        "prompt_id": sent["prompt_id"],
        "sample_index": sent["sample_index"],
        "dataset": header.dataset,
        "run_id": header.run_id,
        "batch_id": header.batch_id,
        **header.identity,
        "account": header.account,
        "pool": header.pool,
        "state": state,
        "outcome": outcome,
        "max_tokens": sent["max_tokens"],
        "sent_at": time_of(sent["at"]),
        "usage_source": "unknown",
        "worst_tokens": sent["worst_tokens"],
        "worst_cost_usd": sent["worst_cost_usd"],
        "prompt_class": sent.get("prompt_class"),
        "resampled": bool(sent.get("resampled")),
        "continues": prefix.attempt_id if prefix else None,
        "provider": header.provider,
        "parser": PARSER,
        **more,
    }


def _prefix(sent: Mapping[str, Any]) -> Prefix | None:
    """What a request went on with; journals of before there were continuations say nothing of it."""
    return Prefix(**sent["prefix"]) if sent.get("prefix") else None


def _may_go_on(attempt: Mapping[str, Any]) -> bool:
    """Whether a worker that takes the batch over asks for this sample again: it was turned away, or never
    reached."""
    return attempt["state"] == "failed" and attempt["outcome"] in ("rate_limited", "overloaded", "connection")


def time_of(microseconds: int) -> datetime:
    """When a record of a segment was written."""
    return EPOCH + timedelta(microseconds=microseconds)
