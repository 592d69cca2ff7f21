"""Judge traces against each other: exact duplicates, near duplicates, and at most k for a prompt.

Works on the files of the row-wise rules through DuckDB, which spills. What grows in memory are only the
pairs that are similar (about 100 bytes each) and the traces in such pairs (about 500 bytes each).
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.judge.finding import whole_texts
from tasks.judge.near import Close, Pair, ShingleFile, Similar, best_of, clusters, likely
from tasks.judge.policy import JudgePolicy
from tasks.judge.rules import DUPLICATE_VERSION, PER_PROMPT_VERSION
from tasks.judge.sketch import shingles
from tasks.judge.words import split

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
_CHUNKS_AT_ONCE = min(4, os.cpu_count() or 1)
"""Of texts, in memory while pairs are compared; the kernel and Parquet's reader hold no lock of Python's."""


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
    pairs = sorted(likely_pairs(connection, policy.near_duplicate_jaccard))
    with ShingleFile(scratch / "shingles") as sets:
        members = _members(connection, chunks, pairs, sets)
        exactly = zip(pairs, sets.similarities(pairs), strict=True)
        close = [Close(*pair, jaccard) for pair, jaccard in exactly if jaccard >= policy.near_duplicate_jaccard]
        rejecting = [(p.best, p.place) for p in close if may_reject(members[p.best], members[p.place], policy)]
        best = sorted((to, place) for place, to in clusters(rejecting).items())
        exactly = zip(best, sets.similarities(best), strict=True)
        losers = {place: Similar(place, to, jaccard) for (to, place), jaccard in exactly}
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


def likely_pairs(connection: Connection, threshold: float) -> Iterator[Pair]:
    reader = connection.sql(
        "select c.best, c.place, a.digest as one, b.digest as other "
        "from candidate as c join sketch as a on a.place = c.best join sketch as b on b.place = c.place"
    ).to_arrow_reader(_PAIR_ROWS)
    for batch in reader:
        close = likely(batch["one"], batch["other"], threshold)
        best, place = (batch[name].to_numpy()[close].tolist() for name in ("best", "place"))
        yield from zip(best, place, strict=True)


def _members(
    connection: Connection, chunks: Sequence[Chunk], pairs: Iterable[Pair], sets: ShingleFile
) -> Mapping[int, Member]:
    """What must be known of every trace that is in a pair; its shingles go to the file, a few chunks of texts in
    memory at a time."""
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
    with ThreadPoolExecutor(_CHUNKS_AT_ONCE) as readers:
        added = [
            readers.submit(_add_sets, sets, inputs[file], [(row[1], row[2]) for row in group])
            for file, group in groupby(rows, key=lambda row: str(row[0]))
        ]
        for one in added:
            one.result()
    return {place: Member(prompt_id, words, numbers) for _, _, place, prompt_id, words, numbers in rows}


def _add_sets(sets: ShingleFile, inputs: Path, wanted: Sequence[tuple[int, int]]) -> None:
    """Add the shingles of some rows of a chunk, each with its place."""
    texts = pq.read_table(inputs, columns=["reasoning", "answer"], use_threads=False).take([row for row, _ in wanted])
    whole = whole_texts(*(texts[name].combine_chunks() for name in ("reasoning", "answer")))
    sets.add([place for _, place in wanted], shingles(split(whole)))


def _found(similar: Similar, kind: str, rejects: bool) -> dict[str, object]:
    return {
        "place": similar.place,
        "similar_to": similar.to,
        "kind": kind,
        "jaccard": similar.jaccard,
        "rejects": rejects,
    }
