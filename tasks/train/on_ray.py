"""Running a training job as a Ray Train worker, and telling how far it is while it runs."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tasks.train.job import Job, Say
from warehouse.errors import RunFailed, StillhouseError

_LOOK_EVERY = 0.5  # seconds between two looks at the worker's progress


def run_on_ray(job: Job, say: Say) -> Mapping[str, Any]:
    """Train with one worker, on a GPU if the job says so; returns what was measured.

    One CPU is reserved, so that the worker finds its place on a busy cluster; it computes with the cores it finds.

    Raises:
        RunFailed: the worker died or stopped; BadInput: it could not use what it was given.
    """
    from ray.train import FailureConfig, RunConfig, ScalingConfig  # with them comes torch: seconds that only a
    from ray.train.torch import TorchTrainer  # training should wait for
    from ray.train.v2.api.exceptions import TrainingFailedError

    trainer = TorchTrainer(
        _work,
        train_loop_config={"job": job},
        scaling_config=ScalingConfig(num_workers=1, use_gpu=job.gpu),
        run_config=RunConfig(name="ray", storage_path=str(job.work), failure_config=FailureConfig(max_failures=0)),
    )
    with _telling(job, say):
        try:
            trainer.fit()
        except TrainingFailedError as error:
            raise _explained(error) from error
    measured: dict[str, Any] = json.loads(job.result.read_text())
    return measured


def _work(config: Mapping[str, Any]) -> None:
    from tasks.train.trainer import train  # the training libraries are imported in the worker alone

    train(config["job"])


@contextmanager
def _telling(job: Job, say: Say) -> Iterator[None]:
    """Pass the worker's progress file on while the block lasts."""
    job.work.mkdir(parents=True, exist_ok=True)
    say(stage="training", note="starting a worker")
    over = threading.Event()
    watch = threading.Thread(target=_pass_on, args=(job, say, over), daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()


def _pass_on(job: Job, say: Say, over: threading.Event) -> None:
    last = ""
    while not over.wait(_LOOK_EVERY):
        text = job.progress.read_text() if job.progress.exists() else ""
        if text and text != last:
            last = text
            say(stage="training", **json.loads(text))


def _explained(error: Exception) -> StillhouseError:
    """The worker's own error where it was one of ours, else one line with its type and message."""
    causes = list(getattr(error, "worker_failures", {}).values()) or [error]
    cause = getattr(causes[0], "cause", causes[0])
    if isinstance(cause, StillhouseError):
        return cause
    reason = " ".join(str(cause).split())[-300:]
    return RunFailed(
        f"the training stopped ({type(cause).__name__}: {reason}): run it again to go on; "
        "the data root's logs have the rest"
    )
