"""Migrations run once, in order, each whole or not at all; what is newer or edited stops with one line."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import duckdb
import pytest

from warehouse.catalog import connect, transaction
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.migrations import Migration, applied_migrations, migrate, shipped_migrations

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FIRST = Migration("0001_first", "create table store.one (a int); insert into store.one values (1);")
SECOND = Migration("0002_second", "alter table store.one add column b int;")
BROKEN = Migration("0003_broken", "create table store.two (a int); select * from store.nowhere;")


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect(":memory:")) as opened:
        yield opened


def test_each_migration_runs_once_and_in_order(connection: duckdb.DuckDBPyConnection) -> None:
    migrate(connection, (FIRST,), "here", NOW)
    migrate(connection, (FIRST, SECOND), "here", NOW)
    migrate(connection, (FIRST, SECOND), "here", NOW)
    assert applied_migrations(connection) == {"0001_first": FIRST.sha256, "0002_second": SECOND.sha256}
    assert connection.execute("select * from store.one").fetchall() == [(1, None)]


def test_a_migration_that_fails_leaves_nothing_and_the_earlier_ones_stay(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(duckdb.CatalogException):
        migrate(connection, (FIRST, SECOND, BROKEN), "here", NOW)
    assert list(applied_migrations(connection)) == ["0001_first", "0002_second"]
    assert connection.execute("select table_name from duckdb_tables() where table_name = 'two'").fetchall() == []


def test_an_edited_migration_stops(connection: duckdb.DuckDBPyConnection) -> None:
    migrate(connection, (FIRST,), "here", NOW)
    with pytest.raises(BadInput, match="0001_first was edited after it was applied to here"):
        migrate(connection, (Migration("0001_first", FIRST.sql + " "),), "here", NOW)


def test_a_data_root_of_a_newer_version_is_bad_input_for_writers_and_readers(data_root: DataRoot) -> None:
    with transaction(data_root, NOW, publish="now") as catalog:
        catalog.execute("insert into store.migration values ('0999_future', 'x', ?)", [NOW])
    message = "written by a newer Stillhouse .migration 0999_future.: upgrade"
    with pytest.raises(BadInput, match=message), transaction(data_root, NOW):
        pass
    with pytest.raises(BadInput, match=message):
        connect(data_root)


def test_shipped_migrations_are_numbered_without_gaps() -> None:
    numbers = [int(migration.name.split("_")[0]) for migration in shipped_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
