"""Training a student on a version as a step of a run: once per version and student, on Ray Train, into the catalog."""

import json
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import ray
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.publish.publication import Form
from tasks.publish.template import FORMS, choose_form, keeps_reasoning
from tasks.train.job import Job, Say, silent
from tasks.train.on_ray import run_on_ray
from tasks.train.student import Device, Student, StudentDone, chat_template
from tasks.train.student_runs import StudentRun, begin, end, finished, refuse_revoked, student_run_of
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.locks import hold
from warehouse.manifest import Manifest, load_manifest, verify_version


@task(name="train-student", task_run_name="train {student.model} on {version}", cache_policy=NO_CACHE)
def train_student(
    root: DataRoot,
    run_id: str,
    version: str,
    student: Student,
    device: Device,
    now: datetime,
    say: Say = silent,
) -> StudentDone:
    """Train a student on a version, evaluate it before and after, and record the student run.

    A student that was trained on this version before is returned as it is, with `is_new` False; `finished` asks only
    that. One whose training was killed is trained on from its last checkpoint. Ray must be running, unless the student
    was trained before.

    Raises:
        BadInput: there is no such version, a recall revoked it, a shard's checksum is off, there is no such model or
            GPU, or the student's template drops the reasoning whatever its form; nothing was trained.
        Busy: another process trains the same student on the same version.
        RunFailed: the training stopped; running it again goes on.
    """
    return train_once(root, run_id, version, student, device, now, say)


def train_once(
    root: DataRoot,
    run_id: str,
    version: str,
    student: Student,
    device: Device,
    now: datetime,
    say: Say = silent,
) -> StudentDone:
    """What the task does, for callers without Prefect."""
    folder = version_folder(root, version)
    manifest = load_manifest(folder)
    refuse_revoked(root, manifest.version)
    student_run_id = student_run_of(manifest.version, student)
    with hold(root, f"student-{student_run_id}", f"training on {manifest.version}", now):
        if done := finished(root, manifest.version, student):
            return done
        say(stage="training", note="checking the version's checksums", step=0, steps=0)
        verify_version(folder)
        job = make_job(root, folder, manifest, student, device)
        run = StudentRun(root, run_id, student_run_id, manifest, student, "gpu" if job.gpu else "cpu", now)
        return _carry_out(run, job, say)


def version_folder(root: DataRoot, version: str) -> Path:
    """Where `dataset@YYYY.MM.DD.N` lies; BadInput for a name that is none."""
    dataset, at, name = version.partition("@")
    if not (dataset and at and name) or "/" in version:
        raise BadInput(f"there is no version '{version}': name it as dataset@YYYY.MM.DD.N; `still versions` lists them")
    return root.version(dataset, name)


def make_job(root: DataRoot, folder: Path, manifest: Manifest, student: Student, device: Device) -> Job:
    """Decide everything that can be decided before a worker is started."""
    form = form_for(student, manifest)
    return Job(
        version_folder=folder.absolute(),
        folder=(root.students / student_run_of(manifest.version, student)).absolute(),
        student=student,
        form=form,
        rewrite=form != manifest.form,
        gpu=takes_gpu(device),
    )


def form_for(student: Student, manifest: Manifest) -> Form:
    """The form of reasoning to train with: the version's own where the student's template keeps it."""
    template = chat_template(student)
    for form in FORMS:
        if form == manifest.form and keeps_reasoning(template, form):
            return form
    return choose_form("auto", template)


def takes_gpu(device: Device) -> bool:
    """Whether to train on a GPU of the Ray cluster.

    Raises:
        BadInput: a GPU was asked for and the cluster has none.
    """
    if device == "cpu":
        return False
    found = bool(ray.cluster_resources().get("GPU", 0) >= 1)
    if device == "gpu" and not found:
        raise BadInput("device 'gpu': the Ray cluster has no GPU; use 'auto' or 'cpu', or see `still doctor`")
    return found


def _carry_out(run: StudentRun, job: Job, say: Say) -> StudentDone:
    began = begin(run)
    try:
        measured = _result(job) or run_on_ray(job, say)
    except BaseException:
        end(run, "failed", began, {})
        raise
    done = end(run, "completed", began, measured)
    shutil.rmtree(job.work, ignore_errors=True)
    job.progress.unlink(missing_ok=True)
    return done


def _result(job: Job) -> Mapping[str, Any] | None:
    """What an earlier process measured and was killed before it could record."""
    if not (job.result.exists() and job.checkpoint.is_dir()):
        return None
    measured: dict[str, Any] = json.loads(job.result.read_text())
    return measured
