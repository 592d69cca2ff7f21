"""Cut the samples to ask into batch files, and say what asking them will cost."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.ask.continuing import Prefix, can_continue, continued_body, prefix_tokens_bound
from tasks.ask.lengths import ladder, next_cap
from tasks.ask.prompt_file import PromptFile, rows_of
from tasks.ask.render import canonical, render_messages, request
from tasks.ask.sampling import prompt_class
from tasks.ask.tokens import bound_prompt_tokens, estimate_prompt_tokens
from tasks.ask.wanted import Samples, Wanted
from tasks.right.terms import Teacher

CONTINUED_BYTES = 8
"""Of text for a token, at most, when it is said beforehand what continuing costs: about twice what English has. The
reservation itself counts the text's own bytes."""

Kind = Literal["first", "again"]
KINDS: tuple[Kind, ...] = ("first", "again")  # what may have been paid is asked last

_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("request_key", pa.string()),
    ("prompt_id", pa.string()),
    ("sample_index", pa.int32()),
    ("body", pa.large_binary()),  # JSON of the whole chat request, max_tokens included
    ("prompt_tokens", pa.int32()),  # estimated: for pacing
    ("prompt_tokens_bound", pa.int32()),  # never exceeded: for money
    ("max_tokens", pa.int32()),  # the cap of the answer, with what it goes on with
    ("attempt", pa.int32()),  # attempts made before, by any run
    ("most_tokens", pa.int32()),  # the recipe's cap, up to which an answer that is cut off is asked for again
    ("prompt_class", pa.string()),
    ("resampled", pa.bool_()),  # a fresh draw, because an earlier one was cut off
    ("prefix", pa.binary()),  # JSON of the beginning that the body goes on with; null for most
]
BATCH = pa.schema(_COLUMNS)
"""Columns of a batch file."""


@dataclass(frozen=True)
class BatchFile:
    """Samples that one task run asks of one teacher, in a Parquet file of schema BATCH."""

    name: str
    """Readable, e.g. `word-problems-0007`."""
    path: str
    """Absolute."""
    rows: int
    teacher: str
    kind: Kind
    """`again`: earlier attempts may have been paid, so these come last."""


@dataclass
class Forecast:
    """What asking one teacher will take; grows as its requests are counted."""

    requests: int = 0
    """Samples; one that is cut off by a lower cap than the recipe's is requested more than once."""
    prompt_tokens: int = 0
    capped_tokens: int = 0
    """Of completion, that the first requests may have at most."""
    worst_prompt_tokens: int = 0
    worst_completion_tokens: int = 0
    """If every answer is cut off by every cap below the recipe's."""
    longest_prompt: int = 0
    """Prompt tokens, by estimate, of the longest request."""

    def add(self, row: Mapping[str, Any], begun: int, continues: bool) -> None:
        """Count one row of a batch file, of whose answer there are `begun` tokens already."""
        caps = [max(1, cap - begun) for cap in ladder(row["max_tokens"], row["most_tokens"])]
        self.requests += 1
        self.prompt_tokens += row["prompt_tokens"]
        self.capped_tokens += caps[0]
        self.worst_prompt_tokens += row["prompt_tokens_bound"] * len(caps)
        if continues:
            self.worst_prompt_tokens += CONTINUED_BYTES * sum(caps[:-1])
        self.worst_completion_tokens += sum(caps)
        self.longest_prompt = max(self.longest_prompt, row["prompt_tokens"] - begun)


@dataclass
class Cutter:
    """Collects one teacher's rows of one kind and writes them as batch files of at most `batch_rows`."""

    folder: Path | None
    """None: nothing is written, only counted."""
    dataset: str
    batch_rows: int
    width: int
    batches: list[BatchFile] = field(default_factory=list)
    _rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, teacher: str, kind: Kind, row: dict[str, Any]) -> None:
        rows = self._rows.setdefault(teacher, [])
        rows.append(row)
        if len(rows) == self.batch_rows:
            self._write(teacher, kind)

    def finish(self, kind: Kind) -> None:
        """Write what is left, so that no batch holds two kinds."""
        for teacher in sorted(self._rows):
            self._write(teacher, kind)

    def _write(self, teacher: str, kind: Kind) -> None:
        rows = self._rows.pop(teacher)
        if self.folder is None:
            return
        name = f"{self.dataset}-{len(self.batches) + 1:0{self.width}}"
        path = self.folder / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema=BATCH), path, compression="zstd")
        self.batches.append(BatchFile(name, str(path.resolve()), len(rows), teacher, kind))


def cut_batches(
    samples: Samples, file: PromptFile, wanted: Wanted, batch_rows: int, folder: Path | None
) -> tuple[tuple[BatchFile, ...], dict[str, Forecast]]:
    """Write every sample to ask into batch files, and forecast per teacher.

    A batch is complete as soon as its teacher has `batch_rows` samples, so that several teachers' batches
    alternate as their shares do. Samples that may have been paid come in batches of their own, after all
    others.
    """
    asked = samples.asked()
    most = sum(math.ceil(count / batch_rows) for count in asked.values())
    cutter = Cutter(folder, wanted.dataset, batch_rows, max(4, len(str(most))))
    book = samples.caps(wanted.teachers, wanted.sampling)
    caps = {teacher: book.of(teacher) for teacher in book.lengths}
    forecasts = {teacher: Forecast() for _, teacher in sorted(asked)}
    for kind in KINDS:
        for teacher, row, begun in _requests(samples, file, wanted, kind, caps):
            forecasts[teacher].add(row, begun, wanted.teachers[teacher].continues is not None)
            cutter.add(teacher, kind, row)
        cutter.finish(kind)
    return tuple(cutter.batches), forecasts


