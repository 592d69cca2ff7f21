"""One Prefect server for all processes of one test run: `python prefect_host.py FOLDER`, in the background.

Its users hold a shared lock on FOLDER/users. It ends once nobody does, however they ended; its address is in FOLDER/url
for as long as it can be used.
"""

import os
import sys
from fcntl import LOCK_EX, flock
from pathlib import Path

from still import prefect_server


def serve(folder: Path) -> None:
    """Serve until the lock can be had alone. A user who comes too late waits for the end, and finds no address."""
    with (folder / "users").open("a") as users, prefect_server(folder) as url:
        (folder / "url.part").write_text(url)
        (folder / "url.part").replace(folder / "url")
        flock(users, LOCK_EX)
        (folder / "url").unlink()


if __name__ == "__main__":
    if os.fork() == 0:  # so that whoever starts it is not its parent, and may end before it
        os.setsid()
        serve(Path(sys.argv[1]))
