"""`still plan`: what a run would ask, spend and wait for; one probe per teacher, and nothing is written."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from flows.recipe import Recipe
from flows.settings import Settings, secret
from tasks.ask.plan import AskPlan, plan_asking
from tasks.ask.preflight import Preflight, preflight
from tasks.right.gate import admit
from tasks.right.registry import find_teacher, load_teachers
from tasks.train.student import student_facts


@dataclass(frozen=True)
class Forecast:
    """One recipe's outlook."""

    dataset: str
    plan: AskPlan
    probes: tuple[Preflight, ...]

    def lines(self) -> list[tuple[str, str]]:
        """Name and value, as they are printed."""
        plan = self.plan
        found = [
            (
                "prompts",
                f"{plan.prompts:,}" + (f" ({plan.repeated:,} repeated rows left out)" if plan.repeated else ""),
            ),
            ("wanted", f"{plan.wanted:,} samples"),
            (
                "answered",
                f"{plan.answered + plan.reused:,}" + (f" ({plan.reused:,} of them reused)" if plan.reused else ""),
            ),
            (
                "to ask",
                f"{plan.to_ask:,}" + (f" ({plan.maybe_paid:,} may have been paid before)" if plan.maybe_paid else ""),
            ),
            (
                "tokens",
                f"about {plan.estimated_tokens:,}, at most {plan.worst_tokens:,} (estimates by tiktoken's cl100k_base)",
            ),
            ("dollars", _dollars(plan.estimated_usd, plan.worst_usd)),
        ]
        for teacher in plan.teachers:
            time = (
                "unknown: no quota is stated"
                if teacher.estimated_s is None
                else f"about {teacher.estimated_s / 60:,.0f} min"
            )
            found.append((teacher.teacher, f"{teacher.requests:,} requests; time at its quota {time}"))
        return found + [(f"{probe.teacher} probe", _probe(probe)) for probe in self.probes]


def _dollars(estimated: float | None, worst: float | None) -> str:
    if estimated is None or worst is None:
        return "unknown: a teacher has no price"
    return f"about ${estimated:,.2f}, at most ${worst:,.2f}"


def _probe(probe: Preflight) -> str:
    if not probe.asked:
        return "not asked: nothing is wanted of it"
    facts = {
        name: value for name, value in vars(probe).items() if name not in ("teacher", "asked") and value is not None
    }
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())


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
    plan = plan_asking.fn(
        root=root, run_id=run_id, dataset=recipe.dataset, recipe_sha256=recipe.sha256, source=recipe.prompts,
        folder=Path.cwd(), ask=recipe.ask, sampling=recipe.sampling, samples_per_prompt=recipe.samples_per_prompt,
        shares=recipe.shares, admissions=admissions, batch_rows=recipe.batch_rows, now=now, record=False,
    )  # fmt: skip
    longest = {teacher.teacher: teacher.longest_prompt for teacher in plan.teachers}
    probes = [
        await preflight.fn(each.teacher, secret(each.teacher.api_key_env, each.teacher.name), recipe.sampling,
                           each.teacher.name in longest, longest.get(each.teacher.name, 0))
        for each in admissions
    ]  # fmt: skip
    return Forecast(recipe.dataset, plan, tuple(probes))
