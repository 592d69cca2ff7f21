"""Transactions commit whole or not at all, and what is committed gets published."""

import dataclasses
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from small_warehouse import prompt, small_root, write

from warehouse.catalog import connect, fresh_snapshot, publish, snapshot, transaction
from warehouse.errors import BadInput, Busy, RunFailed
from warehouse.generation import current
from warehouse.layout import DataRoot
from warehouse.migrations import shipped_migrations
from warehouse.transaction import Transaction

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def add_run(catalog: Transaction, run_id: str) -> None:
    row = {"run_id": run_id, "dataset": "sums", "flow": "distill", "started_at": NOW, "state": "running"}
    catalog.insert("run", [{**row, "recipe": {"b": 1, "a": [2]}}])


def run_ids(connection: duckdb.DuckDBPyConnection) -> list[str]:
    with closing(connection):
        return [run_id for (run_id,) in connection.execute("select run_id from runs order by run_id").fetchall()]


def test_what_is_committed_is_read_and_json_is_canonical(data_root: DataRoot) -> None:
    with transaction(data_root, NOW) as catalog:
        add_run(catalog, "1")
        assert catalog.rows("select run_id, started_at from store.run") == [{"run_id": "1", "started_at": NOW}]
    with closing(connect(data_root)) as connection:
        assert connection.execute("select run_id, recipe, started_at from runs").fetchall() == [
            ("1", '{"a":[2],"b":1}', NOW)
        ]


def test_a_transaction_that_raises_changes_nothing(data_root: DataRoot) -> None:
    with transaction(data_root, NOW) as catalog:
        add_run(catalog, "1")
    with pytest.raises(KeyboardInterrupt), transaction(data_root, NOW) as catalog:
        add_run(catalog, "2")
        raise KeyboardInterrupt
    assert run_ids(connect(data_root)) == ["1"]


def test_inserting_a_key_again_leaves_the_first_row(data_root: DataRoot) -> None:
    with transaction(data_root, NOW) as catalog:
        add_run(catalog, "1")
        catalog.execute("update store.run set state = ? where run_id = ?", ["completed", "1"])
        add_run(catalog, "1")
        add_run(catalog, "2")
        catalog.insert("run", [])
        assert catalog.rows("select run_id, state from store.run order by 1") == [
            {"run_id": "1", "state": "completed"},
            {"run_id": "2", "state": "running"},
        ]


@pytest.mark.parametrize(
    ("table", "row", "message"),
    [
        ("nothing", {"a": 1}, "store.nothing is not a table"),
        ("run; drop table store.run", {"a": 1}, "is not a table"),
        ("run", {"run_id": "1", "color": 1}, "store.run has no column color"),
    ],
)
def test_an_unknown_table_or_column_is_named(
    data_root: DataRoot, table: str, row: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message), transaction(data_root, NOW) as catalog:
        catalog.insert(table, [row])


def test_a_listed_part_never_changes(data_root: DataRoot) -> None:
    file = write(data_root, "prompts", "one", [prompt("1")])
    with transaction(data_root, NOW) as catalog:
        catalog.add_files([file])
        catalog.add_files([file])
    changed = dataclasses.replace(file, sha256="0" * 64)
    with (
        pytest.raises(RunFailed, match="prompts/one.parquet was listed with other content"),
        transaction(data_root, NOW) as catalog,
    ):
        catalog.add_files([changed])


def test_publishing_soon_waits_two_seconds_and_a_skipped_one_is_made_up_for(data_root: DataRoot) -> None:
    for run_id, at, published in (("1", 1000.0, ["1"]), ("2", 1001.9, ["1"]), ("3", 1002.1, ["1", "2", "3"])):
        with transaction(data_root, NOW, clock=lambda at=at: at) as catalog:  # type: ignore[misc]
            add_run(catalog, run_id)
        assert run_ids(snapshot(data_root)) == published
    with transaction(data_root, NOW, publish="now", clock=lambda: 1002.2) as catalog:
        add_run(catalog, "4")
    assert run_ids(snapshot(data_root)) == ["1", "2", "3", "4"]
    with transaction(data_root, NOW, clock=lambda: 900.0) as catalog:  # the clock was set back
        add_run(catalog, "5")
    assert run_ids(snapshot(data_root)) == ["1", "2", "3", "4", "5"]


