"""Whether a node of the cluster sees the run's data root (touches the disk only to look).

What a worker has received is safe because its journal is where the driver, and the next run, will look for it. A node
that has only a folder of the same name has its journal kept by the driver's node instead (`keeper.py`).
"""

import socket
from pathlib import Path

from warehouse.errors import RunFailed
from warehouse.layout import DataRoot

ROOT_ID = ".root-id"
"""In the journal's folder: the data root's own name, which moves with it."""


def sees(root: DataRoot, batch: str) -> bool:
    """Whether the driver's batch file, and its journal, are on this node."""
    return Path(batch).exists() and (root.journal / ROOT_ID).exists()


def check_seen(root: DataRoot) -> None:
    """For an authority: in a folder of the same name, its lock would hold nobody off.

    Raises: RunFailed: this node has no such data root.
    """
    if not root.journal.is_dir():
        raise RunFailed(
            f"node {socket.gethostname()} does not see {root.journal}, where an authority locks and notes what it "
            "grants: start the run from a node that does"
        )
