"""Reading a stored response again with a later parser, and what is then otherwise (pure).

Only what was read may change. What was billed may not: usage, cost and worst case of the attempt stay as they were
first read, whatever a later parser makes of them.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from tasks.ask.continuing import Prefix
from tasks.ask.reading import columns_of, is_kept, trace_of
from tasks.ask.reply import PARSER, Reply, read_reply
from warehouse.records import READINGS, content_id

TEXTS = ("reasoning", "answer", "content")
NAMED = ("outcome", "reasoning", "answer", "content", "finish_reason")
"""What the id of a trace that was read again names: where one of these is otherwise, it is another trace, and is judged
anew. Of the rest (usage, say) the same trace gets new figures."""
USAGE = ("usage_source", "prompt_tokens", "completion_tokens", "reasoning_tokens")
PLAIN = ("reasoning_source", "finish_reason", "served_model", "system_fingerprint")
_BROKE = ("timeout", "connection")


@dataclass(frozen=True)
class Parser:
    """A way to read responses, and its version."""

    version: int
    read: Callable[..., Reply]
    """As `tasks.ask.reply.read_reply`."""


PRESENT = Parser(PARSER, read_reply)


@dataclass(frozen=True)
class Reread:
    """A response that was read otherwise than before."""

    reading: dict[str, Any]
    """A row of READINGS."""
    trace: dict[str, Any] | None
    """A row of TRACES; None: there is no answer in it."""


@dataclass
class Tally:
    """What reading a dataset's responses again came to."""

    responses: int = 0
    """Read again."""
    changed: int = 0
    later: int = 0
    """Left as they are: a later parser has read them."""
    cut_off: int = 0
    """Left as they are: they go on with an answer whose beginning is not in the data root."""
    gained: int = 0
    """Answers where none had been read."""
    lost: int = 0
    """Answers in which none is read now: their samples may be asked for again."""
    traces: int = 0
    """Traces that took the place of others, or are new."""
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Of those that changed: before and after."""
    fields: Counter[str] = field(default_factory=Counter)
    """How many responses each of what was read changed in."""

    def add(self, reread: Reread) -> None:
        row = reread.reading
        self.changed += 1
        self.gained += row["state"] == "paid" and row["state_before"] != "paid"
        self.lost += row["state_before"] == "paid" and row["state"] != "paid"
        self.traces += reread.trace is not None and row["trace_id"] != row["trace_before"]
        self.outcomes[row["outcome_before"], row["outcome"]] += 1
        self.fields.update(row["changed"])


def read_again(stored: Mapping[str, Any], parser: Parser, tally: Tally, reading: int, now: datetime) -> Reread | None:
    """Read one stored response; None if nothing is otherwise, or it is not for this parser to say.

    Args: stored: a row of `sql/stored.sql`: the attempt as first read, with what holds now in `now_state`,
    `now_outcome` and `now_parser`, its trace in `trace` (texts as their MD5), and the beginning that the request went
    on with in `beginning`. reading: the number of this reading again.
    """
    if stored["now_parser"] > parser.version:
        tally.later += 1
        return None
    if stored["continues"] is not None and stored["beginning"] is None:
        tally.cut_off += 1
        return None
    tally.responses += 1
    prefix = Prefix(**stored["beginning"]) if stored["beginning"] else None
    reply = _read(stored, parser, prefix)
    attempt = {**stored, **columns_of(reply), "parser": parser.version}
    trace = {**trace_of(attempt, reply, prefix), "reading": reading} if is_kept(reply) else None
    changed = tuple(_changes(stored, attempt, trace))
    if not changed:
        return None
    if trace is not None:
        trace["trace_id"] = _trace_id(stored["trace"], trace, changed)
    reread = Reread(_reading(stored, attempt, trace, changed, reading, now), trace)
    tally.add(reread)
    return reread


def _read(stored: Mapping[str, Any], parser: Parser, prefix: Prefix | None) -> Reply:
    """What became of a stream that broke off is in the outcome that it was first given."""
    broke = stored["outcome"] if stored["outcome"] in _BROKE else None
    headers = orjson.loads(stored["headers"] or "{}")
    return parser.read(
        stored["status"], headers, stored["body"], stored["received_at"], stored["provider"], broke, prefix
    )


def _changes(stored: Mapping[str, Any], attempt: Mapping[str, Any], trace: Mapping[str, Any] | None) -> Iterator[str]:
    """What is otherwise. Without an answer only the outcome counts: an error's wording alone is no news."""
    if (stored["now_state"], stored["now_outcome"]) != (attempt["state"], attempt["outcome"]):
        yield "outcome"
    before = stored["trace"]
    if before is None or trace is None:
        if (before is None) != (trace is None):
            yield "trace"
        return
    yield from (name for name in TEXTS if before[name] != md5(trace[name]))
    yield from (name for name in PLAIN if before[name] != trace[name])
    if any(before[name] != trace[name] for name in USAGE):
        yield "usage"


def _trace_id(before: Mapping[str, Any] | None, trace: Mapping[str, Any], changed: tuple[str, ...]) -> str:
    """The id that it had, as long as all that an id names is as it was; else one of the whole reading.

    A first reading's id names neither outcome nor answer, which its parser drew from the rest; two parsers may draw
    them differently, and one id must not stand for both.
    """
    if before is not None and not set(changed) & set(NAMED):
        return str(before["trace_id"])
    return content_id(trace["request_key"], *(trace[name] for name in NAMED))


def _reading(
    stored: Mapping[str, Any],
    attempt: Mapping[str, Any],
    trace: Mapping[str, Any] | None,
    changed: tuple[str, ...],
    reading: int,
    now: datetime,
) -> dict[str, Any]:
    return {
        **{name: attempt.get(name) for name in READINGS.names},
        "reading": reading,
        "read_at": now,
        "state_before": stored["now_state"],
        "outcome_before": stored["now_outcome"],
        "trace_before": stored["trace"]["trace_id"] if stored["trace"] else None,
        "trace_id": trace["trace_id"] if trace else None,
        "changed": list(changed),
    }


def md5(text: str) -> str:
    """As DuckDB's `md5`: texts are compared by it, so that no stored one is held beside the new. No safety rests on
    it."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