def publish_and_look(root: DataRoot) -> duckdb.DuckDBPyConnection:
    publish(root)
    return snapshot(root)


@pytest.mark.parametrize("look", [connect, fresh_snapshot, publish_and_look])
def test_whoever_looks_sees_what_was_committed_and_not_yet_published(
    data_root: DataRoot, look: Callable[[DataRoot], duckdb.DuckDBPyConnection]
) -> None:
    for run_id in ("1", "2"):
        with transaction(data_root, NOW, clock=lambda: 1000.0) as catalog:
            add_run(catalog, run_id)
    assert run_ids(snapshot(data_root)) == ["1"]
    assert run_ids(look(data_root)) == ["1", "2"]
    assert run_ids(snapshot(data_root)) == ["1", "2"]


def test_a_connection_keeps_its_snapshot_and_a_new_one_sees_more(data_root: DataRoot) -> None:
    small_root(data_root)
    with closing(connect(data_root)) as before:
        with transaction(data_root, NOW, publish="now") as catalog:
            catalog.add_files([write(data_root, "prompts", "more", [prompt("9")])])
        with closing(connect(data_root)) as after:
            assert after.execute("select count(*) from prompts").fetchall() == [(7,)]
            assert before.execute("select count(*) from prompts").fetchall() == [(6,)]


