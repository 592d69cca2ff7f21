"""The rows of a batch file, as a worker asks for them."""

from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import orjson
import pyarrow.parquet as pq

from tasks.ask.call import TeacherCall
from tasks.ask.charge import Want
from tasks.ask.continuing import Prefix, capped_body
from tasks.ask.spend import Amount, Rates


@dataclass(frozen=True)
class Row:
    """One sample of a batch, ready to be sent."""

    request_key: str
    prompt_id: str
    sample_index: int
    body: bytes
    max_tokens: int
    """The cap of the answer; of a continuation, with what it goes on with."""
    want: Want
    """By which its provider charges it."""
    worst: Amount
    """What it may cost at most."""
    tries: int = 0
    """Requests of it that did not go through in this batch and count as tries."""
    held_up: int = 0
    """Times that it was too late when its intent was durable."""
    most_tokens: int = 0
    """The recipe's cap: an answer cut off below it is asked for again with a higher one."""
    prompt_class: str | None = None
    resampled: bool = False
    """A fresh draw, because an earlier one was cut off."""
    prefix: Prefix | None = None
    """The beginning that it goes on with."""

    def again(self, counted: bool) -> "Row":
        return replace(self, tries=self.tries + counted)


def read_rows(path: str | BytesIO, call: TeacherCall, skip: frozenset[str]) -> list[Row]:
    """The rows of a batch file, or of its bytes, with what each may cost at most."""
    table = pq.read_table(path).to_pylist()
    return [_row(row, call) for row in table if row["request_key"] not in skip]


def _row(row: dict[str, Any], call: TeacherCall) -> Row:
    prefix = Prefix(**orjson.loads(row["prefix"])) if row["prefix"] else None
    most = row["most_tokens"] or row["max_tokens"]
    cap, body = row["max_tokens"], row["body"]
    if not (prefix or row["resampled"]) and (measured := call.caps.get(row["prompt_class"])):
        cap, body = min(measured, most), capped_body(body, min(measured, most))
    sent = max(1, cap - prefix.tokens) if prefix else cap
    return Row(
        request_key=row["request_key"],
        prompt_id=row["prompt_id"],
        sample_index=row["sample_index"],
        body=body,
        max_tokens=cap,
        want=Want(row["prompt_tokens"], _characters(body), sent),
        worst=worst_of(row["prompt_tokens_bound"], sent, call.rates),
        most_tokens=most,
        prompt_class=row["prompt_class"],
        resampled=bool(row["resampled"]),
        prefix=prefix,
    )


def _characters(body: bytes) -> int:
    return sum(len(message["content"]) for message in orjson.loads(body)["messages"])


def worst_of(prompt_tokens_bound: int, max_tokens: int, rates: Rates | None) -> Amount:
    """What one request may cost at most."""
    usd = rates.usd(prompt_tokens_bound, max_tokens) if rates else 0.0
    return Amount(1, prompt_tokens_bound + max_tokens, usd)
