"""`still plan`: what a run would ask, spend and wait for; one probe per teacher, which is all that is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from flows.asking import teacher_calls
from flows.recipe import Recipe
from flows.settings import Settings
from flows.stations import plan_recipe
from tasks.ask.billed import count_billed
from tasks.ask.book import Book
from tasks.ask.call import TeacherCall, check_calls, run_budget
from tasks.ask.outlook import samples_that_fit
from tasks.ask.plan import AskPlan, TeacherPlan, plan_asking
from tasks.ask.preflight import Preflight, preflight
from tasks.ask.spend import Ceiling, RunBudget, Standing
from tasks.ask.target import first_candidates
from tasks.right.gate import admit
from tasks.right.registry import find_teacher, load_teachers
from tasks.train.student import student_facts
from warehouse.layout import DataRoot


@dataclass(frozen=True)
class Fit:
    """Whether one budget suffices."""

    name: str
    room: Ceiling
    """What is left of it now."""
    samples: int
    """That would be asked under it."""
    about: int
    """Of them, how many fit by the estimate."""
    surely: int
    """How many fit if each costs its worst."""


@dataclass(frozen=True)
class Forecast:
    """One recipe's outlook."""

    dataset: str
    plan: AskPlan
    """Of the first round, if the recipe has a target."""
    seconds: float | None
    """At the quotas, the slowest pool; None where no quota is stated."""
    fits: tuple[Fit, ...]
    """One for each ceiling that is set."""
    probes: tuple[Preflight, ...]
    target: int | None = None


async def forecast(here: Settings, recipe: Recipe) -> Forecast:
    """Plan a recipe without recording it, and probe the teachers that it would ask.

    Raises:
        BadInput: whatever would stop the run before its first request.
    """
    now, root, run_id = datetime.now(UTC), here.root.create(), f"plan-{uuid4().hex}"
    known = load_teachers(here.teacher_folders)
    teachers = tuple(find_teacher(known, name) for name in recipe.shares)
    facts = student_facts(recipe.student) if recipe.student else None
    admissions = admit(root, teachers, recipe.prompts.license, "ask", facts, run_id, now)
    candidates = first_candidates(recipe.target) if recipe.target else None
    plan = plan_recipe(
        plan_asking.fn, root, run_id, recipe, Path.cwd(), admissions, now, record=False, candidates=candidates
    )
    calls = teacher_calls(recipe, root, run_id, admissions, recipe.shares)
    check_calls(recipe.budget.ceiling, calls.values())
    budget = run_budget(run_id, recipe.dataset, recipe.budget.ceiling, calls.values())
    longest = {teacher.teacher: teacher.longest_prompt for teacher in plan.teachers}
    probes = [
        await preflight.fn(call, recipe.sampling, budget, now, name in longest, longest.get(name, 0), wait_s=0.0)
        for name, call in calls.items()
    ]
    return Forecast(
        dataset=recipe.dataset,
        plan=plan,
        seconds=_seconds(plan.teachers, calls),
        fits=_fits(root, budget, plan.teachers, calls, now),
        probes=tuple(probes),
        target=recipe.target.kept if recipe.target else None,
    )


def _seconds(teachers: Sequence[TeacherPlan], calls: Mapping[str, TeacherCall]) -> float | None:
    """The teachers of one pool wait for each other, the pools do not."""
    pools: dict[tuple[str, str], list[float | None]] = {}
    for teacher in teachers:
        pools.setdefault(calls[teacher.teacher].account, []).append(teacher.estimated_s)
    if any(seconds is None for pool in pools.values() for seconds in pool):
        return None
    return max((sum(seconds or 0.0 for seconds in pool) for pool in pools.values()), default=0.0)


def _fits(
    root: DataRoot,
    budget: RunBudget,
    teachers: Sequence[TeacherPlan],
    calls: Mapping[str, TeacherCall],
    now: datetime,
) -> tuple[Fit, ...]:
    book = Book()
    book.rebase(count_billed(root, budget.rates).billed, (), now.date())
    book.open_run(budget)
    return tuple(
        _fit(standing, [each for each in teachers if standing.account in (None, calls[each.teacher].teacher.account)])
        for standing in book.standings(budget.run_id, now.date())
        if standing.ceiling.is_set
    )


def _fit(standing: Standing, teachers: Sequence[TeacherPlan]) -> Fit:
    samples = sum(teacher.requests for teacher in teachers)
    estimated = sum(teacher.estimated_tokens for teacher in teachers), _usd([one.estimated_usd for one in teachers])
    worst = sum(teacher.worst_tokens for teacher in teachers), _usd([one.worst_usd for one in teachers])
    about, surely = (samples_that_fit(standing.room, samples, *cost) for cost in (estimated, worst))
    return Fit(
        name=standing.name,
        room=standing.room,
        samples=samples,
        about=samples if about is None else about,
        surely=samples if surely is None else surely,
    )


def _usd(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
