"""The data root's disk fills up in mid-run: one line, and once there is room the same command finishes."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated import SimulatedTeacher
from still import Place, sums, wait_until

pytestmark = [pytest.mark.line, pytest.mark.long]

ROWS = 400
CONCURRENCY = 16


@pytest.fixture
def small_disk(place: Place) -> Iterator[Path]:
    """A file system of its own under the data root."""
    place.root.path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "stillhouse-test", str(place.root.path)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield place.root.path
    subprocess.run(["umount", "--lazy", str(place.root.path)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for block in (1 << 20, 4096):
            while os.statvfs(disk).f_bavail * 4096 >= block:
                file.write(bytes(block))
    return ballast


def test_a_full_disk_is_one_line_and_nothing_is_lost(place: Place, small_disk: Path) -> None:
    with SimulatedTeacher(latency=0.4, concurrency=CONCURRENCY) as teacher:
        place.write_teacher(teacher.base_url, quota={"concurrency": CONCURRENCY})
        recipe = place.write_recipe(sums(ROWS), batch_rows=100)
        process = place.start("run", recipe)
        wait_until(lambda: place.status().get("answered", 0) > 60 or process.poll() is not None, 120, "no answers")
        ballast = fill(small_disk)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 1, f"exit {process.returncode}\n{out}\n{err}"
        (line,) = [line for line in err.splitlines() if "No space left on device" in line]
        ballast.unlink()
        again = place.run(recipe)
        maybe = {row["request_key"] for row in place.sql("select request_key from attempts where state = 'maybe_paid'")}
        paid = Counter(row["request_key"] for row in place.sql("select request_key from traces"))
        if again["funnel"]["maybe_paid"]:
            again = place.run(recipe)
        twice = {seen["client_request_id"] for seen in teacher.questions() if seen["answered"] > 1} - {"preflight"}
    print(f"{line!r}; {len(maybe)} may have been paid, {len(twice)} were paid twice; {again['funnel']}")
    assert "make room or mend the disk, then run" in line
    assert "Traceback" not in err
    assert twice <= maybe and len(maybe) <= CONCURRENCY
    assert set(paid.values()) == {1}
    funnel = again["funnel"]
    assert funnel["wanted"] == funnel["answered"] + funnel["reused"] == ROWS
