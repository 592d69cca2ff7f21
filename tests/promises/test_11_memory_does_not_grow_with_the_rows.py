"""Promise 11: memory does not grow with the number of rows, but for a stated few bytes a row in planning.

Planning runs in a process of its own over few and over many rows; what grows is the difference of the two peaks.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

NOISE_BYTES = 24 * 2**20
"""Two runs over the same rows differ by this much: allocators, DuckDB's buffers, garbage not yet collected."""
STATED_BYTES_A_ROW = 64
"""Planning keeps two masks of one byte a prompt; 64 leaves room for what the allocator rounds up."""

PROGRAM = """
import json, resource, sys
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, {tests!r})
from rows_of_a_stage import {stage}
{stage}(Path(sys.argv[1]), int(sys.argv[2]), datetime(2026, 11, 21, tzinfo=UTC))
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
"""


def peak(stage: str, rows: int, folder: Path) -> int:
    """The largest resident set, in bytes, of a process that runs one stage."""
    program = PROGRAM.format(tests=str(Path(__file__).parents[1]), stage=stage)
    arguments = [sys.executable, "-c", program, str(folder / str(rows)), str(rows)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return int(json.loads(done.stdout.splitlines()[-1]))


def test_planning_six_times_the_rows_needs_no_more_memory(tmp_path: Path) -> None:
    few, many = peak("plan_rows", 10_000, tmp_path), peak("plan_rows", 60_000, tmp_path)
    print(f"planning: {few / 2**20:.0f} MiB for 10,000 prompts, {many / 2**20:.0f} MiB for 60,000")
    assert many - few < NOISE_BYTES + STATED_BYTES_A_ROW * 50_000
