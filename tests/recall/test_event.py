"""Prefect's users hear of a recall."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from recall.drilled import Drill, copy
from still import wait_until

from flows.recall import APPLIED
from tasks.recall.selection import select

pytestmark = [pytest.mark.line, pytest.mark.slow]


def test_a_recall_that_is_through_is_an_event_in_prefect(made: Drill, tmp_path: Path, prefect_url: str) -> None:
    drilled, recall_id = copy(made, tmp_path / "data"), select(teacher="theirs").recall_id
    still = Path(sys.executable).with_name("still")
    command = [still, "recall", "apply", "--teacher", "theirs", "--why", "terms changed", "--data", drilled.root.path]
    subprocess.run(command, env={**os.environ, "PREFECT_API_URL": prefect_url}, check=True, timeout=120)
    (event,) = wait_until(lambda: events(prefect_url), 60, "Prefect has no such event")
    assert event["resource"]["prefect.resource.id"] == f"stillhouse.recall.{recall_id}"
    assert (event["payload"]["why"], event["payload"]["versions"]) == ("terms changed", list(drilled.versions[1:]))
    assert drilled.ask("select announced_at is not null from store.recall") == [(True,)]


def events(prefect_url: str) -> list[dict[str, Any]]:
    asked = {"filter": {"event": {"name": [APPLIED]}}}
    answer = httpx.post(f"{prefect_url}/events/filter", json=asked).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["events"]
    return found
