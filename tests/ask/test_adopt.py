"""Segments of dead workers are taken up once, by whoever comes next; those of the living are left alone."""

import asyncio
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asking import call_of, spent_so_far, teacher_at
from small_segment import AT, answer, received, segment_file, sent

from tasks.ask.adopt import Adopted, adopt_journals, commit
from tasks.ask.journal import MAGIC, Journal, encode
from tasks.ask.segment import SegmentHeader, read_segment, write_parts
from tasks.ask.spend import Amount
from warehouse.catalog import connect
from warehouse.errors import RunFailed
from warehouse.layout import DataRoot

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
"""Later than every time in a segment."""


def adopt(root: DataRoot, dataset: str | None = None, wait_s: float = 0.0) -> Adopted:
    return adopt_journals.fn(root, NOW, dataset, wait_s)


def counts(root: DataRoot) -> list[tuple[str, int]]:
    with connect(root) as warehouse:
        return warehouse.execute("select state, count(*) from attempts group by all order by all").fetchall()


def test_what_a_dead_worker_received_is_kept_and_what_it_had_in_flight_may_be_paid(data_root: DataRoot) -> None:
    path = segment_file(data_root, sent(1), sent(2), received(1, 200, answer()), sent(3), received(3, 429, {}))
    assert adopt(data_root) == Adopted(segments=1, answers=1, maybe_paid=1)
    assert counts(data_root) == [("failed", 1), ("maybe_paid", 1), ("paid", 1)]
    assert not path.exists()


def test_a_second_adoption_finds_nothing(data_root: DataRoot) -> None:
    segment_file(data_root, sent(1), received(1, 200, answer()))
    adopt(data_root)
    assert adopt(data_root) == Adopted(0, 0, 0)


def test_a_segment_whose_parts_were_committed_is_only_deleted(data_root: DataRoot) -> None:
    path = segment_file(data_root, sent(1), received(1, 200, answer()))
    segment = read_segment(path)
    assert segment is not None
    commit(data_root, "seg-1", write_parts(data_root, segment), NOW)
    adopt(data_root)
    assert counts(data_root) == [("paid", 1)]
    assert not path.exists()


def test_parts_that_were_written_and_not_committed_are_committed(data_root: DataRoot) -> None:
    path = segment_file(data_root, sent(1), received(1, 200, answer()))
    segment = read_segment(path)
    assert segment is not None
    write_parts(data_root, segment)
    adopt(data_root)
    assert counts(data_root) == [("paid", 1)]


def test_a_segment_without_a_request_is_deleted(data_root: DataRoot) -> None:
    path = segment_file(data_root)
    assert adopt(data_root).segments == 1
    assert not path.exists() and not (data_root.path / "ledger").exists()


def test_a_damaged_segment_stops_the_run_and_is_not_deleted(data_root: DataRoot) -> None:
    path = segment_file(data_root, sent(1), received(1, 200, answer()))
    data = bytearray(path.read_bytes())
    data[len(MAGIC) + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(RunFailed, match="seg-1.journal cannot be read"):
        adopt(data_root)
    assert path.exists()


def open_segment(root: DataRoot, dataset: str) -> tuple[Path, Journal]:
    header = SegmentHeader.of(call_of(root, teacher_at("http://x/v1")), "sums-0001", f"{dataset}-held")
    path = root.journal / dataset / f"{dataset}-held.journal"
    return path, Journal.create(path, vars(header))


def test_a_segment_of_a_living_worker_of_another_dataset_is_left_alone(data_root: DataRoot) -> None:
    path, journal = open_segment(data_root, "other")
    assert adopt(data_root, "sums") == Adopted(0, 0, 0)
    assert path.exists()
    asyncio.run(journal.close())


def test_a_segment_that_stays_held_fails_the_run_with_its_name(data_root: DataRoot) -> None:
    path, journal = open_segment(data_root, "sums")
    with pytest.raises(RunFailed, match="sums-held.journal is still held by a worker"):
        adopt(data_root, "sums", wait_s=0.3)
    assert path.exists()
    asyncio.run(journal.close())


def test_a_held_segment_is_waited_for(data_root: DataRoot) -> None:
    path, journal = open_segment(data_root, "sums")
    timer = threading.Timer(0.4, lambda: asyncio.run(journal.close()))
    timer.start()
    assert adopt(data_root, "sums", wait_s=10.0).segments == 1
    timer.join()
    assert not path.exists()


def test_a_segment_that_never_got_its_name_is_swept_when_it_is_old(data_root: DataRoot) -> None:
    path = data_root.journal / "sums" / "seg-9.journal.new"
    path.parent.mkdir(parents=True)
    path.write_bytes(MAGIC + encode("segment", {}))
    adopt_journals.fn(data_root, datetime.now(UTC), None, 0.0)
    assert path.exists()
    os.utime(path, (1, 1))
    adopt_journals.fn(data_root, datetime.now(UTC), None, 0.0)
    assert not path.exists()


def test_what_was_spent_counts_the_unknown_at_its_worst_over_all_runs(data_root: DataRoot) -> None:
    assert spent_so_far(data_root, "sums") == Amount()
    frames = (
        sent(1), received(1, 200, answer()), sent(2), received(2, 200, answer(usage=False)), sent(3),
        sent(4), received(4, 429, {}), sent(5), encode("unsent", {"n": 5, "error": "refused", "at": AT}),
    )  # fmt: skip
    segment_file(data_root, *frames)
    adopt(data_root)
    spent = spent_so_far(data_root, "sums")
    assert (spent.requests, spent.tokens) == (4, 120 + 400 + 400)
    assert spent.usd == pytest.approx(0.0003 + 0.003 + 0.003)
    assert spent_so_far(data_root, "other") == Amount()
