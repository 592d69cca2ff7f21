"""At most k traces for a prompt: of more, those that differ most. Needs the temporary table `standing`."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.judge.diverse import spread_out
from tasks.judge.sketch import PERMUTATIONS, loaded
from tasks.judge.statements import Connection, statement

_CHOSEN = pa.schema([("place", pa.int64()), ("rank", pa.int64())])
_STREAM_ROWS = 8192
_WORDLESS = b"\xff" * 4 * PERMUTATIONS
"""Stands for the sketch of a text without words, which has none."""


def choose(connection: Connection, judged: Sequence[str], keep: int | None) -> None:
    """Fill the temporary table `chosen`: of every prompt with more than `keep` good traces, those that stay."""
    rows = [] if keep is None else list(_chosen(connection, judged, keep))
    table = pa.Table.from_pylist([{"place": place, "rank": rank} for place, rank in rows], schema=_CHOSEN)
    connection.register("choice", table)
    connection.execute("create temp table chosen as select * from choice")
    connection.unregister("choice")


def _chosen(connection: Connection, judged: Sequence[str], keep: int) -> Iterator[tuple[int, int]]:
    """Places with their ranks, one prompt's traces in memory at a time."""
    rows = _rows(connection, judged, keep)
    for _, group in groupby(rows, key=lambda row: row["prompt_id"]):
        traces = list(group)
        digests = loaded(pa.array([row["digest"] or _WORDLESS for row in traces], pa.binary()))
        is_right = np.array([row["is_right"] for row in traces])
        for rank, row in enumerate(spread_out(digests, is_right, keep), 1):
            yield traces[row]["place"], rank


def _rows(connection: Connection, judged: Sequence[str], keep: int) -> Iterator[dict[str, Any]]:
    reader = connection.sql(statement("crowded"), params={"judged": list(judged), "keep": keep})
    for batch in reader.to_arrow_reader(_STREAM_ROWS):
        yield from batch.to_pylist()
