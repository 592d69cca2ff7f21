"""One judging: inputs in chunks, row-wise rules on Ray, all traces compared, the parts written. Lists
nothing."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from tasks.judge.chunk import judge_chunk, judge_sent, put_judged
from tasks.judge.contamination import Evaluation
from tasks.judge.duplicates import Chunk, Connection, compare, statement
from tasks.judge.packs import Pack
from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import INPUTS
from tasks.judge.screens.held import HELD, HELD_VERSION
from warehouse.errors import RunFailed
from warehouse.layout import DataRoot
from warehouse.parts import write_part
from warehouse.records import SCHEMAS, DataFile

MEMORY_LIMIT = "1GB"
"""Of DuckDB while it judges; beyond it, it spills to the scratch folder."""
CHUNK_ROWS, CHUNK_BYTES = 1_000, 32 * 2**20
"""Rows and bytes of text that one worker holds at a time."""
IN_FLIGHT = 2
"""Chunks submitted for each CPU of the cluster."""
STREAM_ROWS = 8_192
OUTCOMES = ("kept", "rejected", "undecided", "quarantined")


@dataclass(frozen=True)
class Counted:
    """Traces by outcome, and those not kept by reason, the most frequent first."""

    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def traces(self) -> int:
        return sum(self.outcomes.values())


@dataclass(frozen=True)
class Judging:
    """What is judged, by which rules, and the connection to do it on."""

    root: DataRoot
    connection: Connection
    dataset: str
    judge_run: str
    rule_set: str
    policy: JudgePolicy
    packs: Sequence[Pack]
    now: datetime
    held: pa.Table = field(default_factory=HELD.empty_table)
    """Whose answers a screen holds back, from when on; of schema HELD."""

    def rows(self, sql: str, **parameters: object) -> list[Any]:
        return list(self.connection.execute(sql, parameters).fetchall())


def run(judging: Judging, scratch: Path) -> tuple[Counted, list[DataFile]]:
    """Judge, write the parts, and return the counts; the scratch folder is removed.

    Raises:
        RunFailed: a part could not be written; or traces and verdicts do not add up, which would be a bug.
    """
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        judging.connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        chunks = _judge_rows(judging, scratch)
        if not chunks:
            return Counted(), []
        hold(judging)
        compare(judging.connection, chunks, judging.policy, scratch)
        judged = [str(chunk.judged) for chunk in chunks]
        files = [*_write_verdicts(judging, judged), *_write_duplicates(judging)]
        counted = _count(judging, judged)
        _check_sums(judging, counted.traces, sum(file.rows for file in files if file.kind == "verdicts"))
        return counted, files
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def hold(judging: Judging) -> None:
    """Fill the temporary table `held`."""
    judging.connection.register("firing", judging.held)
    judging.connection.execute(statement("held"), {"dataset": judging.dataset, "version": HELD_VERSION})
    judging.connection.unregister("firing")


def _judge_rows(judging: Judging, scratch: Path) -> list[Chunk]:
    """Run the row-wise rules on Ray, at most a fixed number of chunks at a time. A lost worker's chunk is
    judged again, which is safe here, as nobody is asked."""
    on_ray = _OnRay(judging.policy, Evaluation(judging.packs))
    most = IN_FLIGHT * max(1, int(ray.cluster_resources().get("CPU", 1)))
    chunks: list[Chunk] = []
    for chunk in write_inputs(judging.connection, judging.dataset, scratch):
        chunks.append(chunk)
        on_ray.submit(chunk)
        on_ray.finish(fewer_than=most)
    on_ray.finish(fewer_than=1)
    return chunks


class _OnRay:
    """Chunks that workers judge: from file to file, or sent to and fro where a node does not see the files."""

    def __init__(self, policy: JudgePolicy, evaluation: Evaluation) -> None:
        judging = ray.remote(num_cpus=1, max_retries=2)
        self._by_file, self._sent = judging(judge_chunk), judging(judge_sent)
        self._by = ray.put(policy), ray.put(evaluation)
        self._running: dict[Any, Chunk] = {}

    def submit(self, chunk: Chunk) -> None:
        self._running[self._by_file.remote(chunk.inputs, chunk.judged, *self._by)] = chunk

    def finish(self, fewer_than: int) -> None:
        """Wait until fewer than so many are left."""
        while len(self._running) >= fewer_than:
            (done,), _ = ray.wait(list(self._running))
            chunk, result = self._running.pop(done), ray.get(done)
            if isinstance(result, bytes):
                put_judged(chunk.judged, result)
            elif not result:
                self._running[self._sent.remote(chunk.inputs.read_bytes(), *self._by)] = chunk


def write_inputs(connection: Connection, dataset: str, scratch: Path) -> Iterator[Chunk]:
    """Cut what is to be judged into files that a worker can hold; the connection is busy until the last is
    taken."""
    reader = connection.sql(statement("inputs"), params={"dataset": dataset}).to_arrow_reader(CHUNK_ROWS)
    for number, piece in enumerate(piece for batch in reader for piece in pieces(batch)):
        chunk = Chunk(scratch / f"inputs-{number:06}.parquet", scratch / f"judged-{number:06}.parquet")
        table = pa.Table.from_batches([piece]).cast(INPUTS)
        pq.write_table(table, chunk.inputs, compression="zstd", compression_level=1)
        yield chunk


def pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch, halved until each piece is small enough for a worker, or one row."""
    if batch.num_rows > 1 and (batch.nbytes > CHUNK_BYTES or batch.num_rows > CHUNK_ROWS):
        half = batch.num_rows // 2
        yield from pieces(batch.slice(0, half))
        yield from pieces(batch.slice(half))
    elif batch.num_rows:
        yield batch


