"""A version in, a student run out: its own flow and deployment, started by hand or by a version's event."""

import json
from datetime import UTC, datetime

from prefect import flow

from flows.cluster import ray_cluster
from flows.line import recorded
from flows.progress import Progress
from flows.recipe import parse_recipe
from flows.settings import Settings
from tasks.right.gate import admit_teachers
from tasks.right.registry import find_teacher, load_teachers
from tasks.right.terms import Teacher
from tasks.train.student import Student, StudentDone, student_facts
from tasks.train.student_runs import finished
from tasks.train.train_student import train_student
from warehouse.catalog import connect
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.manifest import Manifest, load_manifest


@flow(name="train", flow_run_name="{version}", persist_result=False)
async def train(version: str, student: Student | None = None) -> StudentDone:
    """Fine-tune a student on a published version, and measure it before and after on held-out prompts.

    Args:
        version: `dataset@YYYY.MM.DD.N`, or a dataset for its newest version.
        student: what to train; the student of the version's recipe if left out. The same student on the same version
            is trained once.

    Raises:
        BadInput: no such version, no student, a shard that is not what was published; or the gate says no.
    """
    here = Settings.from_environment()
    manifest = find_version(here.root, version)
    recipe = parse_recipe(json.loads(manifest.recipe), f"the recipe of {manifest.version}")
    wanted = student or recipe.student
    if wanted is None:
        raise BadInput(
            f"the recipe of {manifest.version} names no student: add `student: {{model: tiny}}` to it, or give one here"
        )
    with recorded(here.root, recipe, "train", manifest.simulated, manifest) as (run_id, progress):
        # The version's teachers must pass again: a lapsed review or a changed term stops training too.
        facts, teachers, now = student_facts(wanted), teachers_of(here, manifest), datetime.now(UTC)
        admit_teachers(here.root, teachers, recipe.prompts.license, "train", facts, run_id, now)
        return train_on_ray(here, run_id, manifest.version, wanted, progress)


def train_on_ray(here: Settings, run_id: str, version: str, student: Student, progress: Progress) -> StudentDone:
    """Train unless that was done before; Ray is started only to train."""
    now = datetime.now(UTC)
    done = finished(here.root, version, student)
    if done is not None:
        return done
    progress.say(stage="training", note="starting the trainer")
    with ray_cluster(here):
        return train_student(here.root, run_id, version, student, "auto", now, progress.say)


def find_version(root: DataRoot, version: str) -> Manifest:
    """The manifest of a version, or of a dataset's newest one.

    Raises:
        BadInput: there is no such version; the message lists the newest that exist.
    """
    with connect(root) as warehouse:
        sql = "select folder from versions where ? in (version, dataset) order by published_at desc limit 1"
        found = warehouse.execute(sql, [version]).fetchall()
        newest = warehouse.execute("select version from versions order by published_at desc limit 5").fetchall()
    if not found:
        known = ", ".join(name for (name,) in newest) or "none yet; `still run RECIPE` publishes one"
        raise BadInput(f"there is no version '{version}': the newest are {known}")
    return load_manifest(root.path / found[0][0])


def teachers_of(here: Settings, manifest: Manifest) -> tuple[Teacher, ...]:
    """The registry's entries, as they are today, for every teacher whose rows are in a version."""
    known = load_teachers(here.teacher_folders)
    return tuple(find_teacher(known, teacher.teacher) for teacher in manifest.teachers)
