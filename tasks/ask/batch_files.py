"""Cut the samples to ask into batch files, and say what asking them will cost."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.ask.prompt_file import PromptFile, rows_of
from tasks.ask.render import canonical, render_messages, request
from tasks.ask.tokens import bound_prompt_tokens, estimate_prompt_tokens
from tasks.ask.wanted import Samples, Wanted
from tasks.right.terms import Teacher

Kind = Literal["first", "again"]
KINDS: tuple[Kind, ...] = ("first", "again")  # what may have been paid is asked last

_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("request_key", pa.string()),
    ("prompt_id", pa.string()),
    ("sample_index", pa.int32()),
    ("body", pa.large_binary()),  # JSON of the whole chat request, max_tokens included
    ("prompt_tokens", pa.int32()),  # estimated: for pacing
    ("prompt_tokens_bound", pa.int32()),  # never exceeded: for money
    ("max_tokens", pa.int32()),
    ("attempt", pa.int32()),  # attempts made before, by any run
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
    prompt_tokens: int = 0
    prompt_tokens_bound: int = 0
    longest_prompt: int = 0
    """Prompt tokens, by estimate, of the longest request."""

    def add(self, estimate: int, bound: int) -> None:
        self.requests += 1
        self.prompt_tokens += estimate
        self.prompt_tokens_bound += bound
        self.longest_prompt = max(self.longest_prompt, estimate)


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
    forecasts = {teacher: Forecast() for _, teacher in sorted(asked)}
    for kind in KINDS:
        for teacher, row in _requests(samples, file, wanted, kind):
            forecasts[teacher].add(row["prompt_tokens"], row["prompt_tokens_bound"])
            cutter.add(teacher, kind, row)
        cutter.finish(kind)
    return tuple(cutter.batches), forecasts


def _requests(samples: Samples, file: PromptFile, wanted: Wanted, kind: Kind) -> Iterator[tuple[str, dict[str, Any]]]:
    """(teacher, batch row) of one kind, in the order of the prompts: two sorted streams, merged."""
    ordinals = np.zeros(file.rows, dtype=np.bool_)
    for batch in samples.stream(
        "select distinct ordinal from decided where is_asked and state = $kind", {"kind": kind}
    ):
        ordinals[batch.column(0).to_numpy()] = True
    prompts = rows_of(file, ordinals, ["prompt_id", "messages"])
    ordinal, messages, tokens = -1, [], (0, 0)
    for sample in _asked(samples, kind):
        if sample["ordinal"] != ordinal:
            ordinal, prompt = next(prompts)
            messages = render_messages(prompt["messages"], wanted.ask)
            tokens = estimate_prompt_tokens(messages), bound_prompt_tokens(messages)
        teacher = wanted.teachers[sample["teacher"]]
        body = request(messages, wanted.sampling, teacher.model, sample["sample_index"])
        yield (
            teacher.name,
            {
                "request_key": sample["request_key"],
                "prompt_id": sample["prompt_id"],
                "sample_index": sample["sample_index"],
                "body": canonical(body),
                "prompt_tokens": tokens[0],
                "prompt_tokens_bound": tokens[1],
                "max_tokens": wanted.sampling.max_tokens,
                "attempt": sample["attempts"],
            },
        )


def _asked(samples: Samples, kind: Kind) -> Iterator[Mapping[str, Any]]:
    sql = "select * from decided where is_asked and state = $kind order by ordinal, sample_index"
    for batch in samples.stream(sql, {"kind": kind}):
        yield from batch.to_pylist()


def usd(teacher: Teacher, prompt_tokens: float, completion_tokens: float) -> float | None:
    """What tokens cost; None where the teacher's price is unknown."""
    if teacher.price is None:
        return None
    price = teacher.price
    spent = prompt_tokens * price.usd_per_million_input + completion_tokens * price.usd_per_million_output
    return spent / 1_000_000
