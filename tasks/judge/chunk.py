"""What a Ray worker runs: one chunk of traces from Parquet to Parquet. Imports little, as every worker pays
for it (pure)."""

import os
from pathlib import Path

import pyarrow.parquet as pq

from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import judge_rows


def judge_chunk(inputs: Path, judged: Path, policy: JudgePolicy) -> int:
    """Judge the rows of one file into another and return their number. Running it again gives the same
    file."""
    table = judge_rows(pq.read_table(inputs), policy)
    unfinished = judged.with_suffix(".part")
    pq.write_table(table, unfinished, compression="zstd")
    os.replace(unfinished, judged)
    return int(table.num_rows)
