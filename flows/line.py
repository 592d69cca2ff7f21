"""One run of the line: its lock, its record, its progress, and the arguments that its stations share."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run

from flows.cluster import ray_cluster
from flows.progress import Progress
from flows.recipe import Recipe
from flows.settings import Settings, tells_lineage_elsewhere
from tasks.lineage.events import Told
from tasks.lineage.telling import Telling
from tasks.papers.source import prompts_named
from tasks.right.registry import find_teacher, load_teachers
from tasks.right.terms import Teacher
from warehouse.catalog import publish
from warehouse.layout import DataRoot
from warehouse.locks import hold, holder
from warehouse.manifest import Manifest
from warehouse.runs import RunState, record_end, record_start

A_DAY_S = 86_400.0


@dataclass(frozen=True)
class Line:
    """What the stations of one run have in common."""

    here: Settings
    recipe: Recipe
    run_id: str
    teachers: tuple[Teacher, ...]
    progress: Progress
    folder: Path
    """Where a relative prompt source starts; a recipe read from a file has an absolute one."""
    cluster: ExitStack
    judges: tuple[Teacher, ...] = ()
    """The recipe's LLM judge, if it has one."""

    @property
    def root(self) -> DataRoot:
        return self.here.root

    def now(self) -> datetime:
        """The clock of the run; everything below is given a time."""
        return datetime.now(UTC)

    def start_ray(self) -> None:
        """Ray, once a station needs it; a run that finds nothing to do never starts it."""
        self.cluster.enter_context(ray_cluster(self.here))

    @contextmanager
    def sole_asker(self) -> Iterator[None]:
        """Be the only run of the data root that asks: two plans at once could buy one answer twice.

        A second run waits here, and says for whom.
        """
        other = holder(self.root, "ask")
        if other:
            self.progress.say(stage="waiting", note=f"waiting to ask: {other}")
        with hold(self.root, "ask", f"asking for {self.recipe.dataset}", self.now(), wait=A_DAY_S):
            yield


@asynccontextmanager
async def open_line(recipe: Recipe, flow: str) -> AsyncIterator[Line]:
    """Take the dataset's lock, record the run, and say how it ended.

    Raises:
        Busy: another run of this dataset is under way; the message names it.
        BadInput: a teacher of the recipe is not in the registry.
    """
    here = Settings.from_environment()
    known = load_teachers(here.teacher_folders)
    teachers = tuple(find_teacher(known, name) for name in recipe.shares)
    judges = (find_teacher(known, recipe.judge.llm.teacher),) if recipe.judge.llm else ()
    root = here.root.create()
    with (
        hold(root, f"dataset-{recipe.dataset}", f"{flow} of {recipe.dataset}", datetime.now(UTC)),
        recorded(root, recipe, flow, simulated=any(teacher.simulated for teacher in teachers)) as (run_id, progress),
        ExitStack() as cluster,
    ):
        yield Line(here, recipe, run_id, teachers, progress, Path.cwd(), cluster, judges)


@contextmanager
def recorded(
    root: DataRoot, recipe: Recipe, flow: str, simulated: bool, trained_on: Manifest | None = None
) -> Iterator[tuple[str, Progress]]:
    """List the flow run as running, with its progress, and say how it ended, however it ends; its id and progress.

    The same is told as OpenLineage events; `trained_on` is the version that a training reads.
    """
    run_id = str(flow_run.get_id())
    record_start(
        root, run_id, recipe.dataset, flow, recipe.model_dump_json(), recipe.sha256, simulated, datetime.now(UTC)
    )
    progress = Progress(root, recipe.dataset, run_id)
    prompts = None if trained_on else prompts_named(recipe.prompts.source)
    told = Told(run_id, flow, recipe.dataset, prompts, trained_on=trained_on)
    telling = Telling(root, told, tells_lineage_elsewhere())
    telling.started(datetime.now(UTC))
    state: RunState = "failed"
    try:
        yield run_id, progress
        state = "completed"
    except (asyncio.CancelledError, KeyboardInterrupt, TerminationSignal):
        state = "cancelled"
        raise
    finally:
        record_end(root, run_id, state, datetime.now(UTC))
        publish(root)
        telling.ended(state, datetime.now(UTC))
        progress.say(stage="done" if state == "completed" else state, state=state)
