"""What the screens need of the warehouse, and the looks that they leave there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from tasks.judge.screens.accuracy import Count, joined
from tasks.judge.screens.identity import Arrived
from tasks.judge.screens.look import Look
from tasks.judge.screens.policy import ScreenName, Screens
from warehouse.catalog import connect, transaction
from warehouse.layout import DataRoot
from warehouse.records import content_id

Connection = Any
"""What `warehouse.catalog.connect` gives; only the warehouse names its library."""

STREAM_ROWS = 512
"""Answers held at a time while a teacher's course is gone through again."""

_LOOKS = """
    select look_id, settings, teacher, screen, nth, verdict, n, reference_n, statistic, p, level, power, from_at,
    to_at, counts from store.screen where dataset = ? order by teacher, screen, nth, looked_at
"""
_EARLIER = """
    select teacher, counts from store.screen
    where screen = 'accuracy' and verdict = 'passed' and dataset <> ? and teacher in (select unnest(?))
"""
_PLANNED = """
    select w.teacher, p.family, p.verifier <> 'none' as has_verifier,
        count(distinct w.prompt_id) filter (where w.sample_index < $first)
            + count(*) filter (where w.sample_index >= $first) as answers
    from wanted as w join prompts as p using (prompt_id) where w.dataset = $dataset group by all order by all
"""
_ANSWERS = """
    select t.teacher, w.prompt_id, t.received_at, t.outcome, t.reasoning, t.answer, t.served_model,
        p.question, p.family, p.verifier, p.reference, p.metadata
    from wanted as w
    join traces as t on t.trace_id = w.trace_id
    join prompts as p on p.prompt_id = w.prompt_id
    where w.dataset = $dataset
    order by t.received_at, t.trace_id
"""
_PROMPTS = """
    select prompt_id, any_value(question) as question, any_value(family) as family, any_value(verifier) as verifier,
    any_value(reference) as reference, any_value(metadata) as metadata
    from store.prompts_parquet where prompt_id in (select unnest($ids)) group by prompt_id
"""
_ANSWERED = """
    select t.teacher, count(*) as rows, count(distinct w.prompt_id) as prompts, min(t.received_at) as from_at,
        max(t.received_at) as to_at, sum(strlen(coalesce(t.reasoning, '')) + strlen(coalesce(t.answer, ''))) as bytes
    from wanted as w join traces as t on t.trace_id = w.trace_id
    where w.dataset = $dataset group by t.teacher order by t.teacher
"""
_TEXTS = """
    select t.teacher, t.trace_id, w.prompt_id, t.reasoning, t.answer
    from wanted as w join traces as t on t.trace_id = w.trace_id
    where w.dataset = $dataset
"""
_LONG_TEXTS = """
    select t.reasoning, t.answer
    from (select distinct trace_id from wanted where dataset = $dataset and trace_id is not null) as w
    join traces as t using (trace_id)
    where t.teacher = $teacher and strlen(coalesce(t.reasoning, '')) + strlen(coalesce(t.answer, '')) >= $bytes
    order by t.trace_id
"""
_ARRIVED = """
    select t.trace_id, t.received_at, t.served_model, t.system_fingerprint, null as reasoning
    from (select distinct trace_id from wanted where dataset = $dataset and trace_id is not null) as w
    join traces as t using (trace_id)
    where t.teacher = $teacher
    order by t.received_at, t.trace_id
"""
# A mark of a response's own JSON: inside a text its quotes would be escaped.
_ARRIVED_WITH_REASONING = r"""
    select t.trace_id, t.received_at, t.served_model, t.system_fingerprint,
        nullif(regexp_extract(try(decode(a.body)), '"type"\s*:\s*"reasoning\.(summary|encrypted)"', 1), '') as reasoning
    from (select distinct trace_id from wanted where dataset = $dataset and trace_id is not null) as w
    join traces as t using (trace_id)
    join attempts as a on a.attempt_id = t.attempt_id
    where t.teacher = $teacher
    order by t.received_at, t.trace_id
"""
_QUESTIONS = """
    select
        array_to_string(list_prepend(question, list_transform(messages, lambda one: one.content)), chr(10)) as question
    from prompts where prompt_id in (select prompt_id from wanted where dataset = $dataset)
"""


@dataclass(frozen=True)
class Recorded:
    """A look as the warehouse has it."""

    look_id: str
    settings: str
    look: Look


@dataclass(frozen=True)
class Answered:
    """What the current plan has of one teacher's answers."""

    teacher: str
    rows: int
    prompts: int
    from_at: datetime
    to_at: datetime
    bytes: int
    """Of their texts."""


@dataclass(frozen=True)
class Planned:
    """What a plan wants of one teacher; of a prompt's samples that are asked together it counts one."""

    answers: int = 0
    canaries: int = 0


def settings_id(screens: Screens, name: ScreenName) -> str:
    """A hash of one screen's settings: with others, everything is looked at anew."""
    settings: BaseModel | None = getattr(screens, name)
    return content_id(name, settings.model_dump_json() if settings else None)


def look_id(dataset: str, settings: str, look: Look) -> str:
    """Of a window one look is kept; what was said of too few answers may be said again of more."""
    is_of_window = look.verdict in ("fired", "passed", "baseline") and look.screen not in (
        "family",
        "identity",
        "watermark",
    )
    again = "" if is_of_window else look.statistic
    return content_id(dataset, look.teacher, look.screen, settings, look.window, again)[:12]


