"""Telling of a run through the OpenLineage client: to a file of the data root, or wherever the user's settings lead.

Events are about a run and never a part of it: one that cannot be told is said once in the log, and the run goes on.
"""

import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from openlineage.client.client import OpenLineageClient
from openlineage.client.event_v2 import RunState
from openlineage.client.transport.file import FileConfig, FileTransport

from tasks.lineage.events import ENDS, Told, event
from tasks.lineage.facts import read_facts
from warehouse.errors import StillhouseError
from warehouse.layout import DataRoot

log = logging.getLogger(__name__)

# The client's transports raise RuntimeError, or what requests raises (an OSError); its configuration the others.
UNTOLD = (OSError, RuntimeError, ValueError, TypeError, KeyError, ImportError, StillhouseError)


class Telling:
    """The events of one run; after the first that could not be told, none is tried again."""

    def __init__(self, root: DataRoot, told: Told, elsewhere: bool) -> None:
        self._root, self._told, self._elsewhere = root, told, elsewhere
        self._client: OpenLineageClient | None = None
        self._silent = False

    def started(self, at: datetime) -> None:
        """The run has begun; nothing is decided yet."""
        self._tell(self._told, RunState.START, at)

    def ended(self, state: str, at: datetime) -> None:
        """The run is over, as `completed`, `failed` or `cancelled`, with all that was decided and published in it."""
        if self._silent:
            return
        try:
            decisions, published = read_facts(self._root, self._told.run_id)
        except UNTOLD as error:
            self._give_up(error)
            return
        self._tell(replace(self._told, decisions=decisions, published=published), ENDS[state], at)

    def _tell(self, told: Told, kind: RunState, at: datetime) -> None:
        if self._silent:
            return
        try:
            self._client = self._client or _client(self._root, self._elsewhere)
            self._client.emit(event(told, kind, at))
        except UNTOLD as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._silent = True
        why = " ".join(str(error).split()) or type(error).__name__
        log.warning("OpenLineage events of this run are not told: %s: the run itself goes on", why)


def events_file(root: DataRoot) -> Path:
    """Where events go unless the user's own OpenLineage settings say otherwise: one a line."""
    return root.path / "lineage" / "openlineage.ndjson"


def _client(root: DataRoot, elsewhere: bool) -> OpenLineageClient:
    if elsewhere:
        return OpenLineageClient()  # which reads the variables and the file that OpenLineage documents
    path = events_file(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    return OpenLineageClient(transport=FileTransport(FileConfig(log_file_path=str(path), append=True)))
