"""The prompts of one plan on disk, so that no step holds more than a batch of them.

Every row of the source is written once, repeats included; which rows count is a mask of one byte a row, the
only thing here that grows with the number of rows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.ask.prompts import Prompt
from warehouse.records import PROMPTS

BATCH_ROWS = 1024
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PromptFile:
    """Prompts in source order; a row's place in the file, from 0, is its ordinal."""

    path: Path
    rows: int


def write_prompt_file(prompts: Iterable[Prompt], path: Path) -> PromptFile:
    """Write prompts as they come; what their source raises ends it."""
    stream, rows = iter(prompts), 0
    with pq.ParquetWriter(path, PROMPTS, compression="zstd") as writer:
        while some := list(islice(stream, BATCH_ROWS)):
            # not `asdict`: it copies every message, and a million prompts would wait for that
            columns = {name: [getattr(prompt, name) for prompt in some] for name in PROMPTS.names}
            writer.write_batch(pa.RecordBatch.from_pydict(columns, schema=PROMPTS))
            rows += len(some)
    return PromptFile(path, rows)


def batches_of(file: PromptFile, mask: Mask) -> Iterator[pa.RecordBatch]:
    """The rows that the mask takes, in order."""
    for _, batch in _taken(file, mask):
        yield batch


def rows_of(file: PromptFile, mask: Mask, columns: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(ordinal, row) of the rows that the mask takes, in order, with the columns named."""
    for ordinals, batch in _taken(file, mask, columns):
        yield from zip(ordinals.tolist(), batch.to_pylist(), strict=True)


def _taken(
    file: PromptFile, mask: Mask, columns: list[str] | None = None
) -> Iterator[tuple[npt.NDArray[np.int64], pa.RecordBatch]]:
    start = 0
    with pq.ParquetFile(file.path) as stored:
        for batch in stored.iter_batches(BATCH_ROWS, columns=columns):
            taken = mask[start : start + batch.num_rows]
            if taken.any():
                yield np.flatnonzero(taken) + start, batch.filter(pa.array(taken))
            start += batch.num_rows
