"""Judge traces against each other: exact duplicates, near duplicates, and at most k for a prompt.

Works on the files of the row-wise rules through DuckDB, which spills, so memory does not grow with the rows, but for pairs that are
similar (16 bytes each) and the traces in them (about 200 bytes each).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.judge.near import Pair, ShingleFile, Similar, likely, near_duplicates
from tasks.judge.policy import JudgePolicy
from tasks.judge.rules import DUPLICATE_VERSION, PER_PROMPT_VERSION, whole_text
from tasks.judge.sketch import shingles
from tasks.judge.words import words
from warehouse.catalog import Connection

LATE = pa.schema(
    [
        ("place", pa.int64()),
        ("reason", pa.string()),  # null where it only annotates
        ("rule", pa.string()),
        ("rule_version", pa.int32()),
        ("details", pa.string()),
        ("signal", pa.string()),  # a member of the JSON object of signals
        ("similar_to", pa.int64()),
        ("kind", pa.string()),
        ("jaccard", pa.float64()),
    ]
)
_PAIR_ROWS = 8192


def sql(name: str) -> str:
    return resources.files("tasks.judge").joinpath("sql", f"{name}.sql").read_text()


class Comparison:
    """The survivors of the row-wise rules of one judging, and what becomes of them."""

    def __init__(self, connection: Connection, judged: Sequence[Path], policy: JudgePolicy, scratch: Path) -> None:
        self._connection = connection
        self._judged = [str(path) for path in judged]
        self._policy = policy
        self._scratch = scratch

    def run(self) -> None:
        """Fill the table `late`: one row for each survivor that loses or is annotated."""
        across = {"across": self._policy.cross_prompt_words}
        self._connection.execute(sql("survivors"), {"judged": self._judged})
        self._connection.execute(sql("exact"), across)
        self._connection.execute(sql("candidates"), {"judged": self._judged} | across)
        found = [*self._exact(), *self._near()]
        self._store(found)
        self._limit_per_prompt()

    def _exact(self) -> Iterator[dict[str, Any]]:
        for place, to, loses in self._rows("select place, similar_to, is_duplicate from exact order by place"):
            yield self._late(Similar(place, to, 1.0), "exact", loses)

    def _near(self) -> list[dict[str, Any]]:
        """Estimate all candidates, compare the likely ones exactly, and cluster those that may reject each other."""
        pairs = self._likely_pairs()
        with ShingleFile(self._scratch / "shingles") as sets:
            members = self._members(pairs)
            for place, row in members.items():
                sets.add(place, row)
            facts = self._facts(members)
            close = [(a, b, j) for a, b in pairs if (j := sets.jaccard(a, b)) >= self._policy.near_duplicate_jaccard]
            losing = [(a, b) for a, b, _ in close if self._may_reject(facts[a], facts[b])]
            losers = near_duplicates(losing, sets)
        lost = {loser.place for loser in losers}
        return [self._late(loser, "near", True) for loser in losers] + [
            self._late(similar, "near", False) for similar in _best_of(close) if similar.place not in lost
        ]
