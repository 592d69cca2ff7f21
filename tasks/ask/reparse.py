"""Read a dataset's stored responses again with the present parser; asks nobody.

What is read as before stays as it is. What is read otherwise becomes new parts, listed in one transaction: a row of
`readings` for each response, and a trace where there is an answer. Earlier traces stay, since versions may hold them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Any

import pyarrow as pa

from tasks.ask.rereading import PRESENT, Parser, Reread, Tally, read_again
from warehouse.catalog import connect, transaction
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.locks import hold
from warehouse.parts import write_part
from warehouse.records import SCHEMAS, DataFile

MEMORY_LIMIT = "1GB"
"""Of DuckDB: about 400 bytes for each trace of a teacher, and it spills beyond. Responses only pass through."""
STREAM_ROWS = 256
"""Responses held at a time: 5 MB of 20 KB each."""
CHUNK_ROWS, CHUNK_BYTES = 4_096, 64 * 2**20
"""Of responses that changed, in one pair of parts."""


@dataclass(frozen=True)
class Reparsed:
    """What reading a dataset again came to."""

    dataset: str
    parser: int
    reading: int | None
    """Its number; None: nothing was otherwise, or nothing was to be written."""
    tally: Tally
    unjudged: Mapping[str, int] = field(default_factory=dict)
    """Answers that each dataset's current judging has not seen; empty where nothing was written."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        tally = self.tally
        outcomes = [{"before": b, "after": a, "responses": n} for (b, a), n in tally.outcomes.most_common()]
        counted = {**vars(tally), "outcomes": outcomes, "fields": dict(tally.fields.most_common())}
        own = {"dataset": self.dataset, "parser": self.parser, "reading": self.reading}
        return {**own, **counted, "unjudged": dict(self.unjudged)}


def reparse(
    root: DataRoot,
    dataset: str,
    now: datetime,
    dry_run: bool = False,
    parser: Parser = PRESENT,
    chunk_rows: int = CHUNK_ROWS,
) -> Reparsed:
    """Read again what the dataset's runs were answered, and commit what is otherwise than before.

    Nobody may ask meanwhile: what is an answer decides what is asked. A dry run writes nothing and holds nobody up.

    Raises:
        BadInput: there is no warehouse, or the dataset has no response in it.
        Busy: a run of the dataset is under way, or any run is asking.
        RunFailed: a part could not be written; nothing was changed.
    """
    with ExitStack() as locks:
        if not dry_run:
            for name in (f"dataset-{dataset}", "ask"):
                locks.enter_context(hold(root, name, f"reading {dataset} again", now))
        with closing(connect(root)) as connection:
            _prepare(connection)
            sources = _sources(connection, dataset)
            reading = _next_reading(connection, dataset)
            tally = Tally()
            changed = _changed(connection, dataset, sources, lambda row: read_again(row, parser, tally, reading, now))
            if dry_run:
                for _ in changed:
                    pass  # each is counted as it is read
                return Reparsed(dataset, parser.version, None, tally)
            files = _write(root, dataset, reading, changed, chunk_rows)
        if not files:
            return Reparsed(dataset, parser.version, None, tally)
        _commit(root, files, dataset, reading, parser, tally, now)
        return Reparsed(dataset, parser.version, reading, tally, _unjudged(root))


def _prepare(connection: Any) -> None:
    """The responses stream past what is held of their traces, in the order of the parts, and are not held."""
    connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
    connection.execute("set threads = 1")
    connection.execute("set disabled_optimizers = 'join_order,build_side_probe_side'")


def _sources(connection: Any, dataset: str) -> list[tuple[str, str]]:
    """Each teacher and set of terms that the dataset was answered under."""
    sql = "select distinct teacher, terms_sha256 from store.ledger_parquet where dataset = ? order by all"
    found = connection.execute(sql, [dataset]).fetchall()
    if not found:
        sql = "select distinct dataset from store.ledger_parquet order by 1"
        known = ", ".join(name for (name,) in connection.execute(sql).fetchall())
        raise BadInput(f"no run has asked for dataset '{dataset}': known are {known or 'none'}")
    return [(str(teacher), str(terms)) for teacher, terms in found]


