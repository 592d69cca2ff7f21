"""What a Ray worker runs: one chunk of traces from Parquet to Parquet. Imports little, as every worker pays
for it (pure)."""

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.judge.contamination import Evaluation
from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import judge_rows
from tasks.judge.rules import NOTHING


def judge_chunk(inputs: Path, judged: Path, policy: JudgePolicy, evaluation: Evaluation = NOTHING) -> bool:
    """Judge the rows of one file into another. Running it again gives the same file. False: nothing was done, as this
    node does not see the file."""
    if not inputs.exists():
        return False
    put_judged(judged, judge_sent(inputs.read_bytes(), policy, evaluation))
    return True


def judge_sent(rows: bytes, policy: JudgePolicy, evaluation: Evaluation = NOTHING) -> bytes:
    """The same from and to the bytes of such files, for a node that does not see the data root."""
    return as_bytes(judge_rows(pq.read_table(BytesIO(rows)), policy, evaluation))


_RANDOM = ("digest", "bands")
_REPEATING: dict[str, Any] = {
    "use_dictionary": ["prompt_id", "teacher", "terms_sha256", "outcome", "finish_reason", "verifier", "reason", "rule"]
}


def put_inputs(path: Path, inputs: pa.Table) -> None:
    """Write rows to be judged. They are read once and then removed, so speed counts for more than size."""
    pq.write_table(inputs, path, compression="lz4", **_REPEATING)


def as_bytes(judged: pa.Table) -> bytes:
    """A file of judged rows; sketches are as good as random, so looking for what repeats in them is left out."""
    compression: Any = {name: "zstd" for name in judged.column_names if name not in _RANDOM}
    file = BytesIO()
    pq.write_table(judged, file, compression=compression, **_REPEATING)
    return file.getvalue()


def put_judged(path: Path, judged: bytes) -> None:
    """Write such a file; it has its name only once it is whole."""
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(judged)
    os.replace(unfinished, path)
