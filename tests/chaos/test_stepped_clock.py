"""The wall clock of a run's every process jumps by an hour, forth and back, while it asks: leases do not notice."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from asking_runs import Run
from chaos_runs import Account, account_of
from simulated import SimulatedTeacher

from warehouse.catalog import connect
from warehouse.layout import DataRoot

pytestmark = [pytest.mark.line, pytest.mark.slow]

ROWS = 300
HOUR_S = 3600
RPM = 1200
QUOTA = {"requests_per_minute": RPM, "concurrency": 16}


class WallClock:
    """What a run's processes add to the wall clock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._file, library = folder / "step", folder / "step.so"
        if shutil.which("cc") is None:
            pytest.skip("there is no C compiler to build the clock with")
        source = Path(__file__).with_name("step.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
        self._file.write_bytes(struct.pack("q", 0))
        monkeypatch.setenv("WALL_STEP_FILE", str(self._file))
        monkeypatch.setenv("LD_PRELOAD", str(library))

    def step(self, seconds: int) -> None:
        with self._file.open("r+b") as file:  # in place: the run has this very file mapped
            file.write(struct.pack("q", seconds))


def test_a_wall_clock_that_jumps_both_ways_changes_nothing(
    data_root: DataRoot, prefect_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SimulatedTeacher(latency=0.3, rpm=RPM, burst_seconds=2.0, retry_after_as="date") as teacher:
        clock = WallClock(tmp_path, monkeypatch)
        with Run.start(data_root, teacher, prefect_url, "run-1", count=ROWS, batch_rows=75, quota=QUOTA) as run:
            run.wait_for("answered", 50)
            clock.step(HOUR_S)
            run.wait_for("answered", 120)
            teacher.switch(storm_seconds=2.0)  # with dates by the teacher's clock in Retry-After
            run.wait_for("answered", 180)
            clock.step(-HOUR_S)
            done = run.end(seconds=60)
        monkeypatch.undo()
        report, found = teacher.referee(), account_of(data_root, teacher, ROWS)
    with connect(data_root) as warehouse:
        (spread, longest, shortest), *_ = warehouse.execute(
            "select epoch(max(sent_at) - min(sent_at)), max(latency_s), min(latency_s) from attempts"
        ).fetchall()
    print(f"sent over {spread:.0f} s of wall time; latencies {shortest:.2f} to {longest:.2f} s; {found}")
    assert spread > 1.9 * HOUR_S, "the run saw both steps"
    assert 0.2 < longest < 30 and shortest >= 0
    assert done["answered"] == ROWS and found == Account(answered=ROWS, failed=0, maybe_paid=0, not_asked=0, twice=0)
    assert report["refused_429"]["requests"] == 0 and report["refused_429"]["storm"] <= 16
    assert report["violations"] == {}, "nobody came before Retry-After"
