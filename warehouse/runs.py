"""The record of each run: when it began, with which recipe, and how it ended."""

from datetime import datetime
from typing import Literal

from warehouse.catalog import transaction
from warehouse.layout import DataRoot

RunState = Literal["running", "completed", "failed", "cancelled"]


def record_start(
    root: DataRoot,
    run_id: str,
    dataset: str,
    flow: str,
    recipe: str,
    recipe_sha256: str,
    simulated: bool,
    now: datetime,
) -> None:
    """List a run as running; `recipe` is its JSON."""
    with transaction(root, now) as store:
        store.insert(
            "run",
            [
                {
                    "run_id": run_id,
                    "dataset": dataset,
                    "flow": flow,
                    "recipe": recipe,
                    "recipe_sha256": recipe_sha256,
                    "started_at": now,
                    "ended_at": None,
                    "state": "running",
                    "simulated": simulated,
                }
            ],
        )


def record_end(root: DataRoot, run_id: str, state: RunState, now: datetime) -> None:
    """Say how a run ended."""
    with transaction(root, now) as store:
        store.execute("update store.run set state = ?, ended_at = ? where run_id = ?", [state, now, run_id])
