"""Questions to the warehouse: any SQL for `still sql`, and the whole story of one trace for `still show`."""

from contextlib import closing
from importlib.resources import files

import duckdb
import pyarrow as pa

from warehouse.catalog import fresh_snapshot
from warehouse.errors import BadInput
from warehouse.layout import DataRoot

ID_LENGTH = 32
"""Hex digits of an id (`records.content_id`)."""


def run_query(root: DataRoot, sql: str) -> pa.Table:
    """The rows of a query on the warehouse: anything DuckDB can do, but the file is read-only.

    A statement without rows gives an empty table. Raises `BadInput` with DuckDB's first line when the query
    is wrong, or when there is no warehouse.
    """
    with closing(fresh_snapshot(root)) as connection:
        try:
            relation = connection.sql(sql)
            table = relation.to_arrow_table() if relation is not None else None
        except duckdb.Error as error:
            raise BadInput(f"the query failed: {str(error).splitlines()[0]}") from error
    return table if table is not None else pa.table({})


def show_trace(root: DataRoot, trace_id_prefix: str) -> dict[str, object]:
    """One trace by its id's beginning: `trace`, `prompt`, `attempt`, `terms`, `verdicts`, `rules`, `duplicates`,
    `similar`, `lineage`.

    The first four are a row or None, the others lists of rows. `rules` are those of its verdicts' judgings, `similar`
    the texts it was compared with. Raises `BadInput` when no trace, or more
    than one, begins so.
    """
    with closing(fresh_snapshot(root)) as connection:
        trace_id = _find_trace(connection, trace_id_prefix)
        (trace,) = _records(connection, "trace", trace_id)
        return {
            "trace": trace,
            "prompt": next(iter(_records(connection, "prompt", trace["prompt_id"])), None),
            "attempt": next(iter(_records(connection, "attempt", trace["attempt_id"])), None),
            "terms": _terms(connection, trace),
            "verdicts": _records(connection, "verdicts", trace_id),
            "rules": _records(connection, "rules", trace_id),
            "duplicates": _records(connection, "duplicates", trace_id),
            "similar": _records(connection, "similar", trace_id),
            "lineage": _records(connection, "lineage", trace_id),
        }


def _terms(connection: duckdb.DuckDBPyConnection, trace: dict[str, object]) -> dict[str, object] | None:
    """The terms of the trace's teacher; the same terms may stand under other teachers too."""
    found = _records(connection, "terms", trace["terms_sha256"])
    return next((row for row in found if row["teacher"] == trace["teacher"]), None)


def _find_trace(connection: duckdb.DuckDBPyConnection, prefix: str) -> str:
    if not prefix or set(prefix) - set("0123456789abcdef"):
        raise BadInput(f"{prefix!r} is not the beginning of a trace id: an id has {ID_LENGTH} hex digits")
    found = connection.execute(
        "select distinct trace_id from traces where starts_with(trace_id, ?) order by trace_id limit 3",
        [prefix],
    ).fetchall()
    if not found:
        raise BadInput(f'no trace begins with {prefix}: `still sql "select trace_id from traces"` lists them')
    if len(found) > 1:
        ids = ", ".join(trace_id for (trace_id,) in found[:2])
        raise BadInput(f"more than one trace begins with {prefix} ({ids}, ...): give more digits")
    return str(found[0][0])


def _records(connection: duckdb.DuckDBPyConnection, part: str, key: object) -> list[dict[str, object]]:
    """Rows of one part of the story; `key` is bound as a constant, which DuckDB pushes down to the files."""
    sql = (files("warehouse") / "sql" / "queries" / f"show_{part}.sql").read_text()
    result = connection.execute(sql, {"key": key})
    columns = [column[0] for column in result.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
