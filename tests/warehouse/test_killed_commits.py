"""`kill -9`, or a full disk, at every step of a commit: what is committed stays, the next one repairs."""

import random
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest

from warehouse.catalog import connect, snapshot, transaction
from warehouse.layout import DataRoot

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

COMMIT = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from warehouse.catalog import transaction
from warehouse.layout import DataRoot

root, when = DataRoot(Path(sys.argv[1])), sys.argv[2]

def strike(event, arguments):
    if event == when.split(":")[0] and str(arguments[event == "os.rename"]).endswith(when.split(":")[1]):
        os.kill(os.getpid(), signal.SIGKILL)

now = datetime(2026, 11, 21, tzinfo=UTC)
row = {"dataset": "sums", "flow": "distill", "started_at": now, "state": "running"}
with transaction(root, now, publish="now") as catalog:
    catalog.insert("run", [{"run_id": "committed before", **row}])
print("committed", flush=True)
sys.addaudithook(strike)
with transaction(root, now, publish="now") as catalog:
    catalog.insert("run", [{"run_id": "struck", **row}])
print("survived", flush=True)
"""


def run_ids(root: DataRoot) -> list[str]:
    with closing(connect(root)) as connection:
        return [run_id for (run_id,) in connection.execute("select run_id from runs order by run_id").fetchall()]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        pytest.param("open:unpublished", ["committed before"], id="before-commit"),
        pytest.param("shutil.copyfile:catalog.duckdb", ["committed before", "struck"], id="before-copy"),
        pytest.param("os.chmod:next.duckdb", ["committed before", "struck"], id="before-fsync"),
        pytest.param("os.rename:warehouse.duckdb", ["committed before", "struck"], id="before-rename"),
        pytest.param("os.remove:unpublished", ["committed before", "struck"], id="after-rename"),
    ],
)
def test_a_commit_killed_at_any_step_is_whole_or_not_there(data_root: DataRoot, when: str, expected: list[str]) -> None:
    struck = subprocess.run(
        [sys.executable, "-c", COMMIT, str(data_root.path), when], capture_output=True, text=True, check=False
    )
    assert (struck.returncode, struck.stdout) == (-9, "committed\n"), struck.stderr
    with closing(snapshot(data_root)) as connection:  # what was published last can always be read
        assert connection.execute("select count(*) from runs").fetchall()[0][0] in (1, len(expected))
    assert run_ids(data_root) == expected
    with transaction(data_root, NOW, publish="now"):
        pass
    assert run_ids(data_root) == expected


LOOP = """
import itertools, sys
from datetime import UTC, datetime
from pathlib import Path
from warehouse.catalog import transaction
from warehouse.layout import DataRoot

root, now = DataRoot(Path(sys.argv[1])), datetime(2026, 11, 21, tzinfo=UTC)
for number in itertools.count():
    run_id = f"{sys.argv[2]}-{number:04}"
    row = {"run_id": run_id, "dataset": "sums", "flow": "distill", "started_at": now, "state": "running"}
    with transaction(root, now, publish="now" if number % 2 else "soon") as catalog:
        catalog.insert("run", [row])
    print(run_id, flush=True)
"""


def test_commits_killed_at_seeded_moments_lose_nothing_that_was_acknowledged(data_root: DataRoot) -> None:
    rng = random.Random(20261121)
    acknowledged: list[str] = []
    for round_number in range(4):
        command = [sys.executable, "-c", LOOP, str(data_root.path), f"round{round_number}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.4))
        process.kill()
        rest, _ = process.communicate()
        acknowledged += [
            first.strip(),
            *(line for line in rest.splitlines() if len(line) == len(first.strip())),
        ]
        found = run_ids(data_root)
        assert set(acknowledged) <= set(found)
        assert len(found) <= len(acknowledged) + round_number + 1  # at most one a kill was committed and not said


def test_processes_that_commit_at_once_all_succeed(data_root: DataRoot) -> None:
    script = LOOP.replace("itertools.count()", "range(5)")
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(data_root.path), f"process{number}"]) for number in range(3)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    assert len(run_ids(data_root)) == 15


FULL = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from warehouse.catalog import transaction
from warehouse.errors import RunFailed
from warehouse.layout import DataRoot

root, now = DataRoot(Path(sys.argv[1])), datetime(2026, 11, 21, tzinfo=UTC)
row = {"dataset": "sums", "flow": "distill", "started_at": now, "state": "running", "recipe": None}
with transaction(root, now, publish="now") as catalog:
    catalog.insert("run", [{**row, "run_id": "before"}])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    with transaction(root, now, publish="now") as catalog:
        long = ['"' + f"{n:09}" * 30 + '"' for n in range(30000)]
        catalog.insert("run", [{**row, "run_id": str(n), "recipe": text} for n, text in enumerate(long)])
except RunFailed as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [4096, 600_000, 2_000_000])
def test_a_disk_that_is_full_is_one_line_and_the_next_commit_works(data_root: DataRoot, limit: int) -> None:
    # The kernel's file-size limit stands in for the full disk: writes fail at the same places.
    command = [sys.executable, "-c", FULL, str(data_root.path), str(limit)]
    line = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert line.startswith("cannot ") and line.count("\n") == 1, line
    with closing(snapshot(data_root)) as connection:
        assert connection.execute("select run_id from runs").fetchall() == [("before",)]
    with transaction(data_root, NOW, publish="now"):
        pass
    assert "before" in run_ids(data_root)