def _requests(
    samples: Samples, file: PromptFile, wanted: Wanted, kind: Kind, caps: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[str, dict[str, Any], int]]:
    """(teacher, batch row, tokens of its answer that there are already) of one kind, in the order of the prompts: two
    sorted streams, merged."""
    ordinals = np.zeros(file.rows, dtype=np.bool_)
    for batch in samples.stream(
        "select distinct ordinal from decided where is_asked and state = $kind", {"kind": kind}
    ):
        ordinals[batch.column(0).to_numpy()] = True
    prompts = rows_of(file, ordinals, ["prompt_id", "messages", "family"])
    ordinal, messages, tokens, name = -1, [], (0, 0), ""
    classes: dict[str | None, str] = {}
    for sample in _asked(samples, kind, wanted.teachers):
        if sample["ordinal"] != ordinal:
            ordinal, prompt = next(prompts)
            messages = render_messages(prompt["messages"], wanted.ask)
            tokens = estimate_prompt_tokens(messages), bound_prompt_tokens(messages)
            family = prompt["family"]
            name = classes.get(family) or prompt_class(wanted.ask, wanted.sampling, family)
            classes[family] = name
        teacher = wanted.teachers[sample["teacher"]]
        cap = _cap(sample, wanted.sampling.max_tokens, caps.get(teacher.name), name)
        body = request(messages, wanted.sampling, teacher.model, sample["sample_index"]) | {"max_tokens": cap}
        row = {
            "request_key": sample["request_key"],
            "prompt_id": sample["prompt_id"],
            "sample_index": sample["sample_index"],
            "attempt": sample["attempts"],
            "most_tokens": wanted.sampling.max_tokens,
            "prompt_class": name,
        }
        asked_with, begun = _asked_with(canonical(body), tokens, cap, sample, teacher)
        yield teacher.name, row | asked_with, begun


def _cap(sample: Mapping[str, Any], most: int, caps: Mapping[str, int] | None, name: str) -> int:
    """The cap of a sample's next request: the recipe's; with measured caps the one of its class, and where that has
    cut it off the next higher one. None: this teacher is asked with the recipe's cap, however long its answers are."""
    if caps is None:
        return most
    if sample["is_resampled"] and sample["cut_at"] is not None:
        return max(next_cap(sample["cut_at"], most), caps.get(name, 0))
    return caps.get(name, most)


def _asked_with(
    body: bytes, tokens: tuple[int, int], cap: int, sample: Mapping[str, Any], teacher: Teacher
) -> tuple[dict[str, Any], int]:
    """The columns of a batch row that depend on what there is of an answer already, and how much is sent along."""
    prefix, more, bound = _prefix(sample), 0, 0
    goes_on = prefix is not None and can_continue(prefix, teacher.continues)
    if prefix is not None and teacher.continues is not None and goes_on:
        body = continued_body(body, prefix, teacher.continues, cap)
        more, bound = prefix.tokens, prefix_tokens_bound(prefix)
    columns = {
        "body": body,
        "prompt_tokens": tokens[0] + more,
        "prompt_tokens_bound": tokens[1] + bound,
        "max_tokens": cap,
        "resampled": bool(sample["was_resampled"]) if goes_on else sample["is_resampled"],
        "prefix": orjson.dumps(prefix.as_dict()) if goes_on and prefix else None,
    }
    return columns, more


def _prefix(sample: Mapping[str, Any]) -> Prefix | None:
    """What the ledger has of an answer that was cut off, where its teacher can go on with it."""
    if not sample["is_resampled"] or sample["content"] is None:
        return None
    tokens = sample["completion_tokens"]
    return Prefix(
        attempt_id=sample["cut_attempt"],
        reasoning=sample["reasoning"],
        content=sample["content"],
        is_field=sample["reasoning_source"] == "field",
        tokens=sample["cut_at"] if tokens is None else tokens,
        reasoning_tokens=sample["reasoning_tokens"],
        cost_usd=sample["cost_usd"],
    )


_ASKED = """
    select decided.*, {} from decided {} where is_asked and decided.state = $kind
    order by decided.ordinal, decided.sample_index
"""
_BEGINNINGS = ("reasoning", "content", "reasoning_source", "completion_tokens", "reasoning_tokens", "cost_usd")
_JOIN = """
    left join store.current_trace as t
        on t.attempt_id = decided.cut_attempt and decided.is_resampled
        and decided.teacher in (select unnest($continuing))
"""


def _asked(samples: Samples, kind: Kind, teachers: Mapping[str, Teacher]) -> Iterator[Mapping[str, Any]]:
    """The samples to ask, with the beginning of an answer where there is one and its teacher can go on with it."""
    continuing = sorted(name for name, teacher in teachers.items() if teacher.continues is not None)
    if continuing and samples.counts()["resampled"]:
        columns = ", ".join([f"t.{name}" for name in _BEGINNINGS] + ["t.resampled as was_resampled"])
        stream = samples.stream(_ASKED.format(columns, _JOIN), {"kind": kind, "continuing": continuing})
    else:
        columns = ", ".join(f"null as {name}" for name in (*_BEGINNINGS, "was_resampled"))
        stream = samples.stream(_ASKED.format(columns, ""), {"kind": kind})
    for batch in stream:
        yield from batch.to_pylist()


def usd(teacher: Teacher, prompt_tokens: float, completion_tokens: float) -> float | None:
    """What tokens cost; None where the teacher's price is unknown."""
    if teacher.price is None:
        return None
    price = teacher.price
    spent = prompt_tokens * price.usd_per_million_input + completion_tokens * price.usd_per_million_output
    return spent / 1_000_000
