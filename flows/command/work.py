"""Verbs that run the line, or a part of it: demo, plan, run, judge, reparse, publish, train."""

import asyncio
import json
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import typer
from rich.live import Live

from flows.command import shown
from flows.command.options import Data, Json, RecipeFile, Teachers
from flows.command.view import LiveView
from flows.settings import Settings, choose
from warehouse.status import read_status

Result = TypeVar("Result")
INTERRUPTED = 130
"""The shell's exit code for a command that Ctrl-C ended."""


def _watched(here: Settings, dataset: str, work: Coroutine[Any, Any, Result]) -> Result:
    """Run one flow in this process, drawing its progress; what Prefect and Ray print is in the log."""
    view = LiveView(lambda: read_status(here.root, dataset), dataset, datetime.now(UTC))
    try:
        with Live(view, console=shown.out(), refresh_per_second=4, transient=True):
            return asyncio.run(work)
    except KeyboardInterrupt:
        shown.say("stopped: everything received is kept; the same command goes on where this one stopped")
        _say_what_is_out(here)
        raise typer.Exit(INTERRUPTED) from None


def _say_what_is_out(here: Settings) -> None:
    from tasks.ask.submissions import what_is_out

    if out := what_is_out(here.root):
        shown.say(out)


def _quiet(here: Settings) -> None:
    shown.redirect_to(here.root.logs / "still.log")


def demo(
    data: Data = None,
) -> None:
    """The whole line on the simulated teacher, with training: no key, no network."""
    here = choose(data, None)
    _quiet(here)
    from flows.command.summary import (
        print_demo,  # these import Prefect, which must find the log already in place
    )
    from flows.demo import demo_recipe, requests_seen, simulated_teacher
    from flows.distill import distill

    began = datetime.now(UTC)
    with simulated_teacher("--preset", "demo") as base_url:
        recipe = demo_recipe(here.root, base_url)
        choose(None, here.root.path / "demo" / "teachers")
        summary = _watched(here, recipe.dataset, distill(recipe, train_student=True))
        requests = requests_seen(base_url)
    print_demo(here, summary, requests, (datetime.now(UTC) - began).total_seconds())


def plan(recipe: RecipeFile, data: Data = None, own: Teachers = None, as_json: Json = False) -> None:
    """Preflight: rows to ask, tokens, dollars, time, terms; asks one probe per teacher."""
    here = choose(data, own)
    from flows.recipe import load_recipe

    wanted = load_recipe(recipe)
    _quiet(here)
    from flows.command.summary import print_forecast
    from flows.forecast import forecast

    outlook = asyncio.run(forecast(here, wanted))
    print_forecast(outlook, as_json)


def run(
    recipe: RecipeFile,
    data: Data = None,
    own: Teachers = None,
    train_student: Annotated[bool, typer.Option("--train", help="Train the recipe's student on the version.")] = False,
    as_json: Json = False,
) -> None:
    """Ask, judge, publish (and train). The same command again goes on where it stopped, or finds nothing to do."""
    here = choose(data, own)
    from flows.recipe import load_recipe

    wanted = load_recipe(recipe)
    _quiet(here)
    from flows.early import refuse_early

    refuse_early(here, wanted, f"refused-{uuid4().hex}", datetime.now(UTC))
    from flows.command.summary import print_run
    from flows.distill import distill

    summary = _watched(here, wanted.dataset, distill(wanted, train_student=train_student))
    if as_json:
        shown.out().print_json(json.dumps(summary.as_dict(), default=str))
    else:
        print_run(here, summary)
    _say_what_is_out(here)


def judge(recipe: RecipeFile, data: Data = None, own: Teachers = None) -> None:
    """Judge again from the ledger, with the recipe's rules; asks nobody."""
    here = choose(data, own)
    from flows.recipe import load_recipe

    wanted = load_recipe(recipe)
    _quiet(here)
    from flows.again import judge_again
    from flows.command.summary import print_judged

    print_judged(_watched(here, wanted.dataset, judge_again(wanted)))


def reparse(
    dataset: Annotated[str, typer.Argument(metavar="DATASET")],
    data: Data = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Read stored responses again with the present parser; asks nobody, and changes no bill."""
    here = choose(data, None)
    from flows.command.reparse_view import print_reparsed
    from tasks.ask.reparse import reparse as read_again

    print_reparsed(read_again(here.root, dataset, datetime.now(UTC), dry_run), dry_run, as_json)


def publish(
    dataset: Annotated[str, typer.Argument(metavar="DATASET")], data: Data = None, own: Teachers = None
) -> None:
    """A new version from what is kept, if that is new."""
    here = choose(data, own)
    _quiet(here)
    from flows.again import publish_again
    from flows.command.summary import print_published

    print_published(_watched(here, dataset, publish_again(dataset)))


def train(
    version: Annotated[str, typer.Argument(metavar="DATASET[@VERSION]", help="A version; the newest without @.")],
    data: Data = None,
    own: Teachers = None,
    as_json: Json = False,
) -> None:
    """Fine-tune the recipe's student on a version; prints the student run."""
    here = choose(data, own)
    _quiet(here)
    from flows.command.summary import print_student
    from flows.train import train as train_flow

    student = _watched(here, version.partition("@")[0], train_flow(version))
    print_student(student, as_json)