def read_looks(root: DataRoot, dataset: str) -> list[Recorded]:
    """Every look at a dataset's answers, by teacher, screen and window; none where there is no warehouse yet."""
    if not root.warehouse.exists():
        return []
    with closing(connect(root)) as connection:
        rows = connection.execute(_LOOKS, [dataset]).fetchall()
    return [Recorded(id, settings, _look(*columns)) for id, settings, *columns in rows]


def _look(*columns: Any) -> Look:
    names = (field.name for field in fields(Look))
    values = dict(zip(names, columns, strict=True))
    families = json.loads(values["counts"] or "{}")
    return Look(**values | {"counts": {family: (right, n) for family, (right, n) in families.items()}})


def write_looks(
    root: DataRoot, dataset: str, run_id: str, screens: Screens, looks: Sequence[Look], now: datetime
) -> None:
    """Add looks; one that is there already is left as it is."""
    if not looks:
        return
    rows = [_row(dataset, run_id, settings_id(screens, look.screen), look, now) for look in looks]
    with transaction(root, now, publish="now") as changes:
        changes.insert("screen", rows)


def _row(dataset: str, run_id: str, settings: str, look: Look, now: datetime) -> dict[str, object]:
    same = ("teacher", "screen", "verdict", "n", "reference_n", "statistic", "p", "level", "power", "from_at", "to_at")
    return {name: getattr(look, name) for name in same} | {
        "look_id": look_id(dataset, settings, look),
        "dataset": dataset,
        "settings": settings,
        "nth": look.window,
        "counts": json.dumps(look.counts, sort_keys=True),
        "run_id": run_id,
        "looked_at": now,
    }


def read_earlier(connection: Connection, dataset: str, teachers: Sequence[str]) -> dict[str, dict[str, Count]]:
    """By teacher and family, the canaries of windows that passed for other datasets."""
    found: dict[str, dict[str, Count]] = {}
    for teacher, counts in connection.execute(_EARLIER, [dataset, list(teachers)]).fetchall():
        window = {family: Count(right, n) for family, (right, n) in json.loads(counts).items()}
        found[teacher] = joined(found.get(teacher, {}), window)
    return found


def read_planned(
    connection: Connection, dataset: str, families: Sequence[str], samples_per_prompt: int
) -> dict[str, Planned]:
    """By teacher, what the current plan wants of it; canaries are of these families, or of any if none is named."""
    parameters = {"dataset": dataset, "first": samples_per_prompt}
    found: dict[str, Planned] = {}
    for teacher, family, has_verifier, answers in connection.execute(_PLANNED, parameters).fetchall():
        before = found.get(teacher, Planned())
        is_canary = has_verifier and (not families or family in families)
        found[teacher] = Planned(before.answers + answers, before.canaries + answers * is_canary)
    return found


def read_answers(connection: Connection, dataset: str) -> Iterator[dict[str, Any]]:
    """Every answer that the current plan has, in the order in which they came."""
    reader = connection.sql(_ANSWERS, params={"dataset": dataset}).to_arrow_reader(STREAM_ROWS)
    for batch in reader:
        yield from batch.to_pylist()


def read_prompts(connection: Connection, ids: Sequence[str]) -> Mapping[str, dict[str, Any]]:
    """What the screens need of these prompts."""
    table = connection.sql(_PROMPTS, params={"ids": list(ids)}).to_arrow_table()
    return {row["prompt_id"]: row for row in table.to_pylist()}


def read_answered(connection: Connection, dataset: str) -> list[Answered]:
    """What there is of each teacher, by name."""
    return [Answered(*row) for row in connection.execute(_ANSWERED, {"dataset": dataset}).fetchall()]


def read_arrived(connection: Connection, dataset: str, teacher: str, with_reasoning: bool) -> Iterator[Arrived]:
    """What each of a teacher's answers says of its origin, in the order in which they came; `with_reasoning` reads the
    raw responses for what they call their reasoning."""
    sql = _ARRIVED_WITH_REASONING if with_reasoning else _ARRIVED
    cursor = connection.execute(sql, {"dataset": dataset, "teacher": teacher})
    while rows := cursor.fetchmany(STREAM_ROWS):
        yield from (Arrived(*row) for row in rows)


def read_texts(connection: Connection, dataset: str) -> Iterator[pa.RecordBatch]:
    """Every answer that the current plan has, in no order: teacher, trace_id, prompt_id, reasoning, answer."""
    yield from connection.sql(_TEXTS, params={"dataset": dataset}).to_arrow_reader(STREAM_ROWS)


def read_questions(connection: Connection, dataset: str) -> Iterator[pa.RecordBatch]:
    """All that its prompts say, in one column."""
    yield from connection.sql(_QUESTIONS, params={"dataset": dataset}).to_arrow_reader(STREAM_ROWS)


def read_long_texts(connection: Connection, dataset: str, teacher: str, bytes: int) -> Iterator[tuple[str, str]]:
    """Reasoning and answer of a teacher's answers of at least so many bytes, by their ids."""
    cursor = connection.execute(_LONG_TEXTS, {"dataset": dataset, "teacher": teacher, "bytes": bytes})
    while rows := cursor.fetchmany(STREAM_ROWS):
        yield from ((reasoning or "", answer or "") for reasoning, answer in rows)
