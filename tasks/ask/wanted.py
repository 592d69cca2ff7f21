"""The samples a plan wants, and what the ledger already says of each.

The anti-join runs in DuckDB, in a private database in memory over the published warehouse, and spills into
the run's scratch folder: what is held here is a batch of rows and two masks of one byte a prompt.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import count, islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.ask.measured import CapBook, measure
from tasks.ask.outcomes import RULES
from tasks.ask.prompt_file import Mask, PromptFile, rows_of
from tasks.ask.render import render_messages, request, request_key
from tasks.ask.sampling import Ask, Sampling
from tasks.ask.shares import rank_teachers
from tasks.right.terms import Teacher
from warehouse.catalog import connect
from warehouse.layout import DataRoot

MEMORY_LIMIT = "512MB"
"""Of DuckDB while it plans; beyond it, it spills to the scratch folder."""
STREAM_ROWS = 8192
FEWEST_ANSWERS = 20
"""Below this many answers of a teacher, their mean length says too little to forecast with."""

_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("ordinal", pa.int64()),
    ("prompt_id", pa.string()),
    ("sample_index", pa.int32()),
    ("rank", pa.int32()),
    ("teacher", pa.string()),
    ("request_key", pa.string()),
    ("place", pa.int64()),  # in plan order, the same for every teacher that a sample might be asked of
]
CANDIDATES = pa.schema(_COLUMNS)


@dataclass(frozen=True)
class Wanted:
    """What a recipe wants of every prompt."""

    dataset: str
    ask: Ask
    sampling: Sampling
    samples_per_prompt: int
    shares: Mapping[str, float]
    teachers: Mapping[str, Teacher]
    """By name; those of `shares`, admitted."""
    candidates: int | None = None
    """Only so many samples, the first in plan order; None: all of `samples_per_prompt`, and no further ones."""
    most_samples: int | None = None
    """With `candidates`: samples of a prompt at most, the further ones after all of `samples_per_prompt`."""

    @property
    def passes(self) -> Iterator[range]:
        """Sample indices, one range for each time that the plan goes through the prompts."""
        yield range(self.samples_per_prompt)
        if self.candidates is not None:
            further = range(self.samples_per_prompt, self.most_samples or self.samples_per_prompt)
            yield from (range(index, index + 1) for index in further)


def write_candidates(file: PromptFile, mask: Mask, wanted: Wanted, path: Path) -> None:
    """One row for each sample and each teacher that might be asked for it, in plan order."""
    stream = _candidates(file, mask, wanted)
    with pq.ParquetWriter(path, CANDIDATES, compression="zstd") as writer:
        while rows := list(islice(stream, STREAM_ROWS)):
            columns = zip(*rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, CANDIDATES, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=CANDIDATES))


def _candidates(file: PromptFile, mask: Mask, wanted: Wanted) -> Iterator[tuple[Any, ...]]:
    for place, (ordinal, row, index) in zip(_places(wanted), _samples(file, mask, wanted), strict=False):
        messages = render_messages(row["messages"], wanted.ask)
        for rank, name in enumerate(rank_teachers(wanted.shares, row["prompt_id"], index)):
            teacher = wanted.teachers[name]
            body = request(messages, wanted.sampling, teacher.model, index)
            key = request_key(teacher.model, teacher.revision, teacher.route, body, index)
            yield ordinal, row["prompt_id"], index, rank, name, key, place


def _places(wanted: Wanted) -> Iterable[int]:
    return count() if wanted.candidates is None else range(wanted.candidates)


def _samples(file: PromptFile, mask: Mask, wanted: Wanted) -> Iterator[tuple[int, Mapping[str, Any], int]]:
    """(ordinal, prompt, sample index) in plan order."""
    for indices in wanted.passes:
        for ordinal, row in rows_of(file, mask, ["prompt_id", "messages"]):
            for index in indices:
                yield ordinal, row, index


class Samples:
    """The working tables of one plan; a context manager."""

    def __init__(self, root: DataRoot, scratch: Path) -> None:
        self._connection = connect(root)
        self._connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        self._connection.execute(f"set temp_directory = '{str(scratch).replace(chr(39), chr(39) * 2)}'")

    def __enter__(self) -> "Samples":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def first_seen(self, file: PromptFile) -> tuple[Mask, Mask]:
        """Which rows are the first of their prompt in the source, and which of those the warehouse does not
        hold yet."""
        self._connection.execute(
            """
            create temp table first_row as
            select prompt_id, min(file_row_number) as ordinal
            from read_parquet($path, file_row_number = true)
            group by prompt_id
            """,
            {"path": str(file.path)},
        )
        first = self._mask(file.rows, "select ordinal from first_row")
        new = self._mask(file.rows, "select ordinal from first_row anti join prompts using (prompt_id)")
        return first, new

    def decide(self, candidates: Path, wanted: Wanted) -> None:
        """Fill `decided`: one row a sample, with its teacher, its state and whether it is asked now."""
        teachers = [{"teacher": name, "terms_sha256": t.terms_sha256} for name, t in wanted.teachers.items()]
        rules = [{"outcome": o, "is_answer": rule.answer, "asked_again": rule.again} for o, rule in RULES.items()]
        self._connection.register("asked_teachers", pa.Table.from_pylist(teachers))
        self._connection.register("outcome_rules", pa.Table.from_pylist(rules))
        sql = resources.files("tasks.ask").joinpath("sql", "decide.sql").read_text()
        parameters = {
            "candidates": str(candidates),
            "dataset": wanted.dataset,
            "max_tokens": wanted.sampling.max_tokens,
        }
        self._connection.execute(sql, parameters)

    def counts(self) -> dict[str, int]:
        """Samples by state, and how many are `wanted`, `asked`, `resampled`."""
        states = self._connection.execute("select state, count(*) from decided group by state").fetchall()
        (totals,) = self._connection.execute(
            "select count(*), count_if(is_asked), count_if(is_asked and is_resampled) from decided"
        ).fetchall()  # an unread result would block the next stream
        return {**dict(states), **dict(zip(("wanted", "asked", "resampled"), totals, strict=True))}

    def asked(self) -> dict[tuple[str, str], int]:
        """Requests to make, by (state, teacher)."""
        rows = self._connection.execute(
            "select state, teacher, count(*) from decided where is_asked group by state, teacher"
        ).fetchall()
        return {(state, teacher): count for state, teacher, count in rows}

    def stream(self, sql: str, parameters: dict[str, object] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of a query, a batch at a time. One stream at a time: the next query ends it."""
        yield from self._connection.sql(sql, params=parameters or {}).to_arrow_reader(STREAM_ROWS)

    def completion_tokens(self, teachers: Mapping[str, Teacher]) -> dict[str, float]:
        """The mean length of the answers each teacher has given, where there are enough of them."""
        rows = self._connection.execute(
            """
            select teacher, avg(completion_tokens) from attempts
            where state = 'paid' and batch_id is distinct from 'preflight' and teacher in (select unnest($teachers))
            group by teacher having count(completion_tokens) >= $fewest
            """,
            {"teachers": sorted(teachers), "fewest": FEWEST_ANSWERS},
        ).fetchall()
        return dict(rows)

    def caps(self, teachers: Mapping[str, Teacher], sampling: Sampling) -> CapBook:
        """What is known of the answers' lengths; nothing as long as the recipe wants no caps of its own."""
        return (
            CapBook(sampling.max_tokens)
            if sampling.caps == "off"
            else measure(self._connection, teachers, sampling.max_tokens)
        )

    def plan_state(self, plan_id: str, dataset: str) -> str:
        """`current`, `known` (planned before, another is current) or `new`."""
        row = self._connection.execute(
            "select is_current from store.plan where plan_id = ? and dataset = ?", [plan_id, dataset]
        ).fetchone()
        return "new" if row is None else "current" if row[0] else "known"

    def _mask(self, rows: int, sql: str) -> Mask:
        mask = np.zeros(rows, dtype=np.bool_)
        for batch in self.stream(sql):
            mask[batch.column(0).to_numpy()] = True
        return mask
