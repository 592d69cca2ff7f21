"""What a training worker is told, and where it leaves what it makes (pure).

students/<student_run_id>/
    checkpoint/      the trained model with its tokenizer: what people load
    heldout.parquet  every held-out prompt with the student's output before and after, and whether it was right
    result.json      written last: the training is finished, and this is what was measured
    progress.json    while it runs: how far it is
    work/            while it runs: the trainer's own checkpoints, caches, and what was measured before training
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.publish.publication import Form
from tasks.train.student import Student

Say = Callable[..., None]
"""Told how far a training is, as keywords: stage, step, steps, loss, note."""


def silent(**changes: object) -> None:
    """A `Say` for whoever does not want to know."""


@dataclass(frozen=True)
class Job:
    """The paths lie in the data root, which the worker shares with whoever started it."""

    version_folder: Path
    folder: Path
    student: Student
    form: Form
    """The form of reasoning that the student's template keeps."""
    rewrite: bool
    """Whether the version has the other form, so that completions are made anew from reasoning and answer."""
    gpu: bool

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"

    @property
    def heldout(self) -> Path:
        return self.folder / "heldout.parquet"

    @property
    def result(self) -> Path:
        return self.folder / "result.json"

    @property
    def progress(self) -> Path:
        return self.folder / "progress.json"

    @property
    def work(self) -> Path:
        return self.folder / "work"
