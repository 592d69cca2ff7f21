"""The screens' tasks: go through a dataset's answers before they are judged, and watch them while they come."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.judge.finding import whole_text, whole_texts
from tasks.judge.screens import watermark
from tasks.judge.screens.families import match_served, match_student
from tasks.judge.screens.identity import identify
from tasks.judge.screens.look import Firing, Look
from tasks.judge.screens.policy import Screens, WatermarkScreen
from tasks.judge.screens.records import (
    Recorded,
    look_id,
    read_answered,
    read_answers,
    read_arrived,
    read_earlier,
    read_long_texts,
    read_looks,
    read_planned,
    read_prompts,
    read_questions,
    read_texts,
    settings_id,
    write_looks,
)
from tasks.judge.screens.trigger import Corpus, Found, Rows, look_for_triggers
from tasks.judge.screens.watch import Watch, is_acknowledged, known_looks
from tasks.right.watermark import DeclaredWatermark
from warehouse.catalog import connect
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.records import DataFile

logger = logging.getLogger(__name__)

_TRACE_COLUMNS = ["prompt_id", "teacher", "received_at", "outcome", "reasoning", "answer", "served_model"]


@dataclass(frozen=True)
class Asked:
    """One teacher as the registry and the recipe name it."""

    name: str
    model: str
    expected_models: tuple[str, ...]
    watermark: DeclaredWatermark | None = None
    reasoning: str = "unknown"
    """What the registry says of the reasoning that comes with its answers."""


def standing(root: DataRoot, dataset: str, screens: Screens) -> tuple[Firing, ...]:
    """What has fired by the present settings and is not acknowledged, whoever looked."""
    recorded = read_looks(root, dataset)
    known, acknowledged = known_looks(screens, recorded)
    return tuple(
        Firing(look_id(dataset, settings_id(screens, look.screen), look), look, look.screen in screens.pause)
        for key, looks in sorted(known.items())
        for number, look in sorted(looks.items())
        if look.verdict == "fired" and number not in acknowledged.get(key, ()) and getattr(screens, look.screen)
        if look.screen not in ("watermark", "identity")  # it is as declared; and identity is looked at anew each time
    )


@task(name="screen-teachers", task_run_name="screen {dataset}", cache_policy=NO_CACHE)
def screen_teachers(
    root: DataRoot,
    run_id: str,
    dataset: str,
    screens: Screens,
    teachers: Sequence[Asked],
    student: str | None,
    samples_per_prompt: int,
    now: datetime,
) -> tuple[Firing, ...]:
    """Look at every window of a dataset's answers that was not looked at yet; returns what stands against a
    teacher."""
    with closing(connect(root)) as connection:
        watch = _watch(connection, root, dataset, screens, samples_per_prompt)
    with closing(connect(root)) as connection:
        looks = watch.add(read_answers(connection, dataset))
    looks += watch.end()
    if screens.family is not None:
        looks += [match_student(each.name, each.model, student) for each in teachers if each.name in watch.served]
    if screens.family is not None and screens.identity is None:  # identity says it of each model by itself
        served = ((each, watch.served.get(each.name)) for each in teachers)
        looks += [match_served(each.name, each.expected_models, counts) for each, counts in served if counts]
    if screens.watermark is not None:
        looks += [_watermark(root, dataset, screens.watermark, each) for each in teachers if each.name in watch.served]
    identified, deviations = _identified(
        root, dataset, screens, [each for each in teachers if each.name in watch.served]
    )
    looks += identified
    triggers = _triggers(root, dataset, screens)
    looks += [each.look for each in triggers]
    write_looks(root, dataset, run_id, screens, looks, now)
    for look in looks:
        logger.info("%s", look.line)
    holds = {each.look.teacher: each.holds for each in triggers}
    fired = tuple(
        replace(firing, holds=holds.get(firing.look.teacher, {})) if firing.look.screen == "trigger" else firing
        for firing in standing(root, dataset, screens)
    )
    return fired + deviations


def _identified(
    root: DataRoot, dataset: str, screens: Screens, teachers: Sequence[Asked]
) -> tuple[list[Look], tuple[Firing, ...]]:
    """What each teacher's answers say of their origin: the looks, and those that fired and nobody has acknowledged."""
    if screens.identity is None:
        return [], ()
    looks, firings = list[Look](), list[Firing]()
    settings = settings_id(screens, "identity")
    for each in teachers:
        with closing(connect(root)) as connection:
            arrived = read_arrived(connection, dataset, each.name, each.reasoning == "raw")
            as_expected, deviations = identify(each.name, each.expected_models, each.reasoning, arrived)
        looks += [as_expected] if as_expected else []
        looks += [deviation.look for deviation in deviations]
        for deviation in deviations:
            id, what = look_id(dataset, settings, deviation.look), deviation.look.statistic
            if not is_acknowledged(screens, id):
                firings.append(Firing(id, deviation.look, False, dict.fromkeys(deviation.traces, what)))
    return looks, tuple(firings)


