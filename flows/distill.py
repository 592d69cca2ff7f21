"""The whole line in one flow: prompts in, a published version (and a trained student) out. Read this file first.

Every call takes and returns references (ids, paths, versions), never rows. Whatever stops it, the same call goes on.
"""

from prefect import flow

from flows.announce import announce
from flows.asking import ask_all_batches, take_up
from flows.line import open_line
from flows.opinions import ask_llm_judge
from flows.recipe import Recipe
from flows.rounds import rounds, shortfall
from flows.stations import admit_to_ask, judge, plan, publish
from flows.summary import Summary, summarise
from flows.train import train
from tasks.ask.adopt import adopt_journals


@flow(name="distill", flow_run_name="{recipe.dataset}", persist_result=False)
async def distill(recipe: Recipe, train_student: bool = False) -> Summary:
    """Ask teachers for reasoning traces, judge them, publish the good ones, and train a student on the version.

    Args:
        recipe: what is wanted.
        train_student: train the recipe's student at the end of this run; without it, the published version's event
            may start the `train` deployment.
    """
    async with open_line(recipe, "distill") as line:
        for candidates in rounds(line):  # one round; with a target, further ones until enough is kept
            # Ask: only teachers whose terms allow it, every sample once; what a dead run received is taken up first.
            with line.sole_asker():
                admissions = admit_to_ask(line)
                adopt_journals(line.root, line.now())
                await take_up(line, admissions)
                wanted = plan(line, admissions, candidates)
                await ask_all_batches(line, wanted, admissions)

            # Judge: every answer gets a verdict, every rejection its reason; what no rule decides, an LLM judge may.
            judged = judge(line, wanted)
            judged = await ask_llm_judge(line, wanted, judged)

        # Publish: what is kept becomes immutable shards, the manifest last; nothing new, no new version.
        published = publish(line, wanted, judged)
        await announce(line, published, trained_here=train_student)

        # Train: a version is handed over, never rows.
        student = await train(published.version, recipe.student) if train_student and recipe.student else None
        return summarise(line.root, recipe.dataset, line.run_id, published, student, shortfall(line, published.rows))
