"""Each station's call, with the arguments that come from the line: what `flows/distill.py` would otherwise repeat."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from flows.line import Line
from flows.recipe import Recipe
from tasks.ask.plan import AskPlan, plan_asking
from tasks.judge.judge import Judged, is_judged, judge_traces
from tasks.publish.order import Order
from tasks.publish.publication import Published
from tasks.publish.publish import count_publishable, publish_version
from tasks.publish.template import choose_form
from tasks.right.gate import Admission, admit_teachers
from tasks.right.terms import Purpose, Teacher
from tasks.train.student import chat_template, student_facts
from warehouse.catalog import connect
from warehouse.layout import DataRoot


def admit(line: Line, purpose: Purpose) -> tuple[Admission, ...]:
    """The gate's answer for every teacher of the recipe; raises Denied with the term and the remedy."""
    return _admit(line, line.teachers, purpose)


def admit_to_ask(line: Line) -> tuple[Admission, ...]:
    """`admit` before the first call; the recipe's LLM judge must pass as well, for what is kept is kept on its word."""
    if line.judges:
        _admit(line, line.judges, "ask")
    return _admit(line, line.teachers, "ask")


def _admit(line: Line, teachers: Sequence[Teacher], purpose: Purpose) -> tuple[Admission, ...]:
    recipe = line.recipe
    facts = student_facts(recipe.student) if recipe.student else None
    return admit_teachers(line.root, teachers, recipe.prompts.license, purpose, facts, line.run_id, line.now())


def plan(line: Line, admissions: Sequence[Admission], candidates: int | None = None) -> AskPlan:
    """What is wanted, what is there, and the batches for the rest."""
    line.progress.say(stage="planning", note="reading prompts")
    return plan_recipe(
        plan_asking, line.root, line.run_id, line.recipe, line.folder, admissions, line.now(), candidates=candidates
    )


def plan_recipe(
    planning: Callable[..., AskPlan],
    root: DataRoot,
    run_id: str,
    recipe: Recipe,
    folder: Path,
    admissions: Sequence[Admission],
    now: datetime,
    *,
    record: bool = True,
    candidates: int | None = None,
) -> AskPlan:
    """Plan a recipe; `planning` is `plan_asking`, or its plain function outside a flow."""
    return planning(
        root=root,
        run_id=run_id,
        dataset=recipe.dataset,
        recipe_sha256=recipe.sha256,
        source=recipe.prompts,
        folder=folder,
        ask=recipe.ask,
        sampling=recipe.sampling,
        samples_per_prompt=recipe.samples_per_prompt,
        shares=recipe.shares,
        admissions=admissions,
        batch_rows=recipe.batch_rows,
        now=now,
        record=record,
        candidates=candidates,
        most_samples=recipe.most_samples,
        by_batch=recipe.ask_by == "batch",
    )


def judge(line: Line, plan: AskPlan) -> Judged:
    """A verdict for every answer; Ray is started only if there is something that was not judged by these rules."""
    recipe = line.recipe
    line.progress.say(stage="judging", note=None, eta_s=None)
    if not is_judged(line.root, recipe.dataset, recipe.judge):
        line.start_ray()
    judged = judge_traces(line.root, line.run_id, recipe.dataset, plan.plan_id, recipe.judge, line.now())
    line.progress.say(kept=judged.kept, rejected=judged.rejected)
    return judged


def publish(line: Line, plan: AskPlan, judged: Judged) -> Published:
    """A version of what is kept, in the form of reasoning that the student's template keeps."""
    line.progress.say(stage="publishing")
    published: Published = publish_version(line.root, **vars(_order(line, plan.plan_id, judged.judge_run)))
    return published


def count_towards_target(line: Line) -> int:
    """How many rows of the current plan a version could hold if there were no target."""
    with connect(line.root) as warehouse:
        sql = "select plan_id, judge_run from funnel where dataset = ?"
        plan_id, judge_run = warehouse.execute(sql, [line.recipe.dataset]).fetchall()[0]
    return count_publishable(line.root, _order(line, plan_id, judge_run))


def _order(line: Line, plan_id: str, judge_run: str) -> Order:
    recipe = line.recipe
    template = chat_template(recipe.student) if recipe.student else None
    return Order(
        run_id=line.run_id,
        dataset=recipe.dataset,
        plan_id=plan_id,
        judge_run=judge_run,
        publish=recipe.publish,
        recipe=recipe.model_dump_json(),
        recipe_sha256=recipe.sha256,
        form=choose_form(recipe.publish.reasoning, template),
        admissions=admit(line, "publish"),
        now=line.now(),
    )
