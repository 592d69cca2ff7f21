"""One authority holds every budget of a data root, and whatever dies, nothing is forgotten."""

import asyncio
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asking import spent_so_far
from small_segment import AT, answer, received, segment_file, sent

from tasks.ask.adopt import adopt_journals
from tasks.ask.billed import count_billed
from tasks.ask.segment import EPOCH
from tasks.ask.spend import AccountCeiling, Amount, Ceiling, Rates, RunBudget, SpendReport
from tasks.ask.spend_authority import SpendAuthority
from warehouse.errors import Busy
from warehouse.layout import DataRoot

NOW = EPOCH + timedelta(microseconds=AT)
WORST = Amount(1, 400, 0.003)
ACCOUNT = "simulated"
FRAMES = (sent(1), received(1, 200, answer()), sent(2), received(2, 200, answer(usage=False)), sent(3))
"""One answer at 120 tokens, one of unknown usage and one in flight, each at 400 at the worst."""
HOLD = """
import asyncio, sys
from pathlib import Path
from tasks.ask.spend import RunBudget
from tasks.ask.spend_authority import SpendAuthority
from warehouse.layout import DataRoot
there = SpendAuthority(DataRoot(Path(sys.argv[1])))
async def go():
    print(await there.open_run(RunBudget("run-0", "other")), flush=True)
    sys.stdin.read()
asyncio.run(go())
"""


def authority(root: DataRoot, at: datetime = NOW, wait_s: float = 0.0, is_restart: bool = False) -> SpendAuthority:
    return SpendAuthority(root, now=lambda: at, lock_wait_s=0.2, wait_s=wait_s, is_restart=is_restart)


def budget(dataset: str = "other", run_id: str = "run-2", ceiling: Ceiling | None = None, **account: int) -> RunBudget:
    daily = Ceiling(tokens=account.pop("daily", None))
    accounts = {ACCOUNT: AccountCeiling(Ceiling(**account), daily)}
    return RunBudget(run_id, dataset, ceiling or Ceiling(), accounts)


def wants(count: int, run_id: str = "run-2", worker: str = "w") -> SpendReport:
    return SpendReport(worker, run_id, wants=(WORST,) * count, account=ACCOUNT)


def fits(root: DataRoot, opened: RunBudget, at: datetime = NOW) -> int:
    """How many requests a fresh authority lets a run reserve."""

    async def go() -> int:
        there = authority(root, at)
        assert await there.open_run(opened) is None
        fitting = (await there.exchange(wants(50, opened.run_id))).requests
        assert await there.close_run(opened.run_id)
        return fitting

    return asyncio.run(go())


