"""What the rules left open, an LLM judge is asked about: one more teacher, with terms and a budget of its own."""

from dataclasses import replace

from flows.asking import ask_all_batches
from flows.line import Line
from flows.progress import Progress
from flows.recipe import Recipe
from flows.stations import admit, judge, plan
from tasks.ask.plan import AskPlan
from tasks.ask.prompts import PromptSource
from tasks.judge.judge import Judged
from tasks.judge.opinion import LlmJudge, dataset_of
from tasks.judge.questions_to_judge import write_questions


async def ask_llm_judge(line: Line, wanted: AskPlan, judged: Judged) -> Judged:
    """Ask the recipe's LLM judge, if it has one, about what a judging left open, and judge again with its replies.

    Replies are in the ledger like any other: the same question is never paid for twice.

    Raises:
        Denied: the judge's terms do not allow it.
        RunFailed: the judge cannot go on; everything received is kept, and the next run goes on.
    """
    if line.recipe.judge.llm is None:
        return judged
    path, count = write_questions(line.root, line.recipe.dataset, judged.judge_run, line.recipe.judge.llm)
    if not count:
        return judged
    asking = _asking(line, line.recipe.judge.llm, str(path))
    line.progress.say(stage="judging", note=f"asking {line.recipe.judge.llm.teacher} about {count:,} answers")
    with asking.sole_asker():
        admissions = admit(asking, "ask")
        await ask_all_batches(asking, plan(asking, admissions), admissions)
    asking.progress.say(stage="done", state="completed")
    return judge(line, wanted)


def _asking(line: Line, llm: LlmJudge, source: str) -> Line:
    """The line that asks the judge: other prompts, another teacher, another budget."""
    dataset = dataset_of(line.recipe.dataset)
    prompts = PromptSource(
        source=source, columns={"prompt": "prompt", "metadata": "metadata"}, license=line.recipe.prompts.license
    )
    recipe = Recipe(
        dataset=line.recipe.dataset,
        prompts=prompts,
        teachers=(llm.teacher,),
        sampling=llm.sampling,
        budget=llm.budget,
        batch_rows=line.recipe.batch_rows,
    ).model_copy(update={"dataset": dataset})
    return replace(
        line, recipe=recipe, teachers=line.judges, progress=Progress(line.root, dataset, line.run_id), judges=()
    )
