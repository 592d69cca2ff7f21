"""What the journal confirmed is there afterwards, whatever happened in between."""

import asyncio
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_disk import disk_of

from tasks.ask.journal import MAGIC, Frame, Journal, blotted, encode, owned, read_frames, redacted
from warehouse.errors import RunFailed

HEADER = {"segment_id": "s-1"}


async def write(path: Path, count: int) -> None:
    journal = Journal.create(path, HEADER)
    await asyncio.gather(*(journal.append("received", {"n": n}, bytes([n]) * 10) for n in range(count)))
    await journal.close()


def numbers(path: Path) -> list[int]:
    return [frame.fields["n"] for frame in read_frames(path) if frame.kind != "segment"]


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "sums" / "s-1.journal"
    asyncio.run(write(path, 50))
    frames = list(read_frames(path))
    assert frames[0] == Frame("segment", HEADER)
    assert frames[1] == Frame("received", {"n": 0}, b"\0" * 10)
    assert numbers(path) == list(range(50))


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 500), noise=st.binary(max_size=40))
def test_a_torn_tail_hides_nothing_before_it(cut: int, noise: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    frames = [encode("segment", HEADER)] + [encode("sent", {"n": n}, b"body") for n in range(8)]
    data = MAGIC + b"".join(frames)
    cut = min(cut, len(data))
    path = tmp_path_factory.mktemp("torn") / "s.journal"
    path.write_bytes(data[:cut] + noise)
    ends = [len(MAGIC) + sum(map(len, frames[: at + 1])) for at in range(len(frames))]
    whole = sum(1 for end in ends if end <= cut)
    assert len(list(read_frames(path))) >= whole
    assert numbers(path)[: max(0, whole - 1)] == list(range(max(0, whole - 1)))


def test_a_flipped_bit_ends_the_segment_there(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    asyncio.run(write(path, 5))
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    assert numbers(path) == [0, 1, 2, 3]


def test_records_that_arrive_together_share_an_fsync(tmp_path: Path) -> None:
    async def go() -> tuple[float, float]:
        journal = Journal.create(tmp_path / "s.journal", HEADER)
        began = time.monotonic()
        await journal.append("sent", {"n": 0})
        alone = time.monotonic() - began
        began = time.monotonic()
        await asyncio.gather(*(journal.append("sent", {"n": n}) for n in range(1, 301)))
        together = time.monotonic() - began
        await journal.close()
        return alone, together

    alone, together = asyncio.run(go())
    assert together < 300 * alone / 10
    assert len(numbers(tmp_path / "s.journal")) == 301


def test_a_record_is_on_the_disk_when_append_returns(tmp_path: Path) -> None:
    async def go() -> list[int]:
        journal = Journal.create(tmp_path / "s.journal", HEADER)
        await journal.append("sent", {"n": 1})
        seen = numbers(tmp_path / "s.journal")
        await journal.close()
        return seen

    assert asyncio.run(go()) == [1]


def test_a_cancelled_append_does_not_cancel_its_neighbours(tmp_path: Path) -> None:
    async def go() -> None:
        journal = Journal.create(tmp_path / "s.journal", HEADER)
        first, second = (asyncio.create_task(journal.append("sent", {"n": n})) for n in (1, 2))
        await asyncio.sleep(0)
        first.cancel()
        await second
        await journal.close()

    asyncio.run(go())
    assert numbers(tmp_path / "s.journal") == [1, 2]


def test_closing_makes_durable_what_nobody_waits_for_any_more(tmp_path: Path) -> None:
    async def go() -> None:
        journal = Journal.create(tmp_path / "s.journal", HEADER)
        append = asyncio.create_task(journal.append("received", {"n": 1}, b"paid for"))
        await asyncio.sleep(0)
        append.cancel()
        await journal.close()

    asyncio.run(go())
    assert numbers(tmp_path / "s.journal") == [1]


def test_a_full_disk_is_one_line_and_leaves_no_half_record(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"

    async def go() -> None:
        journal = Journal.create(path, HEADER)
        await journal.append("sent", {"n": 1})
        with disk_of(path.stat().st_size + 50):
            with pytest.raises(RunFailed, match="cannot write .*s.journal"):
                await journal.append("received", {"n": 1}, b"x" * 1000)
            with pytest.raises(RunFailed):
                await journal.append("sent", {"n": 2})
        await journal.close()

    asyncio.run(go())
    size = path.stat().st_size
    assert numbers(path) == [1]
    assert size == len(MAGIC + encode("segment", HEADER) + encode("sent", {"n": 1}))


def test_a_segment_is_nobody_elses_while_its_writer_lives(tmp_path: Path) -> None:
    async def go() -> None:
        journal = Journal.create(tmp_path / "s.journal", HEADER)
        with owned(tmp_path / "s.journal") as is_mine:
            assert not is_mine
        await journal.close()

    asyncio.run(go())
    with owned(tmp_path / "s.journal") as is_mine:
        assert is_mine
    with owned(tmp_path / "gone.journal") as is_mine:
        assert not is_mine


def test_a_killed_writer_gives_its_segment_up(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    code = (
        "import asyncio,sys,time\nfrom pathlib import Path\nfrom tasks.ask.journal import Journal\n"
        "async def go():\n j = Journal.create(Path(sys.argv[1]), {'segment_id': 's-1'})\n"
        " await j.append('sent', {'n': 1})\n print('ready', flush=True)\n time.sleep(60)\nasyncio.run(go())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
        with owned(path) as is_mine:
            assert not is_mine
        writer.kill()
    with owned(path) as is_mine:
        assert is_mine
    assert numbers(path) == [1]


def test_a_segment_has_its_name_only_once_it_is_locked(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"

    async def go() -> None:
        journal = Journal.create(path, HEADER)
        descriptor = os.open(path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(descriptor)
        await journal.close()

    asyncio.run(go())
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.journal"]


def test_a_key_is_kept_neither_in_headers_nor_in_bodies() -> None:
    headers = {"Set-Cookie": "a", "X-Api-Key": "k", "X-Note": "your key sk-secret is odd", "Date": "now"}
    assert redacted(headers, "sk-secret") == {"x-note": "your key *** is odd", "date": "now"}
    assert blotted(b'{"error": "bad key sk-secret"}', "sk-secret") == b'{"error": "bad key ***"}'
    assert blotted(b"sk-secret", None) == b"sk-secret"
