"""What a selection reaches, before anything changes: rows, files, versions, students and what was made from them."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.recall.selection import Selection
from tasks.recall.statements import Connection, rows, statement
from warehouse.catalog import connect
from warehouse.layout import DataRoot

MEMORY_LIMIT = "1GB"
"""Of DuckDB; beyond it, it spills to the scratch folder."""
KEYS = {
    "ledger": "attempt_id",
    "traces": "attempt_id",
    "readings": "attempt_id",
    "findings": "trace_id",
    "verdicts": "trace_id",
    "prompts": "prompt_id",
}
"""Kinds of parts that hold content, and by which key their rows are known."""
GONE = {
    "attempt_id": "select distinct attempt_id as key from withdrawn where attempt_id is not null",
    "trace_id": "select distinct trace_id as key from withdrawn where trace_id is not null and not is_shared",
    "prompt_id": "select distinct prompt_id as key from withdrawn where reach = 'prompt'",
}

_OF_SUCH_A_TEACHER = """
    select path, rows, bytes from store.file
    where kind = $kind and (teacher is null or teacher in (select teacher from withdrawn)) and exists ({gone})
"""


@dataclass(frozen=True)
class Touched:
    """One part that holds rows to be withdrawn."""

    kind: str
    path: str
    """Relative to the data root."""
    rows: int
    recalled: int
    bytes: int


@dataclass(frozen=True)
class Reach:
    """All that a recall withdraws, as it stands."""

    selection: Selection
    attempts: int
    traces: int
    prompts: int
    shared: int
    """Traces that other attempts brought too, word for word; those stay."""
    kept: int
    judged: int
    """Rows of other teachers that were kept on the word of what is recalled, and are judged again without it."""
    losers: int
    """Rows that lost to such a row as duplicates, and are judged again."""
    files: tuple[Touched, ...]
    segments: int
    """Of the journal, of whatever teacher; they are taken up before rows are withdrawn."""
    versions: tuple[dict[str, Any], ...]
    shards: tuple[dict[str, Any], ...]
    students: tuple[dict[str, Any], ...]
    datasets: tuple[str, ...]
    """That are judged again."""
    unknown: tuple[str, ...]
    """Trace ids that were named and that nothing in the data root has, or has any more."""

    @property
    def is_empty(self) -> bool:
        """Nothing was ever had from what is named."""
        return not (self.attempts or self.prompts)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        own = {"recall_id": self.selection.recall_id, "denies": self.selection.denies}
        return own | asdict(self) | {"selection": self.selection.as_dict()}


def reach(root: DataRoot, selection: Selection) -> Reach:
    """Look, and change nothing.

    Raises:
        BadInput: there is no warehouse.
    """
    with closing(connect(root)) as connection:
        fill(connection, root, selection)
        counts = rows(connection, statement("counts"))[0]
        versions = rows(connection, "from reached_version order by version")
        shards = (
            "select version, shard, rows, bytes, teacher from store.shard semi join reached_version using (version)"
        )
        return Reach(
            selection,
            **counts,
            files=tuple(touched(connection, root)),
            segments=len(list(root.journal.glob("*/*"))),
            versions=tuple(versions),
            shards=tuple(rows(connection, f"{shards} order by all")),
            students=tuple(rows(connection, statement("students"))),
            datasets=tuple(row["dataset"] for row in rows(connection, statement("datasets"))),
            unknown=_unknown(connection, selection),
        )


def _unknown(connection: Connection, selection: Selection) -> tuple[str, ...]:
    here = {row["trace_id"] for row in rows(connection, "select distinct trace_id from withdrawn")}
    return tuple(trace_id for trace_id in selection.traces or () if trace_id not in here)


def fill(connection: Connection, root: DataRoot, selection: Selection) -> None:
    """Fill the temporary tables `withdrawn`, `on_its_word` and `reached_version`."""
    find(connection, selection)
    connection.execute(statement("reached"))
    connection.execute(statement("withdrawn"))
    connection.execute(statement("on_its_word"))
    connection.register("heldout", _heldout(connection, root))
    connection.execute(statement("versions"))
    connection.unregister("heldout")


def find(connection: Connection, selection: Selection) -> None:
    """Fill the temporary tables `linked` and `gone_prompt`: attempts and prompts that are named, whatever became of
    them."""
    connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
    connection.register("named", pa.table({"trace_id": pa.array(selection.traces or (), pa.string())}))
    named = {
        "teacher": selection.teacher,
        "route": selection.route,
        "terms": selection.terms,
        "since": selection.since,
        "until": selection.until,
        "decision": selection.decision,
        "by_source": selection.prompt_source is not None,
        "by_trace": selection.traces is not None,
    }
    connection.execute(statement("sourced"), {"source": selection.prompt_source})
    connection.execute(statement("linked"), named)
    connection.unregister("named")
    writer = selection.teacher if selection.denies else None
    connection.execute(statement("prompts"), {"writer": writer})


def _heldout(connection: Connection, root: DataRoot) -> pa.Table:
    """The prompts held out in each version's folder; they are in no row, and can be withdrawn."""
    listed = rows(
        connection,
        "select version, folder, shard from store.shard join store.version using (version) where split = 'heldout'",
    )
    tables = [pa.table({"version": pa.array([], pa.string()), "prompt_id": pa.array([], pa.string())})]
    for shard in listed:
        path = root.path / shard["folder"] / shard["shard"]
        if path.exists():
            ids = pq.read_table(path, columns=["prompt_id"])["prompt_id"].combine_chunks()
            tables.append(pa.table({"version": pa.array([shard["version"]] * len(ids), pa.string()), "prompt_id": ids}))
    return pa.concat_tables(tables)


def touched(connection: Connection, root: DataRoot, kinds: Sequence[str] = tuple(KEYS)) -> list[Touched]:
    """The listed parts that hold rows of `withdrawn`. One part holds one teacher's rows, or prompts."""
    found = []
    for kind in kinds:
        key = KEYS[kind]
        listed = rows(connection, _OF_SUCH_A_TEACHER.format(gone=GONE[key]), {"kind": kind})
        by_path = {str(root.path.resolve() / file["path"]): file for file in listed}
        if not by_path:
            continue
        counted = rows(
            connection,
            f"select filename, count(*) as recalled from read_parquet($paths, filename = true) "
            f"where {key} in ({GONE[key]}) group by filename order by filename",
            {"paths": list(by_path)},
        )
        for row in counted:
            file = by_path[row["filename"]]
            found.append(Touched(kind, file["path"], file["rows"], row["recalled"], file["bytes"]))
    return found
