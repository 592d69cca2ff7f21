"""The caps that the answers so far speak for, by teacher and class of prompts."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from tasks.ask.lengths import RESERVING, Lengths, caps_of
from tasks.ask.providers import provider_named
from tasks.right.terms import Teacher
from warehouse.catalog import connect
from warehouse.layout import DataRoot

ANSWERS = """
    with longest as (
        select
            a.teacher, a.prompt_class, a.request_key,
            max(t.completion_tokens) as tokens,
            arg_max(t.outcome = 'truncated', t.completion_tokens) as is_cut
        from attempts as a
        join store.current_trace as t using (attempt_id)
        where a.state = 'paid' and a.prompt_class is not null and a.teacher in (select unnest($teachers))
        group by all
    )
    select teacher, prompt_class, tokens, is_cut, count(*) from longest where tokens is not null group by all
"""
"""Of each sample the longest answer that was seen, so that one that was cut off and drawn again does not count as
short."""


@dataclass
class CapBook:
    """What is known of the lengths of answers, and the caps that follow from it."""

    most: int
    """The recipe's max_tokens: no cap is higher, and where too little is known none is lower."""
    lengths: dict[str, dict[str, Lengths]] = field(default_factory=dict)
    """By teacher and prompt class; teachers that are not listed are asked with the recipe's cap."""

    def of(self, teacher: str) -> dict[str, int]:
        """The cap of each class of prompts that is asked with a lower one than the recipe's."""
        return caps_of(self.lengths.get(teacher, {}), self.most)

    def learn(self, teacher: str, found: Mapping[str, Lengths]) -> None:
        """Take in the lengths of a teacher's answers."""
        known = self.lengths.get(teacher)
        if known is None:
            return
        for name, lengths in found.items():
            known.setdefault(name, Lengths()).join(lengths)


def reserves(teacher: Teacher) -> bool:
    """Whether a lower cap lets more requests through, by the rule that its provider charges by."""
    return (teacher.quota.charge or provider_named(teacher.provider).charge) in RESERVING


def read_caps(root: DataRoot, teachers: Mapping[str, Teacher], most: int) -> CapBook:
    """What the ledger knows."""
    with closing(connect(root)) as warehouse:
        return measure(warehouse, teachers, most)


def measure(warehouse: Any, teachers: Mapping[str, Teacher], most: int) -> CapBook:
    """What the ledger knows, by a connection to the published warehouse."""
    book = CapBook(most, {name: {} for name, teacher in teachers.items() if reserves(teacher)})
    if not _has_classes(warehouse):
        return book
    for teacher, name, tokens, is_cut, count in warehouse.execute(
        ANSWERS, {"teachers": sorted(book.lengths)}
    ).fetchall():
        book.lengths[teacher].setdefault(name, Lengths()).add(tokens, is_cut, count)
    return book


def _has_classes(warehouse: Any) -> bool:
    """A warehouse that was published before prompts had classes knows of none."""
    sql = "select 1 from duckdb_columns() where table_name = 'attempts' and column_name = 'prompt_class'"
    return bool(warehouse.execute(sql).fetchall())
