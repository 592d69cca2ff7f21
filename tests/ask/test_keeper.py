"""A journal that a keeper writes for a worker that cannot: each group once, in order, until it is given up."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from asking import LocalAuthorities, batch_file, call_of, rows_of, teacher_at
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError
from small_disk import disk_of

from tasks.ask.adopt import adopt_segment
from tasks.ask.authority import QuotaAuthority
from tasks.ask.call import WorkerDone
from tasks.ask.exchange import Limits
from tasks.ask.journal import Journal, encode, owned, read_frames
from tasks.ask.keeper import Converter, Keeper
from tasks.ask.keeping import Actors, KeeperGone, calling
from tasks.ask.loop import run_loop
from tasks.ask.place import AtKeeper, Here, find_place
from tasks.ask.rows import read_rows
from tasks.ask.segment import SegmentHeader, read_segment
from tasks.ask.shared_root import ROOT_ID
from tasks.ask.spend_authority import SpendAuthority
from tasks.ask.worker import ask_batch_rows
from warehouse.errors import RunFailed
from warehouse.layout import DataRoot

NAME = "seg-1"


def header_of(root: DataRoot, name: str = NAME) -> SegmentHeader:
    return SegmentHeader.of(call_of(root, teacher_at("http://x/v1")), "sums-0000", name)


def path_of(root: DataRoot, name: str = NAME) -> Path:
    return root.journal / "sums" / f"{name}.journal"


def numbers(path: Path) -> list[int]:
    return [frame.fields["n"] for frame in read_frames(path) if frame.kind != "segment"]


def is_held(path: Path) -> bool:
    with owned(path) as is_mine:
        return not is_mine


def frame(n: int) -> bytes:
    return encode("sent", {"n": n})


def test_groups_are_on_the_disk_when_they_are_acknowledged(data_root: DataRoot) -> None:
    async def go() -> None:
        keeper = Keeper(data_root)
        at = await keeper.open(header_of(data_root))
        for n in range(5):
            await keeper.append(NAME, at, frame(n))
            at += len(frame(n))
            assert numbers(path_of(data_root)) == list(range(n + 1))

    asyncio.run(go())


def test_a_call_that_is_made_twice_happens_once(data_root: DataRoot) -> None:
    async def go() -> None:
        keeper = Keeper(data_root)
        at = await keeper.open(header_of(data_root))
        assert await keeper.open(header_of(data_root)) == at
        await asyncio.gather(*(keeper.append(NAME, at, frame(1)) for _ in range(3)))
        await keeper.append(NAME, at + len(frame(1)), frame(2))
        await keeper.append(NAME, at + len(frame(1)), frame(2))
        await keeper.close(NAME)
        await keeper.close(NAME)

    asyncio.run(go())
    assert numbers(path_of(data_root)) == [1, 2]


@pytest.mark.parametrize("shift", [-1, 1, 1000])
def test_a_group_that_does_not_go_on_where_the_segment_ends_is_refused(data_root: DataRoot, shift: int) -> None:
    async def go() -> None:
        keeper = Keeper(data_root)
        at = await keeper.open(header_of(data_root))
        await keeper.append(NAME, at, frame(1))
        with pytest.raises(RunFailed, match=r"seg-1.journal ends at byte \d+, and its worker would go on at"):
            await keeper.append(NAME, at + len(frame(1)) + shift, frame(2))
        with pytest.raises(RunFailed, match="would go on at"):
            await keeper.append(NAME, at, frame(3))  # other bytes than those that are there

    asyncio.run(go())
    assert numbers(path_of(data_root)) == [1]


def test_a_segment_is_nobody_elses_until_it_is_given_up_and_grows_no_more_then(data_root: DataRoot) -> None:
    async def go() -> None:
        keeper = Keeper(data_root)
        at = await keeper.open(header_of(data_root))
        await keeper.append(NAME, at, frame(1))
        assert is_held(path_of(data_root))
        await keeper.close(NAME)
        assert not is_held(path_of(data_root))
        with pytest.raises(RunFailed, match="seg-1 was given up: its worker was taken for dead"):
            await keeper.append(NAME, at + len(frame(1)), frame(2))

    asyncio.run(go())
    assert numbers(path_of(data_root)) == [1]


def test_a_worker_that_was_given_up_before_it_began_never_begins(data_root: DataRoot) -> None:
    async def go() -> None:
        keeper = Keeper(data_root)
        await keeper.close(NAME)
        with pytest.raises(RunFailed, match="was given up"):
            await keeper.open(header_of(data_root))

    asyncio.run(go())
    assert not path_of(data_root).exists()


def test_a_group_on_its_way_to_the_disk_is_there_before_its_segment_is_given_up(data_root: DataRoot) -> None:
    async def go() -> None:
        keeper = Keeper(data_root)
        at = await keeper.open(header_of(data_root))
        append = asyncio.create_task(keeper.append(NAME, at, frame(1)))
        await asyncio.sleep(0)
        await keeper.close(NAME)
        assert numbers(path_of(data_root)) == [1] and append.done()
        await append

    asyncio.run(go())


def test_closing_lets_every_segment_go(data_root: DataRoot) -> None:
    async def go() -> None:
        keeper = Keeper(data_root)
        for name in ("seg-1", "seg-2"):
            await keeper.open(header_of(data_root, name))
        await keeper.close_all()

    asyncio.run(go())
    assert not is_held(path_of(data_root)) and not is_held(path_of(data_root, "seg-2"))


class Near(Keeper):
    """A keeper in this process, with its converter; it dies after so many groups."""

    def __init__(self, root: DataRoot, groups: int | None = None) -> None:
        super().__init__(root)
        self._converter, self._groups = Converter(root), groups

    async def append(self, segment_id: str, offset: int, group: bytes) -> None:
        if self._groups == 0:
            raise KeeperGone("the keeper has gone; run again")
        if self._groups is not None:
            self._groups -= 1
        await super().append(segment_id, offset, group)

    async def convert(self, header: SegmentHeader) -> WorkerDone:
        return self._converter.convert(header)


class Mocked:
    """A teacher that answers everything, and remembers the intents that were on the disk when it was asked."""

    def __init__(self, root: DataRoot) -> None:
        self._path = path_of(root)
        self.asked: list[str] = []
        self.durable: list[set[str]] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.headers["x-client-request-id"])
        self.durable.append({each.fields["request_key"] for each in read_frames(self._path) if each.kind == "sent"})
        body = {"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 5}}  # fmt: skip
        return httpx.Response(200, json=body)


def work(root: DataRoot, keeper: Near, count: int, teacher: Mocked) -> WorkerDone:
    """One worker on a node that sees nothing of the data root but through its keeper."""
    batch = batch_file(root.scratch("run-1"), "sums-0000", rows_of(count))
    call = call_of(root, teacher_at("http://mock/v1", concurrency=8), drain_s=0.3)
    authorities, transport = LocalAuthorities(call), httpx.MockTransport(teacher)

    async def go() -> WorkerDone:
        place = AtKeeper(keeper)
        rows = read_rows(await place.batch(batch.path), call, frozenset())
        return await ask_batch_rows(rows, "sums-0000", call, NAME, *authorities.exchanges, transport, place)

    return run_loop(go())


def test_a_worker_that_does_not_see_the_data_root_asks_as_any_other(data_root: DataRoot) -> None:
    teacher = Mocked(data_root)
    done = work(data_root, Near(data_root), 40, teacher)
    assert list(done.states.values()) == ["paid"] * 40 and len(set(teacher.asked)) == len(teacher.asked) == 40
    assert all(key in durable for key, durable in zip(teacher.asked, teacher.durable, strict=True))
    assert [file.kind for file in done.files] == ["ledger", "traces"]
    assert all((data_root.path / file.path).exists() for file in done.files)
    assert done.segment == path_of(data_root) and done.spent.requests == 40 and len(done.settled) == 40


def test_without_its_keeper_a_worker_sends_nothing_more_and_what_it_had_received_is_kept(data_root: DataRoot) -> None:
    teacher, keeper = Mocked(data_root), Near(data_root, groups=5)
    with pytest.raises(KeeperGone):
        work(data_root, keeper, 200, teacher)
    segment = read_segment(path_of(data_root))
    assert segment is not None
    intents = {attempt["request_key"] for attempt in segment.attempts}
    assert set(teacher.asked) <= intents and 0 < len(teacher.asked) < 200
    taken = adopt_segment(data_root, path_of(data_root), datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    assert taken is not None, "its lock has gone with it"
    states = list(taken[0].states.values())
    assert states.count("paid") > 0 and len(intents) - 8 <= states.count("paid"), "but for what was in flight"
    assert states.count("paid") + states.count("maybe_paid") == len(intents)


def test_a_full_disk_at_the_keeper_is_one_line_and_leaves_no_half_record(data_root: DataRoot) -> None:
    path = path_of(data_root)

    async def go() -> None:
        journal: Journal = await AtKeeper(Near(data_root)).journal(path, header_of(data_root))
        await journal.append("sent", {"n": 1})
        with disk_of(path.stat().st_size + 50):
            with pytest.raises(RunFailed, match="cannot write .*seg-1.journal"):
                await journal.append("received", {"n": 1}, b"x" * 1000)
            with pytest.raises(RunFailed):
                await journal.append("sent", {"n": 2})
        await journal.close()

    asyncio.run(go())
    assert numbers(path) == [1] and not is_held(path)
    data = path.read_bytes()
    assert data.endswith(frame(1))


def test_records_that_arrive_together_share_a_group(data_root: DataRoot) -> None:
    async def go() -> None:
        keeper = Near(data_root, groups=2)
        journal = await AtKeeper(keeper).journal(path_of(data_root), header_of(data_root))
        await asyncio.gather(*(journal.append("sent", {"n": n}) for n in range(100)))
        await journal.close()

    asyncio.run(go())
    assert numbers(path_of(data_root)) == list(range(100))


def test_a_worker_journals_here_where_it_can_and_else_at_the_keeper_that_it_was_given(data_root: DataRoot) -> None:
    batch, actors = batch_file(data_root.scratch("run-1"), "sums-0000", rows_of(1)), Actors(None, None)
    assert find_place(data_root, batch.path, None) is None, "a folder of the same name is not the data root"
    assert isinstance(find_place(data_root, batch.path, actors), AtKeeper)
    (data_root.journal / ROOT_ID).write_text("a data root")
    assert isinstance(find_place(data_root, batch.path, actors), Here)
    assert find_place(data_root, f"{batch.path}.of-another-node", None) is None


@pytest.mark.parametrize("kind", [SpendAuthority, lambda root: QuotaAuthority(root, ("acme", "default"), Limits())])
def test_an_authority_does_not_start_where_it_does_not_see_the_data_root(kind: Any, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"node \S+ does not see .*nowhere/journal, where an authority locks"):
        kind(DataRoot(tmp_path / "nowhere"))


def call_that(*ends: Exception | str, unreachable_s: float = 10.0) -> str:
    left = list(ends)

    async def once() -> str:
        end = left.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    return str(asyncio.run(calling(once, unreachable_s)))


AWAY = ActorUnavailableError("the network is away", None)


def test_a_call_that_may_not_have_arrived_is_made_again() -> None:
    assert call_that(AWAY, AWAY, "there") == "there"


def test_a_keeper_that_stays_away_or_is_dead_has_gone() -> None:
    with pytest.raises(KeeperGone, match=r"the keeper .* has gone \(.*network is away.*\), so nothing more was sent"):
        call_that(AWAY, unreachable_s=0.0)
    with pytest.raises(KeeperGone, match="has gone .* run again"):
        call_that(ActorDiedError())


def test_what_a_keeper_refuses_is_said_in_its_own_words() -> None:
    with pytest.raises(RunFailed, match="^no room$"):
        call_that(RayTaskError("append", "a traceback", RunFailed("no room")))