def test_a_connection_can_make_temporary_tables_and_nothing_else(data_root: DataRoot) -> None:
    small_root(data_root)
    with closing(connect(data_root)) as connection:
        connection.execute("create temp table mine as select * from kept")
        assert connection.execute("select count(*) from mine").fetchall() == [(2,)]
        with pytest.raises(duckdb.Error, match="read-only"):
            connection.execute("delete from store.run")
        assert connection.execute("select current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_no_warehouse_is_bad_input_that_says_how_to_make_one(tmp_path: Path) -> None:
    for root in (DataRoot(tmp_path / "nowhere"), DataRoot(tmp_path / "empty").create()):
        for look in (connect, snapshot, fresh_snapshot, publish):
            with pytest.raises(BadInput, match="no warehouse in .*: run `still demo`, or `still run RECIPE`"):
                look(root)
    assert not (tmp_path / "nowhere").exists()


def test_a_root_that_has_moved_reads_right_before_and_after_a_publication(data_root: DataRoot, tmp_path: Path) -> None:
    small_root(data_root)
    with closing(connect(data_root)) as connection:
        reached = connection.execute("from lineage_by_teacher").fetchall()
    moved = DataRoot(tmp_path / "moved here")
    shutil.move(data_root.path, moved.path)
    for _ in range(2):
        with closing(connect(moved)) as connection:
            assert reached and connection.execute("from lineage_by_teacher").fetchall() == reached
            assert connection.execute("select question from kept order by 1").fetchall()[0] == ("What is 1 + 1?",)
            assert connection.execute("select wanted, kept from funnel order by 1 desc").fetchall()[0] == (
                6,
                2,
            )
            assert ("kept",) in connection.execute("show tables").fetchall()
        publish(moved)
    with closing(duckdb.connect(str(moved.warehouse), read_only=True)) as plain:
        assert plain.execute("select count(*) from kept").fetchall() == [(2,)]


def test_a_root_that_an_older_version_published_has_the_views_of_this_one(data_root: DataRoot) -> None:
    small_root(data_root)
    with closing(connect(data_root)) as connection:
        assert connection.execute("select current_database()").fetchall() == [("warehouse",)]  # as it was published
        expected = connection.execute("describe traces").fetchall()
    data_root.warehouse.chmod(0o644)
    with closing(duckdb.connect(str(data_root.warehouse))) as published:
        published.execute("create or replace view traces as select 1 as trace_id")
        published.execute("update store.view_set set sha256 = 'of before'")
        published.execute("alter table store.file drop column layout")
    with closing(connect(data_root)) as connection:
        assert connection.execute("describe traces").fetchall() == expected
        assert connection.execute("select count(*) from traces where not resampled is true").fetchall() == [(3,)]


def test_a_root_that_was_published_before_the_newest_tables_is_read_without_them(data_root: DataRoot) -> None:
    small_root(data_root)
    newest = shipped_migrations()[-1]
    tables = re.findall(r"create table (store\.\w+)", newest.sql)
    data_root.warehouse.chmod(0o644)
    with closing(duckdb.connect(str(data_root.warehouse))) as published:
        published.execute("delete from store.migration where name = ?", [newest.name])
        for table in tables:
            published.execute(f"drop table {table}")
    before = data_root.warehouse.read_bytes()
    with closing(connect(data_root)) as connection:
        assert connection.execute("select count(*) from kept").fetchall() == [(2,)]
        assert connection.execute("select count(*) from lineage_by_teacher").fetchall() == [(1,)]
        assert tables and all(connection.execute(f"from {table}").fetchall() == [] for table in tables)
    assert data_root.warehouse.read_bytes() == before


def test_a_root_under_a_link_is_not_taken_for_a_moved_one(data_root: DataRoot, tmp_path: Path) -> None:
    small_root(data_root)
    (tmp_path / "link").symlink_to(data_root.path)
    with closing(connect(DataRoot(tmp_path / "link"))) as connection:
        assert connection.execute("select current_database(), count(*) from kept").fetchall() == [("warehouse", 2)]


WRITE_BY_HAND = """
import os, signal, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("create table mine as select 1")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_published_file_is_read_only_and_a_stray_log_beside_it_is_removed(data_root: DataRoot) -> None:
    small_root(data_root)
    assert stat.S_IMODE(data_root.warehouse.stat().st_mode) == 0o444
    data_root.warehouse.chmod(0o644)
    subprocess.run([sys.executable, "-c", WRITE_BY_HAND, str(data_root.warehouse)], check=False)
    log = data_root.path / "warehouse.duckdb.wal"
    assert log.stat().st_size > 0
    publish(data_root)
    assert not log.exists()
    with closing(snapshot(data_root)) as connection:
        assert connection.execute("select count(*) from kept").fetchall() == [(2,)]


def test_a_stuck_commit_is_busy_and_names_its_holder(data_root: DataRoot) -> None:
    me = f"held by pid {os.getpid()} on .* since 2026-11-21"
    with transaction(data_root, NOW), pytest.raises(Busy, match=me), transaction(data_root, NOW, wait=0.1):
        pass


OPEN_BY_HAND = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_catalog_that_a_person_has_open_is_busy_and_named(data_root: DataRoot) -> None:
    small_root(data_root)
    command = [sys.executable, "-c", OPEN_BY_HAND, str(current(data_root))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "open\n"
        with pytest.raises(Busy, match=str(process.pid)) as caught, transaction(data_root, NOW, wait=0.1):
            pass
        assert "\n" not in str(caught.value)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", ["a file", "what?"])
def test_a_path_that_cannot_be_a_data_root_is_bad_input(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").write_text("")
    with pytest.raises(BadInput, match="choose"), transaction(DataRoot(tmp_path / name), NOW):
        pass


def test_a_catalog_that_is_no_catalog_is_bad_input(data_root: DataRoot) -> None:
    (data_root.catalog / "catalog.duckdb").write_text("not a database " * 1000)
    with (
        pytest.raises(BadInput, match=r"cannot open .*catalog\.duckdb") as caught,
        transaction(data_root, NOW),
    ):
        pass
    assert "\n" not in str(caught.value)
