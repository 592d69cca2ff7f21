"""One judging: inputs in chunks, row-wise rules on Ray, all traces compared, the parts written. Lists
nothing."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from tasks.judge.chunk import judge_chunk, judge_sent, put_inputs, put_judged
from tasks.judge.contamination import Evaluation
from tasks.judge.opinion import dataset_of
from tasks.judge.packs import Pack
from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import INPUTS, JUDGED
from tasks.judge.screens.held import HELD, HELD_VERSION
from tasks.judge.statements import Connection, statement
from tasks.judge.together import judge_together
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
class Chunk:
    """The two files of one chunk of traces; row n of one is row n of the other."""

    inputs: Path
    judged: Path


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
    row_rules: str
    policy: JudgePolicy
    packs: Sequence[Pack]
    now: datetime
    held: pa.Table = field(default_factory=HELD.empty_table)
    """Whose answers a screen holds back, from when on; of schema HELD."""

    start_ray: Callable[[], None] = lambda: None
    """Called before Ray is first used."""

    @property
    def opinions(self) -> str:
        """The dataset of the questions to the policy's LLM judge; "" where it has none."""
        return dataset_of(self.dataset) if self.policy.llm else ""

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
        known = _find_known(judging, scratch)
        found = [str(chunk.judged) for chunk in _judge_rows(judging, known, scratch)]
        judged = [known, *found]
        _hold(judging)
        judge_together(judging.connection, judged, judging.policy, scratch, judging.start_ray)
        files = [*_write_findings(judging, found), *_write_verdicts(judging, judged), *_write_duplicates(judging)]
        counted = _count(judging, files)
        _check_sums(judging, counted.traces, sum(file.rows for file in files if file.kind == "verdicts"))
        return counted, files
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _hold(judging: Judging) -> None:
    """Fill the temporary table `held`."""
    judging.connection.register("firing", judging.held)
    judging.connection.execute(statement("held"), {"dataset": judging.dataset, "version": HELD_VERSION})
    judging.connection.unregister("firing")


def _find_known(judging: Judging, scratch: Path) -> str:
    """Write what is known of the wanted answers by the same row-wise rules; the file, which may have no rows."""
    file = str(scratch / "known.parquet")
    whose = {"dataset": judging.dataset, "opinions": judging.opinions}
    judging.connection.execute(statement("asked"), whose)
    reader = judging.connection.sql(statement("known"), params={"row_rules": judging.row_rules})
    with pq.ParquetWriter(file, JUDGED, compression="zstd", compression_level=1) as writer:
        for batch in reader.to_arrow_reader(STREAM_ROWS):
            writer.write_batch(_as_schema(batch, JUDGED))
    return file


def _judge_rows(judging: Judging, known: str, scratch: Path) -> list[Chunk]:
    """Run the row-wise rules on Ray over what is not known, at most a fixed number of chunks at a time. A lost
    worker's chunk is judged again, which is safe here, as nobody is asked."""
    chunks: list[Chunk] = []
    on_ray = None
    for chunk in write_inputs(judging.connection, known, scratch):
        if on_ray is None:
            judging.start_ray()
            on_ray = _OnRay(judging.policy, Evaluation(judging.packs))
        chunks.append(chunk)
        on_ray.submit(chunk)
        on_ray.finish(fewer_than=on_ray.most)
    if on_ray is not None:
        on_ray.finish(fewer_than=1)
    return chunks


class _OnRay:
    """Chunks that workers judge: from file to file, or sent to and fro where a node does not see the files."""

    def __init__(self, policy: JudgePolicy, evaluation: Evaluation) -> None:
        judging = ray.remote(num_cpus=1, max_retries=2)
        self._by_file, self._sent = judging(judge_chunk), judging(judge_sent)
        self._by = ray.put(policy), ray.put(evaluation)
        self._running: dict[Any, Chunk] = {}
        self.most = IN_FLIGHT * max(1, int(ray.cluster_resources().get("CPU", 1)))

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


def write_inputs(connection: Connection, known: str, scratch: Path) -> Iterator[Chunk]:
    """Cut what is to be judged into files that a worker can hold; the connection is busy until the last is
    taken."""
    reader = connection.sql(statement("inputs"), params={"known": known}).to_arrow_reader(CHUNK_ROWS)
    for number, piece in enumerate(piece for batch in reader for piece in pieces(batch)):
        chunk = Chunk(scratch / f"inputs-{number:06}.parquet", scratch / f"judged-{number:06}.parquet")
        put_inputs(chunk.inputs, pa.Table.from_batches([piece]).cast(INPUTS))
        yield chunk


def pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch, halved until each piece is small enough for a worker, or one row."""
    if batch.num_rows > 1 and (batch.nbytes > CHUNK_BYTES or batch.num_rows > CHUNK_ROWS):
        half = batch.num_rows // 2
        yield from pieces(batch.slice(0, half))
        yield from pieces(batch.slice(half))
    elif batch.num_rows:
        yield batch


def _write_findings(judging: Judging, found: Sequence[str]) -> Iterator[DataFile]:
    """One part for each teacher and terms version of what was found for the first time."""
    for number, (teacher, terms) in enumerate(_sources(judging, found)):
        parameters: dict[str, object] = {"found": found, "row_rules": judging.row_rules, "terms": terms}
        yield _write(judging, "findings", number, parameters, teacher, terms)


def _sources(judging: Judging, judged: Sequence[str]) -> list[Any]:
    """Whose traces they are: teachers, and the versions of their terms."""
    sources = "select distinct teacher, terms_sha256 from read_parquet($judged) order by all"
    return judging.rows(sources, judged=judged) if judged else []


def _write_verdicts(judging: Judging, judged: Sequence[str]) -> Iterator[DataFile]:
    """One part for each teacher and terms version, sorted by trace."""
    for number, (teacher, terms) in enumerate(_sources(judging, judged)):
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
    own = {"dataset": judging.dataset, "judge_run": judging.judge_run} if kind != "findings" else {}
    rows = judging.connection.sql(statement(kind), params=own | {"teacher": teacher} | parameters)
    return write_part(
        judging.root,
        kind,
        f"{judging.judge_run}/{number:04}",
        (_as_schema(batch, SCHEMAS[kind]) for batch in rows.to_arrow_reader(STREAM_ROWS)),
        dataset=judging.dataset,
        teacher=teacher,
        terms_sha256=terms,
    )


def _as_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [batch.column(field.name).cast(field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _count(judging: Judging, files: Sequence[DataFile]) -> Counted:
    verdicts = [str(judging.root.path / file.path) for file in files if file.kind == "verdicts"]
    rows = judging.rows(statement("counts"), verdicts=verdicts) if verdicts else []
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
