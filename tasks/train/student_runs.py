"""The record of each student run in the catalog: begun, ended, and found again."""

import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from tasks.train.scores import compare, compare_families
from tasks.train.student import Scores, Student, StudentDone
from warehouse.catalog import connect, transaction
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.manifest import Manifest
from warehouse.records import content_id

_FINISHED = """
    select student_run_id, version, device, accuracy_before, accuracy_after, metrics, checkpoint
    from student_runs where version = ? and student_sha256 = ? and state = 'completed'
"""
_REVOKED = """
    select v.revoked_by, r.why, v.successor
    from versions as v join recalls as r on r.recall_id = v.revoked_by
    where v.version = ?
"""
_BEGIN = """
    update store.student_run set state = 'running', started_at = ?, run_id = ?, device = ?
    where student_run_id = ?
"""
_END = """
    update store.student_run
    set state = ?, ended_at = ?, accuracy_before = ?, accuracy_after = ?, metrics = ?, checkpoint = ?
    where student_run_id = ?
"""


@dataclass(frozen=True)
class StudentRun:
    """One training of one student on one version."""

    root: DataRoot
    run_id: str
    student_run_id: str
    manifest: Manifest
    student: Student
    device: str
    now: datetime
    """When it was asked for."""

    @property
    def checkpoint(self) -> str:
        """Relative to the data root."""
        return f"students/{self.student_run_id}/checkpoint"


def refuse_revoked(root: DataRoot, version: str) -> None:
    """Nothing is trained on a version that a recall revoked, nor is what was trained on it before handed on.

    Raises:
        BadInput: it is revoked; the line names the recall, its reason and the successor.
    """
    if not root.warehouse.exists():
        return
    with closing(connect(root)) as connection:
        found = connection.execute(_REVOKED, [version]).fetchone()
    if found:
        recall_id, why, successor = found
        instead = (
            f"train on its successor {successor}" if successor else "publish again (`still publish`) and train on that"
        )
        raise BadInput(f"{version} was revoked by recall {recall_id[:12]} ({why}): {instead}")


def student_run_of(version: str, student: Student) -> str:
    """The id of the training of this student on this version, whenever it takes place."""
    return content_id("student-run", version, student.student_sha256)


def finished(root: DataRoot, version: str, student: Student) -> StudentDone | None:
    """The student run of an earlier training, if its checkpoint is still there."""
    if not root.warehouse.exists():
        return None
    with closing(connect(root)) as connection:
        row = connection.execute(_FINISHED, [version, student.student_sha256]).fetchone()
    if row is None or not (root.path / row[6]).is_dir():
        return None
    student_run_id, version, device, before, after, metrics, checkpoint = row
    return _done(root, student_run_id, version, device, before, after, json.loads(metrics), checkpoint, is_new=False)


def begin(run: StudentRun) -> float:
    """List it as running; returns the moment on the monotonic clock."""
    with transaction(run.root, run.now) as store:
        store.insert(
            "student_run",
            [
                {
                    "student_run_id": run.student_run_id,
                    "version": run.manifest.version,
                    "student": run.student.model_dump_json(),
                    "student_sha256": run.student.student_sha256,
                    "model": run.student.model,
                    "state": "running",
                    "started_at": run.now,
                    "simulated": run.manifest.simulated,
                }
            ],
        )
        store.execute(_BEGIN, [run.now, run.run_id, run.device, run.student_run_id])
    return time.monotonic()


def end(
    run: StudentRun, state: Literal["completed", "failed"], began: float, measured: Mapping[str, Any]
) -> StudentDone:
    """List how it ended and what was measured."""
    marks = [[(family, right) for family, right in measured.get(when, ())] for when in ("before", "after")]
    overall, families = compare(*marks), compare_families(*marks)
    metrics = {name: value for name, value in measured.items() if name not in ("before", "after")} | {
        "overall": overall and asdict(overall),
        "families": {family: asdict(scores) for family, scores in families.items()},
    }
    before, after = (overall.before, overall.after) if overall else (None, None)
    ended_at = run.now + timedelta(seconds=time.monotonic() - began)
    checkpoint = run.checkpoint if state == "completed" else None
    with transaction(run.root, ended_at, publish="now") as store:
        row = [state, ended_at, before, after, json.dumps(metrics), checkpoint, run.student_run_id]
        store.execute(_END, row)
    version, device = run.manifest.version, run.device
    return _done(run.root, run.student_run_id, version, device, before, after, metrics, run.checkpoint, is_new=True)


def _done(
    root: DataRoot,
    student_run_id: str,
    version: str,
    device: str,
    before: float | None,
    after: float | None,
    metrics: Mapping[str, Any],
    checkpoint: str,
    is_new: bool,
) -> StudentDone:
    return StudentDone(
        student_run_id=student_run_id,
        version=version,
        is_new=is_new,
        accuracy_before=before,
        accuracy_after=after,
        per_family={family: _scores(fields) for family, fields in metrics["families"].items()},
        overall=_scores(metrics["overall"]) if metrics["overall"] else None,
        checkpoint=str(root.path / checkpoint),
        device=device,
        metrics=metrics,
    )


def _scores(fields: Mapping[str, Any]) -> Scores:
    low_high = {name: tuple(fields[name]) for name in ("before_interval", "after_interval")}
    return Scores(**{**fields, **low_high})
