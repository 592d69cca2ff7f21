"""Telling Prefect's users what a run came to: artifacts on the run, and the event that may start a training."""

from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact
from prefect.events import emit_event

from flows.line import Line
from flows.summary import read_funnel
from tasks.publish.publication import Published
from warehouse.catalog import connect

PUBLISHED = "stillhouse.version.published"


async def announce(line: Line, published: Published, trained_here: bool) -> None:
    """Leave the funnel and the version as artifacts, and emit `stillhouse.version.published`.

    The event is emitted for a new version, and again for one that should have been trained and was not: whoever was
    killed between the two, the next run says it again, and training is idempotent.
    """
    counts, reasons = read_funnel(line.root, line.recipe.dataset)
    await acreate_markdown_artifact(
        funnel_markdown(line.recipe.dataset, counts, reasons),
        key="funnel",
        description="from wanted to kept, with reasons",
    )
    await acreate_link_artifact(
        link=f"file://{published.folder}",
        link_text=published.version,
        key="version",
        description=f"{published.rows:,} rows",
    )
    meant_for_training = line.recipe.student is not None and not any(teacher.simulated for teacher in line.teachers)
    wants_training = meant_for_training and not trained_here
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


def has_student(line: Line, version: str) -> bool:
    """Whether a training of this version has ended well."""
    with connect(line.root) as warehouse:
        sql = "select 1 from student_runs where version = ? and state = 'completed'"
        return bool(warehouse.execute(sql, [version]).fetchall())


def funnel_markdown(dataset: str, funnel: dict[str, int], reasons: dict[str, int]) -> str:
    """The funnel as two small tables."""
    lines = [f"### {dataset}", "", "| station | samples |", "|---|---:|"]
    lines += [f"| {name} | {count:,} |" for name, count in funnel.items()]
    if reasons:
        lines += ["", "| reason | traces |", "|---|---:|"]
        lines += [f"| {reason} | {count:,} |" for reason, count in reasons.items()]
    return "\n".join(lines)
