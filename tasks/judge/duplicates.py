"""Judge traces against each other: exact duplicates, near duplicates, and at most k for a prompt.

Works on the files of the row-wise rules through DuckDB, which spills. What grows in memory are only the
pairs that are similar (about 100 bytes each) and the traces in such pairs (about 500 bytes each).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.judge.finding import whole_text
from tasks.judge.near import Close, Pair, ShingleFile, Similar, best_of, clusters, likely
from tasks.judge.policy import JudgePolicy
from tasks.judge.rules import DUPLICATE_VERSION, PER_PROMPT_VERSION
from tasks.judge.sketch import shingles
from tasks.judge.words import words

Connection = Any
"""What `warehouse.catalog.connect` gives; only the warehouse names its library."""

_FOUND: list[tuple[str, pa.DataType]] = [
    ("place", pa.int64()),
    ("similar_to", pa.int64()),
    ("kind", pa.string()),  # exact | near
    ("jaccard", pa.float64()),
    ("rejects", pa.bool_()),
]
_PAIR_ROWS = 8192


@dataclass(frozen=True)
class Chunk:
    """The two files of one chunk of traces; row n of one is row n of the other."""

    inputs: Path
    judged: Path


@dataclass(frozen=True)
class Member:
    """A trace that is in a likely pair."""

    prompt_id: str
    words: int
    numbers: str


def statement(name: str) -> str:
    """The text of one of this station's SQL files."""
    return resources.files("tasks.judge").joinpath("sql", f"{name}.sql").read_text()


def compare(connection: Connection, chunks: Sequence[Chunk], policy: JudgePolicy, scratch: Path) -> None:
    """Fill the temporary table `late`: one row for each survivor of the row-wise rules that loses or is
    similar to another."""
    judged, across = (
        {"judged": [str(chunk.judged) for chunk in chunks]},
        {"across": policy.cross_prompt_words},
    )
    connection.execute("create temp table if not exists held (trace_id varchar)")
    connection.execute(statement("survivors"), judged)
    connection.execute(statement("exact"), across)
    connection.execute(statement("candidates"), judged | across)
    connection.execute(statement("digests"), judged)
    rejects = policy.rejects("duplicate")
    found = [*_exact(connection, rejects), *_near(connection, chunks, policy, scratch)]
    connection.register("found", pa.Table.from_pylist(found, schema=pa.schema(_FOUND)))
    versions = {"duplicate_version": DUPLICATE_VERSION, "per_prompt_version": PER_PROMPT_VERSION}
    connection.execute(statement("late"), {"keep": policy.keep_per_prompt} | versions)
    connection.unregister("found")


def _exact(connection: Connection, rejects: bool) -> Iterator[dict[str, object]]:
    rows = connection.execute("select place, similar_to, is_duplicate from exact order by place").fetchall()
    for place, similar_to, is_duplicate in rows:
        yield _found(Similar(place, similar_to, 1.0), "exact", is_duplicate and rejects)


def _near(
    connection: Connection, chunks: Sequence[Chunk], policy: JudgePolicy, scratch: Path
) -> Iterator[dict[str, object]]:
    """Of the pairs that are exactly similar enough, those that may reject are clustered; the others
    annotate."""
    pairs = list(_likely_pairs(connection, policy.near_duplicate_jaccard))
    with ShingleFile(scratch / "shingles") as sets:
        members = _members(connection, chunks, pairs, sets)
        close = [Close(a, b, j) for a, b in pairs if (j := sets.jaccard(a, b)) >= policy.near_duplicate_jaccard]
        rejecting = [(p.best, p.place) for p in close if may_reject(members[p.best], members[p.place], policy)]
        losers = {place: Similar(place, to, sets.jaccard(place, to)) for place, to in clusters(rejecting).items()}
    for similar in losers.values():
        yield _found(similar, "near", policy.rejects("duplicate"))
    exact = {place for (place,) in connection.execute("select place from exact").fetchall()}
    for similar in best_of(close):
        if similar.place not in losers and similar.place not in exact:
            yield _found(similar, "near", False)


def may_reject(left: Member, right: Member, policy: JudgePolicy) -> bool:
    """Whether one of two similar traces is one too many: answers of one prompt, or long enough and with the
    same numbers. Else they solve different problems in the same words: of near-equal questions nine in ten
    have different answers."""
    if left.prompt_id == right.prompt_id:
        return True
    return left.numbers == right.numbers and min(left.words, right.words) >= policy.cross_prompt_words


def _likely_pairs(connection: Connection, threshold: float) -> Iterator[Pair]:
    reader = connection.sql(
        "select c.best, c.place, a.digest as one, b.digest as other "
        "from candidate as c join sketch as a on a.place = c.best join sketch as b on b.place = c.place"
    ).to_arrow_reader(_PAIR_ROWS)
    for batch in reader:
        close = likely(batch["one"].to_pylist(), batch["other"].to_pylist(), threshold)
        for row in np.flatnonzero(close):
            yield batch["best"][int(row)].as_py(), batch["place"][int(row)].as_py()


def _members(
    connection: Connection, chunks: Sequence[Chunk], pairs: Iterable[Pair], sets: ShingleFile
) -> Mapping[int, Member]:
    """What must be known of every trace that is in a pair; its shingles go to the file, one chunk of texts
    in memory at a time."""
    connection.register(
        "paired",
        pa.table({"place": pa.array(sorted({place for pair in pairs for place in pair}), pa.int64())}),
    )
    rows = connection.execute(
        "select file, file_row, place, prompt_id, words, numbers "
        "from survivor semi join paired using (place) order by file, file_row"
    ).fetchall()
    connection.unregister("paired")
    inputs = {str(chunk.judged): chunk.inputs for chunk in chunks}
    members: dict[int, Member] = {}
    for file, group in groupby(rows, key=lambda row: str(row[0])):
        texts = pq.read_table(inputs[file], columns=["reasoning", "answer"])
        for _, row, place, prompt_id, count, numbers in group:
            text = whole_text(texts["reasoning"][row].as_py() or "", texts["answer"][row].as_py() or "")
            sets.add(place, shingles(words(text)))
            members[place] = Member(prompt_id, count, numbers)
    return members


def _found(similar: Similar, kind: str, rejects: bool) -> dict[str, object]:
    return {
        "place": similar.place,
        "similar_to": similar.to,
        "kind": kind,
        "jaccard": similar.jaccard,
        "rejects": rejects,
    }
