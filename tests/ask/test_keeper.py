"""A journal that a keeper writes for a worker that cannot: each group once, in order, until it is given up."""

import asyncio
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from asking import call_of, teacher_at

from tasks.ask.adopt import adopt_segment
from tasks.ask.call import WorkerDone
from tasks.ask.journal import encode, owned, read_frames
from tasks.ask.keeper import Keeper
from tasks.ask.place import AtKeeper
from tasks.ask.segment import SegmentHeader
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
