"""Locks exclude other processes and threads, name their holder, and die with it."""

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest

from warehouse.errors import Busy
from warehouse.layout import DataRoot
from warehouse.locks import hold, holder

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOLDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from warehouse.layout import DataRoot
from warehouse.locks import hold
with hold(DataRoot(Path(sys.argv[1])), "sums", "a run of sums", datetime(2026, 11, 21, tzinfo=UTC)):
    print("held", flush=True)
    sys.stdin.read()
"""


def start_holder(root: DataRoot) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", HOLDER, str(root.path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def stop(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_a_lock_that_another_process_holds_is_busy_and_names_it(data_root: DataRoot) -> None:
    process = start_holder(data_root)
    try:
        with pytest.raises(Busy) as caught, hold(data_root, "sums", "another run", NOW):
            pass
        message = str(caught.value)
        assert f"pid {process.pid} on " in message and "since 2026-11-21" in message and "a run of sums" in message
        assert "\n" not in message and message.endswith("wait for it or stop it")
        assert f"pid {process.pid}" in str(holder(data_root, "sums"))
    finally:
        stop(process)


def test_a_lock_is_free_once_its_holder_is_killed(data_root: DataRoot) -> None:
    stop(start_holder(data_root))
    assert holder(data_root, "sums") is None
    with hold(data_root, "sums", "the next run", NOW):
        pass


def test_a_lock_is_waited_for(data_root: DataRoot) -> None:
    process = start_holder(data_root)
    threading.Timer(0.3, stop, [process]).start()
    with hold(data_root, "sums", "the next run", NOW, wait=20):
        assert "the next run" in str(holder(data_root, "sums"))


def test_two_threads_exclude_each_other(data_root: DataRoot) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with hold(data_root, "sums", f"thread {number}", NOW, wait=20):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


def test_locks_of_other_names_do_not_matter(data_root: DataRoot) -> None:
    with hold(data_root, "sums", "a run", NOW), hold(data_root, "echo", "a run", NOW):
        assert holder(data_root, "third") is None


def test_looking_at_a_free_lock_never_makes_it_busy(data_root: DataRoot) -> None:
    with hold(data_root, "sums", "first", NOW):
        pass
    stopped = threading.Event()

    def look() -> None:
        while not stopped.is_set():
            holder(data_root, "sums")

    thread = threading.Thread(target=look)
    thread.start()
    try:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            with hold(data_root, "sums", "a run", NOW):
                pass
    finally:
        stopped.set()
        thread.join()


def test_a_lock_is_released_when_its_block_raises(data_root: DataRoot) -> None:
    with pytest.raises(KeyError), hold(data_root, "sums", "a run", NOW):
        raise KeyError("x")
    assert holder(data_root, "sums") is None


@pytest.mark.parametrize("name", ["", "../sums", "a/b", ".hidden"])
def test_a_lock_name_cannot_leave_the_folder(data_root: DataRoot, name: str) -> None:
    with pytest.raises(ValueError), hold(data_root, name, "a run", NOW):
        pass
