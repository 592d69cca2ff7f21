"""What is in a version: kept traces with their sides, in shards of one teacher and one set of terms."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from tasks.ask.sampling import Ask
from tasks.publish.publication import Form
from tasks.publish.reading import Connection, all_rows, append, batches, create, one_row, statement
from tasks.publish.rows import Row, heldout_row, published_row, student_wording
from tasks.right.gate import Admission
from warehouse.errors import BadInput
from warehouse.manifest import ContentDigest
from warehouse.shards import shard_name

SPLITS = ("train", "validation", "heldout")

_ADMITTED = pa.schema([("teacher", pa.string()), ("terms_sha256", pa.string()), ("decision_id", pa.string())])


@dataclass(frozen=True)
class Group:
    """Rows of one split, teacher and set of terms."""

    split: str
    teacher: str
    terms_id: str
    terms_sha256: str
    decision_id: str
    simulated: bool
    rows: int
    tokens: int


@dataclass(frozen=True)
class Slot:
    """One shard to be written, and which rows of its group it takes (from 0, both ends included)."""

    name: str
    split: str
    teacher: str | None
    terms_id: str | None
    terms_sha256: str | None
    first: int
    last: int

    @property
    def rows(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class Selection:
    """What a version will hold; the rows themselves are read again when they are needed, a batch at a
    time.
    """

    dataset: str
    wording: Ask
    form: Form
    groups: tuple[Group, ...]
    heldout_prompts: int
    left_out: Mapping[str, int]

    def count(self, split: str) -> int:
        return sum(group.rows for group in self.groups if group.split == split)

    @property
    def simulated(self) -> bool:
        return self.groups[0].simulated

    def slots(self, shard_rows: int) -> list[Slot]:
        """Name the shards: the splits in order, the groups in order, at most `shard_rows` rows in each."""
        cuts = [
            (group, first, min(first + shard_rows, group.rows) - 1)
            for group in self.groups
            for first in range(0, group.rows, shard_rows)
        ]
        slots = []
        for split, cut in groupby(cuts, key=lambda one: one[0].split):
            shards = list(cut)
            for index, (group, first, last) in enumerate(shards):
                name = shard_name(split, index, len(shards))
                slots.append(Slot(name, split, group.teacher, group.terms_id, group.terms_sha256, first, last))
        if self.heldout_prompts:
            name = shard_name("heldout", 0, 1)
            slots.append(Slot(name, "heldout", None, None, None, 0, self.heldout_prompts - 1))
        return slots

    def stream(self, connection: Connection, of: Slot | Group) -> Iterator[Row]:
        """Read the rows of a group, or the held-out prompts, in order; nothing else may run on the
        connection.
        """
        if of.split == "heldout":
            for batch in batches(connection, statement("heldout_prompts"), {"dataset": self.dataset}):
                yield from (heldout_row(prompt, self.wording) for prompt in batch.to_pylist())
            return
        parameters = {"side": of.split, "teacher": of.teacher, "terms_sha256": of.terms_sha256}
        for batch in batches(connection, statement("kept_rows"), parameters):
            yield from (published_row(kept, self.wording, self.form) for kept in batch.to_pylist())

    def content_digest(self, connection: Connection) -> str:
        """Digest every row of every split, in order, however the rows will be cut into shards."""
        digest = ContentDigest()
        for split, slots in groupby(self.slots(shard_rows=sys.maxsize), key=lambda slot: slot.split):
            digest.begin(split)
            for slot in slots:
                digest.add(self.stream(connection, slot))
        return digest.hexdigest()


def select(
    connection: Connection,
    dataset: str,
    judge_run: str,
    admissions: Sequence[Admission],
    ask: Ask,
    form: Form,
    plan: Path | None = None,
    target: int | None = None,
) -> Selection:
    """Choose the rows of a version; `split_side` is filled. Fills the temporary table `publishable`.

    With a target, the first `target` of them in the order of `plan`, the plan's part.

    Raises:
        BadInput: rows of simulated and of real teachers would share the version.
    """
    create(connection, "admitted", _ADMITTED)
    admitted = [[a.teacher.name for a in admissions], [a.teacher.terms_sha256 for a in admissions]]
    append(connection, "admitted", pa.table([*admitted, [a.decision_id for a in admissions]], schema=_ADMITTED))
    connection.execute(statement("publishable"), {"dataset": dataset, "judge_run": judge_run})
    if target is not None:
        connection.execute(statement("over_target"), {"plan": str(plan), "target": target})
    groups = tuple(Group(**row) for row in all_rows(connection, _GROUPS))
    _check_not_mixed(dataset, groups)
    heldout = one_row(connection, f"select count(*) as n from ({statement('heldout_prompts')})", {"dataset": dataset})
    left_out = {row["left_out"]: row["rows"] for row in all_rows(connection, _LEFT_OUT)}
    return Selection(dataset, student_wording(ask), form, groups, heldout["n"], left_out)


_GROUPS = """
    select
        side as split, teacher, any_value(terms_id) as terms_id, terms_sha256, any_value(decision_id) as decision_id,
        simulated, count(*) as rows, coalesce(sum(completion_tokens), 0)::bigint as tokens
    from publishable
    where left_out is null
    group by side, teacher, terms_sha256, simulated
    order by side, teacher, terms_sha256
"""
_LEFT_OUT = "select left_out, count(*) as rows from publishable where left_out is not null group by left_out"


def _check_not_mixed(dataset: str, groups: Sequence[Group]) -> None:
    simulated = sorted({group.teacher for group in groups if group.simulated})
    real = sorted({group.teacher for group in groups if not group.simulated})
    if simulated and real:
        raise BadInput(
            f"{dataset} keeps rows of the simulated teacher {simulated[0]!r} and of {real[0]!r}, which never share a "
            "version: use a dataset of its own for simulated rows"
        )


def version_rows(connection: Connection, version: str, slots: Sequence[Slot]) -> Iterator[pa.RecordBatch]:
    """Stream the lineage of a version's rows; `slots` are the shards as written."""
    table = pa.Table.from_pylist([vars(slot) for slot in slots if slot.split != "heldout"])
    connection.register("slot", table)
    yield from batches(connection, statement("version_rows"), {"version": version}, 10_000)
    connection.unregister("slot")


def reasons(connection: Connection, dataset: str, judge_run: str) -> dict[str, int]:
    """How many answers each rule turned away, most first."""
    counted = all_rows(
        connection,
        "select coalesce(reason, outcome) as reason, count(*) as rows from verdicts "
        "where dataset = $dataset and judge_run = $judge_run and outcome <> 'kept' "
        "group by all order by rows desc, reason",
        {"dataset": dataset, "judge_run": judge_run},
    )
    return {row["reason"]: row["rows"] for row in counted}


def licenses(connection: Connection) -> tuple[str, ...]:
    """The licences of the prompts behind the rows."""
    sql = (
        "select distinct license from prompts where license is not null and prompt_id in "
        "(select prompt_id from publishable where left_out is null) order by license"
    )
    return tuple(row["license"] for row in all_rows(connection, sql))