def _watermark(root: DataRoot, dataset: str, settings: WatermarkScreen, teacher: Asked) -> Look:
    """Whether the declared watermark is there; unknown where none is declared, or its tokenizer is not here."""
    if teacher.watermark is None:
        return watermark.unknown(teacher.name, "the registry's entry declares no watermark with its key")
    from tasks.judge.screens.green_tokens import GreenTokens

    try:
        marks = GreenTokens(teacher.watermark)
    except BadInput as error:
        return watermark.unknown(teacher.name, str(error))
    with closing(connect(root)) as connection:
        texts = (whole_text(*row) for row in read_long_texts(connection, dataset, teacher.name, settings.tokens))
        rows, pooled = marks.score(texts, settings.tokens, settings.rows)
    return watermark.status(teacher.name, settings, teacher.watermark.gamma, rows, pooled)


def _triggers(root: DataRoot, dataset: str, screens: Screens) -> list[Found]:
    """What stands in the answers of each teacher alone; a look that says what the last one said keeps its number."""
    if screens.trigger is None:
        return []
    before = _trigger_looks(root, dataset, screens)
    read = {
        teacher: {text for each in looks if is_acknowledged(screens, each.look_id) for text in each.look.counts}
        for teacher, looks in before.items()
    }
    with closing(connect(root)) as connection:
        corpus = Corpus(
            read_answered(connection, dataset),
            lambda: (_rows(batch) for batch in read_texts(connection, dataset)),
            lambda: (batch.column("question") for batch in read_questions(connection, dataset)),
        )
        found = list(look_for_triggers(corpus, screens.trigger, read))
    return [replace(each, look=_numbered(each.look, before.get(each.look.teacher, ()))) for each in found]


def _trigger_looks(root: DataRoot, dataset: str, screens: Screens) -> dict[str, list[Recorded]]:
    """Earlier looks for triggers by the present settings, by teacher, in their order."""
    settings, found = settings_id(screens, "trigger"), dict[str, list[Recorded]]()
    for each in read_looks(root, dataset):
        if each.look.screen == "trigger" and each.settings == settings:
            found.setdefault(each.look.teacher, []).append(each)
    return found


def _numbered(look: Look, before: Sequence[Recorded]) -> Look:
    last = before[-1].look if before else None
    if last is None:
        return look
    is_same = (last.verdict, last.statistic) == (look.verdict, look.statistic)
    return replace(look, window=last.window if is_same else last.window + 1)


def _rows(batch: pa.RecordBatch) -> Rows:
    teachers, traces, prompts = (
        [str(value) for value in batch.column(name).to_pylist()] for name in ("teacher", "trace_id", "prompt_id")
    )
    return Rows(teachers, traces, prompts, whole_texts(batch.column("reasoning"), batch.column("answer")))


def _watch(connection: Any, root: DataRoot, dataset: str, screens: Screens, samples_per_prompt: int) -> Watch:
    families = screens.accuracy.families if screens.accuracy else ()
    planned = read_planned(connection, dataset, families, samples_per_prompt)
    return Watch(screens, planned, read_looks(root, dataset), read_earlier(connection, dataset, list(planned)))


class Watching:
    """The screens of a run while it asks: one look at a time, on the answers of each batch as it is committed."""

    def __init__(self, root: DataRoot, run_id: str, dataset: str, screens: Screens, samples_per_prompt: int) -> None:
        """Goes through the answers that the dataset has already; the plan must be published."""
        self._root, self._run_id, self._dataset, self._screens = root, run_id, dataset, screens
        self._turn = asyncio.Lock()
        with closing(connect(root)) as connection:
            self._courses = _watch(connection, root, dataset, screens, samples_per_prompt)
            self._courses.add(read_answers(connection, dataset))

    @property
    def paused(self) -> frozenset[str]:
        """Teachers that are to be asked nothing more."""
        return self._courses.paused

    async def look(self, files: Sequence[DataFile], now: datetime) -> frozenset[str]:
        """Look at a batch's answers, in its files of traces; returns the teachers that are paused now."""
        async with self._turn:  # batches of several teachers end at any time
            return await asyncio.to_thread(self._look, files, now)

    def _look(self, files: Sequence[DataFile], now: datetime) -> frozenset[str]:
        paths = [self._root.path / file.path for file in files if file.kind == "traces"]
        looks = [look for path in paths for look in self._courses.add(self._rows(pq.read_table(path)))]
        write_looks(self._root, self._dataset, self._run_id, self._screens, looks, now)
        return self.paused

    def _rows(self, table: pa.Table) -> list[Mapping[str, Any]]:
        table = table.select(_TRACE_COLUMNS).sort_by("received_at")
        with closing(connect(self._root)) as connection:
            prompts = read_prompts(connection, [str(id) for id in pc.unique(table["prompt_id"]).to_pylist()])
        return [row | prompts[row["prompt_id"]] for row in table.to_pylist() if row["prompt_id"] in prompts]
