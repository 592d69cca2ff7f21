"""Parts of the line on their own: judge again from the ledger, publish again from what is kept. Nobody is asked."""

import json

from prefect import flow

from flows.announce import announce, leave_funnel
from flows.line import open_line
from flows.recipe import Recipe, parse_recipe
from flows.rounds import rounds
from flows.screening import screen
from flows.settings import Settings
from flows.stations import admit, judge, plan, publish
from tasks.judge.judge import Judged
from tasks.publish.publication import Published
from warehouse.catalog import connect
from warehouse.errors import BadInput


@flow(name="judge", flow_run_name="{recipe.dataset}", persist_result=False)
async def judge_again(recipe: Recipe) -> Judged:
    """Judge what the ledger holds for a recipe, by the recipe's rules."""
    async with open_line(recipe, "judge") as line:
        wanted = plan(line, admit(line, "ask"), next(rounds(line)))
        judged = judge(line, wanted, await screen(line))
        await leave_funnel(line, version=None)
        return judged


@flow(name="publish", flow_run_name="{dataset}", persist_result=False)
async def publish_again(dataset: str) -> Published:
    """Publish what is kept of a dataset, by the recipe of its last run, if that is new."""
    recipe = last_recipe(Settings.from_environment(), dataset)
    async with open_line(recipe, "publish") as line:
        wanted = plan(line, admit(line, "ask"), next(rounds(line)))
        published = publish(line, wanted, judge(line, wanted, await screen(line)))
        await announce(line, published, trained_here=False)
        return published


def last_recipe(here: Settings, dataset: str) -> Recipe:
    """The recipe of a dataset's newest run.

    Raises:
        BadInput: the dataset has never been run in this data root.
    """
    with connect(here.root) as warehouse:
        sql = "select recipe from runs where dataset = ? and flow <> 'train' order by started_at desc limit 1"
        found = warehouse.execute(sql, [dataset]).fetchall()
        known = [name for (name,) in warehouse.execute("select distinct dataset from runs order by 1").fetchall()]
    if not found:
        raise BadInput(
            f"no run of dataset '{dataset}': known are {', '.join(known) or 'none'}; `still run RECIPE` makes one"
        )
    return parse_recipe(json.loads(found[0][0]), f"the last recipe of {dataset}")
