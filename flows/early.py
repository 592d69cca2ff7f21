"""The gate before anything is started: a recipe that will be refused is refused at once, and that is recorded."""

from datetime import datetime

from flows.recipe import Recipe
from flows.settings import Settings
from tasks.right.decide import decide
from tasks.right.denials import denials
from tasks.right.registry import find_teacher, load_teachers
from tasks.train.student import student_facts
from warehouse.catalog import publish


def refuse_early(here: Settings, recipe: Recipe, run_id: str, now: datetime) -> None:
    """Denied where the gate would not let every teacher be asked; starts neither Prefect nor Ray.

    The run asks the gate again, whatever this says: what passes here leaves no decision, what does not leaves one of
    each teacher.
    """
    known = load_teachers(here.teacher_folders)
    names = (*recipe.shares, *([recipe.judge.llm.teacher] if recipe.judge.llm else []))
    teachers = [find_teacher(known, name) for name in dict.fromkeys(names)]
    facts, recalls = student_facts(recipe.student) if recipe.student else None, denials(here.root)
    if all(
        decide(teacher, recipe.prompts.license, "ask", facts, teacher.attestations, now, recalls).allow
        for teacher in teachers
    ):
        return
    from tasks.right.gate import admit  # imports Prefect's decorators, which take a second

    root = here.root.create()
    try:
        admit(root, teachers, recipe.prompts.license, "ask", facts, run_id, now)
    finally:
        publish(root)
