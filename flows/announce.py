"""Telling Prefect's users what a run came to: artifacts on the run, and the event that may start a training."""

from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact
from prefect.events import emit_event

from flows.line import Line
from tasks.publish.publication import Published
from tasks.report.markdown import funnel_markdown
from tasks.report.report import current_funnel
from warehouse.catalog import connect

PUBLISHED = "stillhouse.version.published"


async def announce(line: Line, published: Published, trained_here: bool) -> None:
    """Leave the version and the funnel as artifacts, and emit `stillhouse.version.published`.

    The event is emitted for a new version, and again for one that should have been trained and was not: whoever was
    killed between the two, the next run says it again, and training is idempotent.
    """
    await acreate_link_artifact(
        link=f"file://{published.folder}",
        link_text=published.version,
        key="version",
        description=f"{published.rows:,} rows",
    )
    _emit(line, published, trained_here)
    await leave_funnel(line, published.version)


async def leave_funnel(line: Line, version: str | None) -> None:
    """The funnel by reason and teacher, as an artifact."""
    name = version or line.recipe.dataset
    flows = current_funnel(line.root, line.recipe.dataset, version)
    description = "from wanted to published, with reasons"
    await acreate_markdown_artifact(funnel_markdown(name, flows), key="funnel", description=description)


def _emit(line: Line, published: Published, trained_here: bool) -> None:
    meant_for_training = line.recipe.student is not None and not any(teacher.simulated for teacher in line.teachers)
    wants_training = meant_for_training and not trained_here and not is_successor(line, published.version)
    if published.is_new or (wants_training and not has_student(line, published.version)):
        emit_event(
            event=PUBLISHED,
            resource={
                "prefect.resource.id": f"stillhouse.version.{published.version}",
                "prefect.resource.name": published.version,
                "stillhouse.dataset": line.recipe.dataset,
                "stillhouse.train": "yes" if wants_training else "no",
            },
            payload={"version": published.version, "rows": published.rows, "folder": published.folder},
        )


def is_successor(line: Line, version: str) -> bool:
    """Whether a recall published this version: then a person decides whether anything is trained on it."""
    with connect(line.root) as warehouse:
        return bool(
            warehouse.execute("select 1 from versions where version = ? and is_successor", [version]).fetchall()
        )


def has_student(line: Line, version: str) -> bool:
    """Whether a training of this version has ended well."""
    with connect(line.root) as warehouse:
        sql = "select 1 from student_runs where version = ? and state = 'completed'"
        return bool(warehouse.execute(sql, [version]).fetchall())
