"""The whole line in one flow: prompts in, a published version (and a trained student) out. Read this file first.

Every call takes and returns references (ids, paths, versions), never rows. Whatever stops it, the same call goes on.
"""

from prefect import flow

from flows.asking import ask_all_batches
from flows.line import Line, Summary, open_line
from flows.recipe import Recipe
from flows.train import train
from tasks.ask.adopt import adopt_journals
from tasks.ask.plan import plan_asking
from tasks.judge.judge import judge_traces
from tasks.publish.publish import publish_version
from tasks.right.gate import admit_teachers


@flow(name="distill", flow_run_name="{recipe.dataset}", persist_result=False)
async def distill(recipe: Recipe, train_student: bool = False) -> Summary:
    """Ask teachers for reasoning traces, judge them, publish the good ones, and train a student on the version.

    Args:
        recipe: what is wanted.
        train_student: train the recipe's student at the end; without it, the `train` deployment may be triggered by
            the event of the published version.
    """
    async with open_line(recipe) as line:
        # Ask: only teachers whose terms allow it, every sample once; what a dead run received is taken up first.
        admissions = admit_teachers(**line.gate("ask"))
        adopt_journals(line.root, line.now())
        plan = plan_asking(**line.wanted(admissions))
        await ask_all_batches(line, plan, admissions)

        # Judge: every answer gets a verdict, and every rejection its reason.
        judged = judge_traces(line.root, line.run_id, recipe.dataset, plan.plan_id, recipe.judge, line.now())

        # Publish: what is kept becomes immutable shards, the manifest last; nothing new, no new version.
        published = publish_version(**line.publication(plan, judged, admit_teachers(**line.gate("publish"))))
        await line.announce(published)

        # Train: a version is handed over, never rows.
        student = await train(published.version, recipe.student) if train_student and recipe.student else None
        return line.summary(plan, judged, published, student)
