"""The screens of one run: who is paused before anything is asked, who is while it is, and what is said of all at the
end."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from prefect.artifacts import acreate_markdown_artifact

from flows.line import Line
from tasks.ask.batch import OnBatch
from tasks.ask.call import BatchDone
from tasks.ask.plan import AskPlan
from tasks.judge.screens.latest import Screened, read_screened
from tasks.judge.screens.look import Firing
from tasks.judge.screens.screening import Asked, Watching, screen_teachers, standing
from warehouse.catalog import connect


async def screen(line: Line) -> tuple[Firing, ...]:
    """What stands against the recipe's teachers, by all the answers that there are; also as the run's artifact."""
    recipe = line.recipe
    line.progress.say(stage="judging", note="looking at the teachers", eta_s=None)
    asked = [
        Asked(teacher.name, teacher.model, teacher.expected_models, teacher.watermark, teacher.reasoning)
        for teacher in line.teachers
    ]
    student = recipe.student.model if recipe.student else None
    firings: tuple[Firing, ...] = screen_teachers(
        line.root,
        line.run_id,
        recipe.dataset,
        recipe.judge.screens,
        asked,
        student,
        recipe.samples_per_prompt,
        line.now(),
    )
    line.progress.say(screens=[firing.line for firing in firings])
    with connect(line.root) as warehouse:
        screened = read_screened(warehouse, recipe.dataset)
    await acreate_markdown_artifact(
        screens_markdown(recipe.dataset, firings, screened),
        key="screens",
        description="what the screens say of each teacher, and with which power",
    )
    return firings


def without_paused(line: Line, plan: AskPlan) -> AskPlan:
    """The plan less what a paused teacher would be asked; its samples stay planned, and are not asked."""
    firings = [each for each in standing(line.root, plan.dataset, line.recipe.judge.screens) if each.pauses]
    if not firings:
        return plan
    line.progress.say(screens=[firing.line for firing in firings])
    paused = {firing.look.teacher for firing in firings}
    teachers = tuple(each for each in plan.teachers if each.teacher not in paused)
    batches = tuple(each for each in plan.batches if each.teacher not in paused)
    return replace(plan, teachers=teachers, batches=batches, to_ask=sum(each.requests for each in teachers))


async def watch(line: Line) -> OnBatch:
    """What is to be called with each batch that has ended: it looks, and names the teachers that are paused."""
    dataset, screens, samples = line.recipe.dataset, line.recipe.judge.screens, line.recipe.samples_per_prompt
    watching = await asyncio.to_thread(Watching, line.root, line.run_id, dataset, screens, samples)

    async def look(done: BatchDone) -> frozenset[str]:
        before = watching.paused
        paused = await watching.look(done.files, line.now())
        if paused != before:
            line.progress.say(screens=[firing.line for firing in standing(line.root, dataset, screens)])
        return paused

    return look


def screens_markdown(dataset: str, firings: Iterable[Firing], screened: Iterable[Screened]) -> str:
    """What has fired, and each screen's latest look at each teacher."""
    lines = [f"### {dataset}", "", *(f"- **{firing.line}**" for firing in firings), ""]
    lines += [
        "| teacher | screen | window | verdict | statistic | p | fires at | power |",
        "|---|---|---:|---|---|---|---|---|",
    ]
    lines += [
        f"| {each.teacher} | {each.screen} | {each.window} | {each.verdict} | {each.statistic} | {_number(each.p)} "
        f"| {_number(each.threshold)} | {each.power} |"
        for each in screened
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
