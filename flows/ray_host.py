"""Ray on this machine for one run, in a session of its own: `python -m flows.ray_host`.

Prefect cancels a run by SIGTERM to its whole process group, and Ctrl-C reaches the terminal's; Ray's processes in that
group would die with what is in flight. So they get a parent of their own. It prints one line of JSON when Ray is up,
and ends Ray when its standard input ends, which is also what happens when the run is killed.
"""

import json
import logging
import os
import sys

import ray

OBJECT_STORE_BYTES = 256 * 1024**2
"""References travel through Ray, never rows, so its object store stays small."""


def main() -> None:
    """Start, say where, and wait for the end of standard input."""
    context = ray.init(
        address="local",
        num_cpus=max(2, os.cpu_count() or 2),
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level=logging.WARNING,
    )
    found = context.address_info
    print(json.dumps({"address": found["address"], "session": found["session_dir"]}), flush=True)
    sys.stdin.read()
    ray.shutdown()


if __name__ == "__main__":
    main()