def _write_verdicts(judging: Judging, judged: Sequence[str]) -> Iterator[DataFile]:
    """One part for each teacher and terms version, sorted by trace."""
    sources = "select distinct teacher, terms_sha256 from read_parquet($judged) order by all"
    for number, (teacher, terms) in enumerate(judging.rows(sources, judged=judged)):
        parameters = {"judged": judged, "rule_set": judging.rule_set, "terms": terms, "now": judging.now}
        yield _write(judging, "verdicts", number, parameters, teacher, terms)


def _write_duplicates(judging: Judging) -> Iterator[DataFile]:
    """One part for each teacher that lost a trace to another, sorted by trace."""
    teachers = judging.rows("select distinct teacher from late where is_duplicate order by teacher")
    for number, (teacher,) in enumerate(teachers):
        yield _write(judging, "duplicates", number, {}, teacher, None)


def _write(
    judging: Judging, kind: str, number: int, parameters: dict[str, object], teacher: str, terms: str | None
) -> DataFile:
    own = {"dataset": judging.dataset, "judge_run": judging.judge_run, "teacher": teacher}
    reader = judging.connection.sql(statement(kind), params=own | parameters).to_arrow_reader(STREAM_ROWS)
    return write_part(
        judging.root,
        kind,
        f"{judging.judge_run}/{number:04}",
        (_as_schema(batch, SCHEMAS[kind]) for batch in reader),
        dataset=judging.dataset,
        teacher=teacher,
        terms_sha256=terms,
    )


def _as_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [batch.column(field.name).cast(field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _count(judging: Judging, judged: Sequence[str]) -> Counted:
    rows = judging.rows(statement("counts"), judged=judged)
    outcomes = {outcome: sum(count for said, _, count in rows if said == outcome) for outcome in OUTCOMES}
    return Counted(outcomes, {reason: count for _, reason, count in rows if reason is not None})


def _check_sums(judging: Judging, verdicts: int, written: int) -> None:
    """Every answer that is wanted has one verdict, and every verdict is in a part."""
    sql = "select count(*) from wanted where dataset = $dataset and trace_id is not null"
    ((answers,),) = judging.rows(sql, dataset=judging.dataset)
    if not answers == verdicts == written:
        raise RunFailed(
            f"{answers} answers of {judging.dataset} got {verdicts} verdicts, {written} of them written: "
            "nothing was recorded; please report this"
        )
