"""Recall: the teacher is denied first; then its rows are withdrawn wherever they went; what lost to them comes back.

Every step changes nothing when it is done again, so that whatever stops a recall, the same call goes on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from prefect.events import emit_event
from prefect.settings import get_current_settings

from flows.again import last_recipe
from flows.cluster import ray_cluster
from flows.recipe import Recipe
from flows.settings import Settings
from tasks.ask.adopt import adopt_journals
from tasks.judge.judge import judge_answers
from tasks.judge.screens.screening import standing
from tasks.publish.order import Order
from tasks.publish.publish import publish_kept
from tasks.publish.template import choose_form
from tasks.recall import record
from tasks.recall.purge import Purged, purge
from tasks.recall.selection import Selection
from tasks.right.gate import Admission, admit
from tasks.right.registry import load_teachers
from tasks.right.terms import Teacher
from tasks.train.student import chat_template, student_facts
from warehouse.catalog import connect
from warehouse.errors import BadInput, Busy, Denied
from warehouse.locks import hold

APPLIED = "stillhouse.recall.applied"
Step = Callable[[str], None]
Tell = Callable[[Mapping[str, Any]], bool]


def nothing(step: str) -> None:
    """A `Step` for whoever does not want to know."""


def announce(summary: Mapping[str, Any]) -> bool:
    """Tell Prefect's users, as a published version is told; False where no Prefect API is set, so nobody listens."""
    if not get_current_settings().api.url:
        return False
    recall_id = str(summary["recall_id"])
    emit_event(
        event=APPLIED,
        resource={"prefect.resource.id": f"stillhouse.recall.{recall_id}", "prefect.resource.name": recall_id},
        payload={name: summary[name] for name in ("why", "attempts", "versions", "successors", "students")},
    )
    return True


def apply(
    here: Settings, selection: Selection, why: str, after: Step = nothing, tell: Tell = announce
) -> Mapping[str, Any]:
    """Carry a recall through, or go on with it; what it came to.

    Args:
        after: told the name of each step when it is done.
        tell: told what the recall came to, until it says that it passed it on.

    Raises:
        Busy: a run is under way; the gate denies already, and the same command goes on once the run has ended.
        BadInput: a dataset's recipe is not known, or its judging cannot be repeated.
        RunFailed: the disk is full.
    """
    recall_id = selection.recall_id
    record.begin(here.root, selection, why, _now())
    after("denied")
    with _alone(here, recall_id, _so_far(selection)):
        adopt_journals.fn(here.root, _now())
        revoked, datasets = record.withdraw(here.root, selection, _now(), after)
        with_versions = {version.rpartition("@")[0] for version in revoked}
        for dataset in sorted({*datasets, *with_versions}):
            _again(here, recall_id, dataset, dataset in with_versions, after)
    record.complete(here.root, recall_id, _now())
    after("completed")
    summary = record.summary(here.root, recall_id)
    if not record.is_announced(here.root, recall_id):
        if tell(summary):
            record.announced(here.root, recall_id, _now())
        after("announced")
    return summary


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _alone(here: Settings, recall_id: str, so_far: str) -> Iterator[None]:
    """Nobody asks, judges or publishes meanwhile."""
    with connect(here.root) as warehouse:
        found = warehouse.execute("select distinct dataset from store.plan order by 1").fetchall()
    with ExitStack() as locks:
        for name in ("ask", *(f"dataset-{dataset}" for (dataset,) in found if "+" not in dataset)):
            try:
                locks.enter_context(hold(here.root, name, f"recall {recall_id[:12]}", _now()))
            except Busy as error:
                raise Busy(f"{error}; then run the same command again, {so_far}") from None
        yield


def _so_far(selection: Selection) -> str:
    return "the gate denies what it names already" if selection.denies else "nothing was withdrawn yet"


def _again(here: Settings, recall_id: str, dataset: str, publishes: bool, after: Step) -> None:
    """Judge a dataset without what is withdrawn, so that who lost to it may come back; publish that in its place."""
    with connect(here.root) as warehouse:
        plans = warehouse.execute(
            "select plan_id from store.plan where dataset = ? and is_current", [dataset]
        ).fetchall()
    if not plans:
        return record.succeed(here.root, recall_id, dataset, None, "it has no plan any more", _now())
    recipe, plan_id, run_id = last_recipe(here, dataset), plans[0][0], f"recall-{recall_id[:12]}"
    firings = standing(here.root, dataset, recipe.judge.screens)
    with ExitStack() as cluster:
        judged = judge_answers(
            here.root, run_id, dataset, plan_id, recipe.judge, _now(), firings,
            start_ray=lambda: cluster.enter_context(ray_cluster(here)),
        )  # fmt: skip
    after(f"judged {dataset}")
    template = chat_template(recipe.student) if recipe.student else None
    if publishes:
        _publish(here, recall_id, recipe, Order(
            run_id, dataset, plan_id, judged.judge_run, recipe.publish, recipe.model_dump_json(), recipe.sha256,
            choose_form(recipe.publish.reasoning, template), (), _now(),
        ), after)  # fmt: skip


def _publish(here: Settings, recall_id: str, recipe: Recipe, order: Order, after: Step) -> None:
    """The successor of a dataset's revoked versions; where nothing is left to publish, that is noted."""
    known = load_teachers(here.teacher_folders)
    absent = ", ".join(sorted(set(recipe.shares) - set(known)))
    version, note = None, f"rows of {absent} are left out: no such entry, give --teachers DIR" if absent else None
    try:
        admissions = _passing(here, recipe, known, order.run_id)
        version = publish_kept(here.root, replace(order, admissions=admissions)).version
    except Busy:
        raise
    except BadInput as error:
        note = f"{error}; {note}" if note else str(error)
    after(f"published {order.dataset}")
    record.succeed(here.root, recall_id, order.dataset, version, note, _now())
    after(f"succeeded {order.dataset}")


def _passing(here: Settings, recipe: Recipe, known: Mapping[str, Teacher], run_id: str) -> Sequence[Admission]:
    """Those of the recipe's teachers whose rows may be published today: one that is refused takes its own rows only."""
    passing: list[Admission] = []
    facts = student_facts(recipe.student) if recipe.student else None
    for teacher in (known[name] for name in recipe.shares if name in known):
        with suppress(Denied):
            passing += admit(here.root, [teacher], recipe.prompts.license, "publish", facts, run_id, _now())
    return passing


def delete(here: Settings, recall_id: str, after: Step = nothing) -> Purged:
    """Delete the files of a recall that was carried through.

    Raises:
        BadInput: it was not carried through yet.
        Busy: a run is under way.
    """
    with connect(here.root) as warehouse:
        found = warehouse.execute("select state from recalls where recall_id = ?", [recall_id]).fetchall()
    if found == [("applying",)]:
        raise BadInput(
            f"recall {recall_id[:12]} was interrupted: run `still recall apply {recall_id[:12]}`, then purge"
        )
    with _alone(here, recall_id, "nothing was deleted yet"):
        adopt_journals.fn(here.root, _now())
        return purge(here.root, recall_id, _now(), after)
