"""Each station's call, with the arguments that come from the line: what `flows/distill.py` would otherwise repeat."""

from collections.abc import Sequence

from flows.line import Line
from tasks.ask.plan import AskPlan, plan_asking
from tasks.judge.judge import Judged, is_judged, judge_traces
from tasks.publish.publication import Published
from tasks.publish.publish import publish_version
from tasks.publish.template import choose_form
from tasks.right.gate import Admission, admit_teachers
from tasks.right.terms import Purpose
from tasks.train.student import chat_template, student_facts


def admit(line: Line, purpose: Purpose) -> tuple[Admission, ...]:
    """The gate's answer for every teacher of the recipe; raises Denied with the term and the remedy."""
    recipe = line.recipe
    facts = student_facts(recipe.student) if recipe.student else None
    return admit_teachers(line.root, line.teachers, recipe.prompts.license, purpose, facts, line.run_id, line.now())


def plan(line: Line, admissions: Sequence[Admission], record: bool = True) -> AskPlan:
    """What is wanted, what is there, and the batches for the rest."""
    recipe = line.recipe
    line.progress.say(stage="planning", note="reading prompts")
    return plan_asking(
        root=line.root,
        run_id=line.run_id,
        dataset=recipe.dataset,
        recipe_sha256=recipe.sha256,
        source=recipe.prompts,
        folder=line.folder,
        ask=recipe.ask,
        sampling=recipe.sampling,
        samples_per_prompt=recipe.samples_per_prompt,
        shares=recipe.shares,
        admissions=admissions,
        batch_rows=recipe.batch_rows,
        now=line.now(),
        record=record,
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
    recipe = line.recipe
    line.progress.say(stage="publishing")
    template = chat_template(recipe.student) if recipe.student else None
    return publish_version(
        root=line.root,
        run_id=line.run_id,
        dataset=recipe.dataset,
        plan_id=plan.plan_id,
        judge_run=judged.judge_run,
        publish=recipe.publish,
        recipe=recipe.model_dump_json(),
        recipe_sha256=recipe.sha256,
        form=choose_form(recipe.publish.reasoning, template),
        admissions=admit(line, "publish"),
        now=line.now(),
    )
