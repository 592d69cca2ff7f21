"""The rounds of asking: one; or, with a target of kept rows, as many as that takes.

What a round came to is read back from the warehouse, so a run that was killed between two rounds goes on with the
next one as if nothing had been, and arrives at the same rows.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from flows.line import Line
from flows.recipe import parse_recipe
from flows.stations import count_towards_target
from flows.summary import read_funnel
from tasks.ask.target import Target, first_candidates, next_candidates
from warehouse.catalog import connect
from warehouse.errors import BadInput


@dataclass(frozen=True)
class Found:
    """What the warehouse holds of a plan."""

    wanted: int
    answers: int
    open: int
    """Not asked yet, or interrupted in flight."""
    unjudged: int
    publishable: int
    """Kept, and nothing but a target keeps them out of a version."""


def rounds(line: Line) -> Iterator[int | None]:
    """How many candidates each round plans; None, once, without a target: every sample of every prompt.

    A round is asked and judged by whoever takes it. The last one is that which reaches the target, or after which
    nothing more can be asked: a budget or the cap on candidates is reached, the source has no more, or a whole round
    brought no answer.
    """
    target = line.recipe.target
    if target is None:
        yield None
        return
    candidates, answers = candidates_so_far(line) or first_candidates(target), -1
    while True:
        yield candidates
        found = look(line)
        if why_no_further(target, candidates, found) or found.answers <= answers:
            return
        answers, candidates = found.answers, next_candidates(target, candidates, found.publishable)


def why_no_further(target: Target, candidates: int, found: Found) -> str | None:
    """Why a round is the last one; None if there may be another."""
    if found.publishable >= target.kept:
        return "the target is reached"
    if found.open:
        return f"{found.open:,} of {found.wanted:,} candidates could not be asked: raise the budget, or run again"
    if found.wanted < candidates:
        return "the source has no more candidates: add prompts, or raise target.max_samples_per_prompt"
    if next_candidates(target, candidates, found.publishable) <= candidates:
        return f"all {candidates:,} candidates were asked: raise target.max_candidates"
    return None


def is_reached(line: Line) -> bool:
    """Whether the target is reached by a plan that was asked to its end: then failed samples are left alone.

    As long as a sample of the round is open, it is asked, so that whatever interrupts a run, the same rows are the
    first ones.
    """
    target = line.recipe.target
    if target is None:
        return False
    found = look(line)
    return not found.open and not found.unjudged and found.publishable >= target.kept


def shortfall(line: Line, rows: int) -> str | None:
    """One line on a version that holds fewer rows than the target; None if it holds them all."""
    target = line.recipe.target
    if target is None or rows >= target.kept:
        return None
    found = look(line)
    why = why_no_further(target, found.wanted, found) or "the last round brought no answer"
    return f"{rows:,} of {target.kept:,} rows: {why}"


def candidates_so_far(line: Line) -> int | None:
    """How many candidates the current plan has, if it is of a target and a recipe that asks alike."""
    if line.recipe.target is None or not line.root.warehouse.exists():
        return None
    sql = """
        select plan.wanted, run.recipe from store.plan as plan join store.run as run using (run_id)
        where plan.dataset = ? and plan.is_current
    """
    with connect(line.root) as warehouse:
        planned = warehouse.execute(sql, [line.recipe.dataset]).fetchone()
    if planned is None:
        return None
    with suppress(BadInput):  # a recipe of an older version that is none today is not alike
        earlier = parse_recipe(json.loads(planned[1]), "the recipe of the current plan")
        if earlier.target is not None and earlier.asks_alike(line.recipe):
            return int(planned[0])
    return None


def look(line: Line) -> Found:
    """Read what the current plan has come to."""
    funnel, _ = read_funnel(line.root, line.recipe.dataset)
    return Found(
        wanted=funnel["wanted"],
        answers=funnel["reused"] + funnel["answered"],
        open=funnel["not_asked"] + funnel["maybe_paid"],
        unjudged=funnel["unjudged"],
        publishable=count_towards_target(line) if funnel["kept"] else 0,
    )
