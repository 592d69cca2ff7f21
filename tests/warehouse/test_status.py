"""Status files are replaced whole."""

import json
import threading
from datetime import UTC, datetime

import pytest

from warehouse.layout import DataRoot
from warehouse.status import all_status, read_status, write_status


def test_the_latest_status_is_read_back(data_root: DataRoot) -> None:
    assert read_status(data_root, "sums") is None
    write_status(data_root, "sums", {"stage": "ask", "answered": 1})
    write_status(data_root, "sums", {"stage": "judge", "at": datetime(2026, 11, 21, tzinfo=UTC)})
    write_status(data_root, "a.b", {"stage": "ask"})
    assert read_status(data_root, "sums") == {"stage": "judge", "at": "2026-11-21 00:00:00+00:00"}
    assert list(all_status(data_root)) == ["a.b", "sums"]


def test_a_reader_never_sees_half_a_status(data_root: DataRoot) -> None:
    write_status(data_root, "sums", {"number": 0, "padding": "x" * 50_000})
    stopped = threading.Event()

    def write() -> None:
        number = 0
        while not stopped.is_set():
            number += 1
            write_status(data_root, "sums", {"number": number, "padding": "x" * 50_000})

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(300):
            status = read_status(data_root, "sums")
            assert status is not None and len(json.dumps(status)) > 50_000
    finally:
        stopped.set()
        thread.join()


def test_a_dataset_name_cannot_leave_the_folder(data_root: DataRoot) -> None:
    with pytest.raises(ValueError):
        write_status(data_root, "../sums", {})
