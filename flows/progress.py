"""How far a run is: one small file in the data root that `still status` and the live view read, and one artifact."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

from warehouse.layout import DataRoot
from warehouse.status import read_status, write_status

FILE_EVERY_S = 0.5
ARTIFACT_EVERY_S = 5.0


class Progress:
    """The state of one run for people: write it often, it thins itself out.

    The file is replaced at most twice a second; Prefect's artifact, which costs a request, every five seconds.
    """

    def __init__(self, root: DataRoot, dataset: str, run_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._root, self._dataset, self._clock = root, dataset, clock
        self._began = clock()
        self._written = self._shown = float("-inf")
        self._artifact: Any = None
        # A training inside a run goes on from what that run has shown.
        outer = read_status(root, dataset) or {}
        kept = outer if outer.get("state") == "running" and outer.get("stage") == "publishing" else {}
        self._status = {**kept, "dataset": dataset, "run_id": run_id, "stage": "starting", "state": "running"}

    def say(self, **changes: object) -> None:
        """Merge changes; a changed stage or state is written at once."""
        urgent = any(self._status.get(name) != changes[name] for name in ("stage", "state") if name in changes)
        self._status.update(changes)
        now = self._clock()
        if urgent or now - self._written >= FILE_EVERY_S:
            self._written = now
            self._status.update(elapsed_s=now - self._began, updated_at=datetime.now(UTC).isoformat())
            write_status(self._root, self._dataset, self._status)

    async def show(self, done: int, total: int) -> None:
        """Bring the run's progress artifact up to date; `done` of `total` samples have an answer."""
        now = self._clock()
        if now - self._shown < ARTIFACT_EVERY_S and done < total:
            return
        self._shown = now
        percent = 100.0 * done / total if total else 100.0
        if self._artifact is None:
            self._artifact = await acreate_progress_artifact(
                progress=percent, key="progress", description=f"{self._dataset}: samples answered, of {total:,}"
            )
        else:
            await aupdate_progress_artifact(artifact_id=self._artifact, progress=percent)
