"""Migrations of the catalog's tables: numbered, forward only, each in one transaction with its record.

A file that was applied is never edited (its checksum is kept), and a catalog that knows more files than
this code stops. Views are not migrated: they are made anew at every publication.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

import duckdb

from warehouse.errors import BadInput

MIGRATIONS_TABLE = """
create schema if not exists store;
create table if not exists store.migration (
    name text primary key,
    sha256 text not null,
    applied_at timestamptz not null
);
"""


@dataclass(frozen=True)
class Migration:
    """One numbered file of SQL."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def shipped_migrations() -> tuple[Migration, ...]:
    """The migrations that this code knows, in order."""
    folder = files("warehouse") / "sql" / "migrations"
    found = (Migration(file.name.removesuffix(".sql"), file.read_text()) for file in folder.iterdir())
    return tuple(sorted(found, key=lambda migration: migration.name))


def migrate(
    connection: duckdb.DuckDBPyConnection, migrations: tuple[Migration, ...], where: str, now: datetime
) -> None:
    """Bring the tables up to date; `BadInput` when the catalog is newer than the code, or a file edited."""
    connection.execute(MIGRATIONS_TABLE)
    applied = applied_migrations(connection)
    check_known(applied, migrations, where)
    for migration in migrations:
        if migration.name not in applied:
            _apply(connection, migration, now)


def applied_migrations(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What was applied to an open catalog or warehouse: the checksum by name."""
    return dict(connection.execute("select name, sha256 from store.migration order by name").fetchall())


def check_known(applied: dict[str, str], migrations: tuple[Migration, ...], where: str) -> None:
    """Raise `BadInput` unless every applied migration is one of ours, unedited."""
    known = {migration.name: migration.sha256 for migration in migrations}
    for name, sha256 in applied.items():
        if name not in known:
            raise BadInput(
                f"{where} was written by a newer Stillhouse (migration {name}): upgrade Stillhouse to use it"
            )
        if known[name] != sha256:
            raise BadInput(
                f"migration {name} was edited after it was applied to {where}: restore it, and add a new one"
            )


def _apply(connection: duckdb.DuckDBPyConnection, migration: Migration, now: datetime) -> None:
    connection.execute("begin transaction")
    try:
        connection.execute(migration.sql)
        connection.execute("insert into store.migration values (?, ?, ?)", [migration.name, migration.sha256, now])
        connection.execute("commit")
    except duckdb.Error:
        connection.execute("rollback")
        raise