@contextmanager
def held(path: Path) -> Iterator[None]:
    """As by a worker that is still asking."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_journal_that_nobody_has_adopted_counts_for_another_runs_account(data_root: DataRoot) -> None:
    segment_file(data_root, *FRAMES)
    assert fits(data_root, budget(tokens=920 + 800)) == 2
    assert fits(data_root, budget(requests=3 + 4)) == 4
    assert fits(data_root, budget("sums", ceiling=Ceiling(tokens=920 + 400))) == 1
    assert fits(data_root, budget()) == 50


def test_it_counts_the_same_once_it_is_adopted(data_root: DataRoot) -> None:
    segment_file(data_root, *FRAMES)
    before = count_billed(data_root, {}).billed
    adopt_journals.fn(data_root, datetime.now(UTC), None, 0.0)
    assert count_billed(data_root, {}).billed == before
    assert before.accounts[ACCOUNT] == before.datasets["sums"] == before.days[ACCOUNT, NOW.date()]
    assert (before.accounts[ACCOUNT].requests, before.accounts[ACCOUNT].tokens) == (3, 120 + 400 + 400)


def test_a_journal_that_was_committed_and_not_yet_deleted_counts_once(data_root: DataRoot) -> None:
    path = segment_file(data_root, *FRAMES)
    content = path.read_bytes()
    adopt_journals.fn(data_root, datetime.now(UTC), None, 0.0)
    path.write_bytes(content)
    assert spent_so_far(data_root, "sums").tokens == 920


def test_what_was_sent_on_another_day_is_not_of_this_day(data_root: DataRoot) -> None:
    segment_file(data_root, *FRAMES)
    assert fits(data_root, budget(daily=920 + 400)) == 1
    assert fits(data_root, budget(daily=920 + 400), NOW + timedelta(days=1)) == 3


def test_attempts_that_were_made_before_the_price_was_known_count_at_the_price_of_today(data_root: DataRoot) -> None:
    segment = segment_file(data_root, *FRAMES)
    unpriced = segment.read_bytes()
    assert b"usd_per_token_in" in unpriced
    adopt_journals.fn(data_root, datetime.now(UTC), None, 0.0)
    known = count_billed(data_root, {"simulated": Rates(1.0, 1.0)}).billed.datasets["sums"].usd
    assert known < 1.0, "what the ledger has a cost for keeps it"


def test_a_worker_of_a_lost_authority_is_waited_for_and_then_named(data_root: DataRoot) -> None:
    path = segment_file(data_root, *FRAMES)

    async def go() -> None:
        with held(path):
            in_the_way = await authority(data_root).open_run(budget(tokens=2000))
            assert in_the_way is not None and "a worker of run run-1 (dataset sums) still asks" in in_the_way
            assert await authority(data_root).open_run(budget()) is not None, "the lock is held by the first"

    asyncio.run(go())


def test_a_worker_that_no_ceiling_of_the_run_concerns_is_not_waited_for(data_root: DataRoot) -> None:
    path = segment_file(data_root, *FRAMES)
    with held(path):
        assert fits(data_root, budget()) == 50
        assert fits(data_root, budget(ceiling=Ceiling(tokens=800))) == 2, "nor one of another dataset"


def test_a_worker_that_lets_go_while_it_is_waited_for_is_counted_from_its_journal(data_root: DataRoot) -> None:
    path = segment_file(data_root, *FRAMES)

    async def go() -> int:
        there = authority(data_root, wait_s=10.0)
        with held(path):
            opening = asyncio.create_task(there.open_run(budget(tokens=920 + 400)))
            await asyncio.sleep(0.1)
            assert not opening.done()
        assert await opening is None
        return (await there.exchange(wants(5))).requests

    assert asyncio.run(go()) == 1


def test_a_second_run_counts_the_workers_of_the_first_once(data_root: DataRoot) -> None:
    async def go() -> None:
        there = authority(data_root)
        assert await there.open_run(budget("sums", "run-1", tokens=4000)) is None
        path = segment_file(data_root, sent(1), received(1, 200, answer()))
        with held(path):
            mine = SpendReport("seg-1", "run-1", wants=(WORST,) * 3, account=ACCOUNT)
            assert (await there.exchange(mine)).requests == 3
            assert await there.open_run(budget(tokens=4000)) is None
            assert (await there.exchange(wants(50))).requests == 7, "three are reserved, none is written down"
        assert await there.open_run(budget("third", "run-3", tokens=4000)) is None
        third = await there.exchange(wants(50, "run-3", "w3"))
        assert third.requests == (4000 - 120) // 400, "the second sent nothing: it has no journal"

    asyncio.run(go())


def test_a_second_ray_on_one_data_root_is_told_who_spends(data_root: DataRoot) -> None:
    other = [sys.executable, "-c", HOLD, str(data_root.path)]
    with subprocess.Popen(other, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "None\n"
        busy = asyncio.run(authority(data_root).open_run(budget()))
        assert busy is not None and f"pid {process.pid}" in busy and "the budgets" in busy
        process.kill()
    assert fits(data_root, budget()) == 50, "its lock went with it"


def test_every_run_has_a_budget_of_its_own(data_root: DataRoot) -> None:
    async def go() -> None:
        spend = authority(data_root)
        await spend.open_run(budget("sums", "run-1", Ceiling(tokens=399)))
        await spend.open_run(budget("other", "run-2"))
        assert (await spend.exchange(wants(1, "run-1", "a"))).requests == 0
        assert (await spend.exchange(wants(1, "run-2", "b"))).requests == 1
        await spend.close_worker("run-2", "b", Amount(1, 7, 0.0))
        assert (await spend.snapshot("run-2"))[0].spent.tokens == 7
        assert not await spend.close_run("run-1")
        assert await spend.close_run("run-2")
        assert (await spend.exchange(wants(1, "run-2", "b"))).requests == 0

    asyncio.run(go())


def test_a_restarted_authority_reserves_nothing_before_it_has_heard_of_everything_that_is_out(
    data_root: DataRoot,
) -> None:
    opened = budget("sums", "run-1", Ceiling(tokens=4000))
    ended = Amount(3, 920, 0.0)

    async def go() -> None:
        first = authority(data_root)
        assert await first.open_run(opened) is None
        first._lock.close()  # as its death does
        segment_file(data_root, *FRAMES, segment_id="ended")
        asking = segment_file(data_root, sent(1), received(1, 200, answer()), segment_id="asking")
        with held(asking):
            again = authority(data_root, wait_s=10.0, is_restart=True)
            assert (await again.exchange(wants(5, "run-1", "new"))).requests == 0, "it has heard one worker of two"
            await asyncio.sleep(0.5)
            assert (await again.exchange(wants(5, "run-1", "new"))).requests == 0
            mine = SpendReport("asking", "run-1", WORST, Amount(1, 120, 0.0), account=ACCOUNT, reserved=times(WORST, 4))
            while await still_counting(again, mine):
                await asyncio.sleep(0.01)
            (standing, *_) = await again.snapshot("run-1")
            assert (standing.spent.requests, standing.spent.tokens) == (3 + 1, 920 + 120)
            assert standing.held == times(WORST, 3)
            room = (4000 - 920 - 120 - 3 * 400) // 400
            assert (await again.exchange(wants(50, "run-1", "later"))).requests == room
        late = SpendReport("ended", "run-1", spent=ended, leaving=True, account=ACCOUNT)
        await again.exchange(late)
        assert (await again.snapshot("run-1"))[0].spent.tokens == 920 + 120, "its journal was counted"
        assert await again.close_run("run-1")

    asyncio.run(go())


def test_a_restarted_authority_whose_lock_another_has_taken_says_so(data_root: DataRoot) -> None:
    async def go() -> None:
        first = authority(data_root)
        assert await first.open_run(budget()) is None  # and lives on: the lock is held
        again = authority(data_root, is_restart=True)
        assert (await again.exchange(wants(1))).requests == 0
        with pytest.raises(Busy, match="the budgets"):
            for _ in range(500):
                await asyncio.sleep(0.01)
                await again.exchange(wants(1))

    asyncio.run(go())


async def still_counting(there: SpendAuthority, mine: SpendReport) -> bool:
    """Report as a worker does, and see whether a request of nothing is reserved yet."""
    reserve = await there.exchange(replace(mine, wants=(Amount(),)))
    return reserve.requests == 0


def times(amount: Amount, count: int) -> Amount:
    return sum((amount for _ in range(count)), Amount())
