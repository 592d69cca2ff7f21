"""The authorities without Ray: what they add to the pool and the book."""

import asyncio
import subprocess
import sys

from tasks.ask.authority import QuotaAuthority
from tasks.ask.exchange import Charging, Limits, Report, RunTerms
from warehouse.layout import DataRoot

ACCOUNT = ("acme", "default")
HOLD = """
import asyncio, sys
from pathlib import Path
from tasks.ask.authority import QuotaAuthority
from tasks.ask.exchange import Limits, RunTerms
from warehouse.layout import DataRoot
there = QuotaAuthority(DataRoot(Path(sys.argv[1])), ("acme", "default"), Limits())
async def go():
    print(await there.open_run(RunTerms("run-0"), Limits()), flush=True)
    sys.stdin.read()
asyncio.run(go())
"""


def test_a_second_ray_on_one_data_root_is_told_who_hands_out_the_quota(data_root: DataRoot) -> None:
    here = QuotaAuthority(data_root, ACCOUNT, Limits(), lock_wait_s=0.2)
    other = [sys.executable, "-c", HOLD, str(data_root.path)]
    with subprocess.Popen(other, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "None\n"
        busy = asyncio.run(here.open_run(RunTerms("run-1"), Limits()))
        assert busy is not None
        assert f"pid {process.pid}" in busy and "quota of account 'acme', pool 'default'" in busy
        process.kill()
    assert asyncio.run(here.open_run(RunTerms("run-1"), Limits())) is None, "its lock went with it"


def test_the_last_run_to_close_is_told_that_nobody_uses_the_authority(data_root: DataRoot) -> None:
    async def go() -> list[bool]:
        pool = QuotaAuthority(data_root, ACCOUNT, Limits())
        for run in ("run-1", "run-2"):
            assert await pool.open_run(RunTerms(run), Limits()) is None
        closed = [await pool.close_run(run) for run in ("run-1", "run-2")]
        grant = await pool.exchange(Report("a", "run-1", "x"))
        assert grant.stop is not None
        return closed

    assert asyncio.run(go()) == [False, True]


def test_a_run_that_counts_the_limits_by_another_rule_waits_for_the_one_that_is_under_way(data_root: DataRoot) -> None:
    async def go() -> list[str | None]:
        pool = QuotaAuthority(data_root, ACCOUNT, Limits(), Charging("sum"))
        said = [await pool.open_run(RunTerms("run-1"), Limits(), Charging("sum"))]
        said.append(await pool.open_run(RunTerms("run-2"), Limits(), Charging("max_of")))
        await pool.close_run("run-2")  # as a run does that was refused
        said.append(await pool.open_run(RunTerms("run-3"), Limits(), Charging("sum")))
        return said

    first, clash, third = asyncio.run(go())
    assert first is None and third is None
    assert clash is not None and "account 'acme', pool 'default': run run-1" in clash
    assert "by the rule 'sum'" in clash and "'max_of': correct quota.charge" in clash