def _next_reading(connection: Any, dataset: str) -> int:
    sql = "select coalesce(max(reading), 0) + 1 from store.readings_parquet where dataset = ?"
    ((number,),) = connection.execute(sql, [dataset]).fetchall()
    return int(number)


def _changed(
    connection: Any,
    dataset: str,
    sources: Sequence[tuple[str, str]],
    again: Callable[[Mapping[str, Any]], Reread | None],
) -> Iterator[Reread]:
    """What is otherwise, one teacher and set of terms after another."""
    sql = (resources.files("tasks.ask") / "sql" / "stored.sql").read_text()
    for teacher, terms in sources:
        parameters = {"dataset": dataset, "teacher": teacher, "terms": terms}
        for batch in connection.sql(sql, params=parameters).to_arrow_reader(STREAM_ROWS):
            yield from (reread for row in batch.to_pylist() if (reread := again(row)))


def _write(
    root: DataRoot, dataset: str, reading: int, changed: Iterator[Reread], chunk_rows: int
) -> tuple[DataFile, ...]:
    """Write the parts; without all of them none stays."""
    _sweep(root, dataset, reading)
    files: list[DataFile] = []
    try:
        for number, chunk in enumerate(_chunks(changed, chunk_rows)):
            files += _parts(root, f"{dataset}/{_prefix(reading)}{number:05}", chunk)
    except BaseException:
        _sweep(root, dataset, reading)
        raise
    return tuple(files)


def _prefix(reading: int) -> str:
    return f"reading-{reading:04}-"


def _sweep(root: DataRoot, dataset: str, reading: int) -> None:
    """Delete parts of a reading that is not listed: it was killed."""
    for kind in ("readings", "traces"):
        folder = root.parts(kind) / dataset
        for path in (*folder.glob(f"{_prefix(reading)}*"), *folder.glob(f".{_prefix(reading)}*")):
            path.unlink()


def _chunks(changed: Iterator[Reread], most: int) -> Iterator[list[Reread]]:
    """Pieces that fit into memory, each of one teacher and set of terms."""
    chunk: list[Reread] = []
    held, source = 0, None
    for reread in changed:
        own = reread.reading["teacher"], reread.reading["terms_sha256"]
        if chunk and (own != source or len(chunk) >= most or held >= CHUNK_BYTES):
            yield chunk
            chunk, held = [], 0
        chunk.append(reread)
        held, source = held + _size(reread), own
    if chunk:
        yield chunk


def _size(reread: Reread) -> int:
    return len(reread.trace["reasoning"]) + len(reread.trace["content"]) if reread.trace else 0


def _parts(root: DataRoot, name: str, chunk: Sequence[Reread]) -> Iterator[DataFile]:
    first = chunk[0].reading
    rows = {"readings": [one.reading for one in chunk], "traces": [one.trace for one in chunk if one.trace is not None]}
    for kind in (kind for kind in rows if rows[kind]):
        table = pa.Table.from_pylist(rows[kind], schema=SCHEMAS[kind])
        own = {"dataset": first["dataset"], "teacher": first["teacher"], "terms_sha256": first["terms_sha256"]}
        yield write_part(root, kind, name, table, **own)


def _commit(
    root: DataRoot,
    files: Sequence[DataFile],
    dataset: str,
    reading: int,
    parser: Parser,
    tally: Tally,
    now: datetime,
) -> None:
    row = {
        "dataset": dataset, "reading": reading, "parser": parser.version, "read_at": now,
        "responses": tally.responses, "changed": tally.changed,
    }  # fmt: skip
    with transaction(root, now, publish="now") as changes:
        changes.add_files(files)
        changes.insert("reading", [row])


def _unjudged(root: DataRoot) -> dict[str, int]:
    with closing(connect(root)) as connection:
        sql = "select dataset, unjudged from funnel where unjudged > 0 order by dataset"
        return dict(connection.execute(sql).fetchall())
