"""The questions for an LLM judge: what a judging left open, as a file of prompts."""

import json
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.judge.opinion import LlmJudge, asked
from tasks.judge.statements import statement
from warehouse.catalog import connect
from warehouse.layout import DataRoot

_QUESTIONS = pa.schema([("prompt", pa.large_string()), ("metadata", pa.string())])
_STREAM_ROWS = 1024


@task(name="write-questions-to-judge", task_run_name="questions to the judge of {dataset}", cache_policy=NO_CACHE)
def write_questions(root: DataRoot, dataset: str, judge_run: str, judge: LlmJudge) -> tuple[Path, int]:
    """Write one row for each different text to check, with the traces it is about; the file, and how many rows.

    Traces whose question, reference and answer are equal share a row, and so a reply.
    """
    path, count = root.scratches / f"{dataset}-questions-to-judge.parquet", 0
    parameters = {"dataset": dataset, "judge_run": judge_run, "unchecked": "unchecked" in judge.asked_about}
    with closing(connect(root)) as connection, pq.ParquetWriter(path, _QUESTIONS) as file:
        reader = connection.sql(statement("open_answers"), params=parameters).to_arrow_reader(_STREAM_ROWS)
        for batch in reader:
            rows = [_row(**row) for row in batch.to_pylist()]
            file.write_table(pa.Table.from_pylist(rows, schema=_QUESTIONS))
            count += len(rows)
    return path, count


def _row(question: str, reference: str | None, answer: str, judges: list[str]) -> dict[str, str]:
    return {"prompt": asked(question, reference, answer), "metadata": json.dumps({"judges": judges})}
