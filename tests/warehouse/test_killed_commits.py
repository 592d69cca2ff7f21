"""`kill -9`, or a full disk, at every step of a commit: what is committed stays, the next one repairs."""

import random
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

import warehouse.generation
from warehouse.catalog import connect, snapshot, transaction
from warehouse.generation import current
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


FOLD = COMMIT.replace(
    "sys.addaudithook", "import warehouse.generation\nwarehouse.generation.FOLD_BYTES = 1\nsys.addaudithook"
)
"""The log of the first commit is folded by the second."""


@pytest.mark.parametrize(
    "when",
    [
        pytest.param("shutil.copyfile:catalog.duckdb", id="before-copy"),
        pytest.param("shutil.copyfile:catalog.duckdb.wal", id="before-copy-of-log"),
        pytest.param("os.rename:catalog-1.duckdb", id="before-rename"),
        pytest.param("os.remove:catalog.duckdb.wal", id="before-old-log-is-removed"),
        pytest.param("os.remove:catalog.duckdb", id="between-log-and-file"),
        pytest.param("open:next.duckdb", id="folded-and-not-published"),
    ],
)
def test_a_fold_of_the_log_killed_at_any_step_loses_nothing(data_root: DataRoot, when: str) -> None:
    struck = subprocess.run(
        [sys.executable, "-c", FOLD, str(data_root.path), when], capture_output=True, text=True, check=False
    )
    assert (struck.returncode, struck.stdout) == (-9, "committed\n"), struck.stderr
    assert run_ids(data_root) == ["committed before", "struck"]
    with transaction(data_root, NOW, publish="now"):
        pass
    assert run_ids(data_root) == ["committed before", "struck"]
    assert len(list(data_root.catalog.glob("catalog*.duckdb"))) == 1


def test_a_catalog_killed_while_it_is_made_is_made_by_the_next_commit(data_root: DataRoot) -> None:
    script = COMMIT.replace("sys.addaudithook(strike)", "").replace("now = ", "sys.addaudithook(strike)\nnow = ")
    command = [sys.executable, "-c", script, str(data_root.path), "os.rename:catalog.duckdb"]
    assert subprocess.run(command, check=False).returncode == -9
    with transaction(data_root, NOW, publish="now"):
        pass
    assert run_ids(data_root) == []


def test_commits_append_to_the_log_and_never_write_into_the_file(
    data_root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse.generation, "FOLD_BYTES", 20_000)
    row = {"dataset": "sums", "flow": "distill", "started_at": NOW, "state": "running"}
    bytes_of: dict[Path, bytes] = {}
    for number in range(60):
        with transaction(data_root, NOW, publish="now" if number % 3 == 0 else "soon") as catalog:
            catalog.insert("run", [{"run_id": f"{number:02}", **row, "recipe": '"' + "x" * 500 + '"'}])
        path = current(data_root)
        assert path is not None
        assert bytes_of.setdefault(path, path.read_bytes()) == path.read_bytes()
    assert len(bytes_of) > 2, "the log was folded more than once"
    assert len(run_ids(data_root)) == 60


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


@pytest.mark.slow
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


@pytest.mark.slow
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
