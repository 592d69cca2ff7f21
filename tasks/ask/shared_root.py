"""Whether a node of the cluster sees the run's data root (touches the disk only to look).

What a worker has received is safe because its journal is where the driver, and the next run, will look for it. On a
node that has only a folder of the same name, answers would be lost with the node, or bought again; so it asks nothing.
"""

import socket
from pathlib import Path

from warehouse.errors import RunFailed
from warehouse.layout import DataRoot

ROOT_ID = ".root-id"
"""In the journal's folder: the data root's own name, which moves with it."""


def unseen(path: Path) -> str:
    """The one line for what a node should see of the data root, and does not."""
    return (
        f"node {socket.gethostname()} does not see {path}: every node that asks writes its journal into the data root, "
        "so put it on storage that every node shares, or run on one node"
    )


def check_seen(root: DataRoot, batch: str) -> None:
    """Raises: RunFailed: the driver's batch file, or its journal, is not on this node."""
    for path in (Path(batch), root.journal / ROOT_ID):
        if not path.exists():
            raise RunFailed(unseen(path))
