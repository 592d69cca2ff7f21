"""The catalog's own file, in generations: a file that people's data depends on is never written in place.

DuckDB's checkpoint writes blocks that are already in use (DuckDB 2.0 puts new metadata into the free places of old
blocks), so a process killed in the middle of one can leave a file that no longer opens. Commits therefore only
append to the log beside the file, which DuckDB replays up to the last whole commit. Once the log is long, file and
log are folded into a copy, and the copy becomes the next generation by one rename: `catalog.duckdb`, then
`catalog-1.duckdb`, and so on. The newest is the catalog; older ones are what a kill left, and go.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse.errors import BadInput, Busy, RunFailed
from warehouse.layout import DataRoot
from warehouse.migrations import migrate, shipped_migrations
from warehouse.parts import make_durable, unwritable
from warehouse.views import renew_views

FOLD_BYTES = 1 << 20
"""Bytes of log from which it is folded: replaying so much adds a sixth to a commit (`bench/warehouse/commits.py`)."""

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""No extension is ever fetched."""


def current(root: DataRoot) -> Path | None:
    """The catalog's file, or None where there is none yet."""
    return max(root.catalog.glob("catalog*.duckdb"), key=_number, default=None)


def open_current(root: DataRoot, now: datetime, deadline: float) -> duckdb.DuckDBPyConnection:
    """Open the catalog to write, migrated; it is made where there is none. The lock `catalog` is held.

    What commits appends to the log; nothing is written into the file. Raises `Busy` where somebody has it open by hand
    until `deadline` (monotonic), and `BadInput` where it is no catalog, or a newer version's.
    """
    path = current(root) or _next(root, None, now)
    connection = _connect(path, deadline)
    try:
        connection.execute("pragma disable_checkpoint_on_shutdown")
        connection.execute("set wal_autocheckpoint = '1 TB'")
        _bring_up_to_date(connection, root, now)
    except BaseException:
        connection.close()
        raise
    return connection


def fold(root: DataRoot, now: datetime) -> None:
    """Make the next generation if the log is long. The lock is held and the catalog closed."""
    path = current(root)
    if path is not None and _log(path).exists() and _log(path).stat().st_size >= FOLD_BYTES:
        _next(root, path, now)
    for old in root.catalog.glob("catalog*.duckdb"):
        if old != current(root):
            remove(old)


def rewrite(root: DataRoot, now: datetime) -> None:
    """Make the next generation row by row, so that no deleted or changed value is left in a free place of a block. The
    lock is held and the catalog closed."""
    path = current(root)
    if path is None:
        return
    old, fresh = root.catalog / "rewritten.duckdb", root.catalog / "folding.duckdb"
    remove(fresh)
    copy_with_log(path, old)
    with closing(open_file(str(fresh))) as connection:
        _bring_up_to_date(connection, root, now)
        connection.execute(f"attach '{str(old).replace(chr(39), chr(39) * 2)}' as old")
        sql = """
            select table_name from duckdb_tables()
            where database_name = 'old' and table_name not in ('migration', 'view_set')
        """
        for (table,) in connection.execute(sql).fetchall():
            connection.execute(f'insert into store."{table}" select * from old.store."{table}"')
        connection.execute("detach old")
    remove(old)
    make_durable(fresh)
    os.replace(fresh, root.catalog / f"catalog-{_number(path) + 1}.duckdb")
    make_durable(root.catalog)
    remove(path)


def texts(path: Path) -> Iterator[str]:
    """Every text in the tables of a DuckDB file, whichever way it is compressed; it is opened read-only."""
    with closing(open_file(":memory:")) as connection:
        connection.execute(f"attach '{str(path).replace(chr(39), chr(39) * 2)}' as held (read_only)")
        sql = """
            select c.schema_name, c.table_name, c.column_name
            from duckdb_columns() as c
            join duckdb_tables() as t using (database_name, schema_name, table_name)
            where c.database_name = 'held' and c.data_type in ('VARCHAR', 'JSON')
        """
        for schema, table, column in connection.execute(sql).fetchall():
            reader = connection.execute(f'select "{column}"::varchar from held."{schema}"."{table}"')
            while some := reader.fetchmany(1_000):
                yield from (text for (text,) in some if text)


def copy_with_log(source: Path, target: Path) -> None:
    """Copy a closed DuckDB file and the log beside it; what opens the copy replays the log into the copy."""
    remove(target)
    shutil.copyfile(source, target)
    if _log(source).exists():
        shutil.copyfile(_log(source), _log(target))


def remove(path: Path) -> None:
    """Remove a DuckDB file and its log; the log first, for a log without its file is nobody's."""
    _log(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def open_file(database: str) -> duckdb.DuckDBPyConnection:
    """Open one DuckDB file, or `:memory:`, with our settings."""
    connection = duckdb.connect(database, config=CONFIG)
    connection.execute("set enable_progress_bar = false")  # it would be drawn into what `--json` prints
    connection.execute("set TimeZone = 'UTC'")  # whatever the machine's, so that every day is a UTC day
    return connection


def unreadable(path: Path, error: duckdb.Error) -> BadInput:
    return BadInput(f"cannot open {path}: {str(error).splitlines()[0]}: it may have been written by a newer version")


def _next(root: DataRoot, old: Path | None, now: datetime) -> Path:
    """Fold `old` (or nothing) into a file under another name, make it durable, and rename it."""
    folding = root.catalog / "folding.duckdb"
    path = root.catalog / (f"catalog-{_number(old) + 1}.duckdb" if old else "catalog.duckdb")
    remove(folding)
    try:
        if old is not None:
            copy_with_log(old, folding)
        with closing(open_file(str(folding))) as connection:  # closing writes the log into the file
            _bring_up_to_date(connection, root, now)
        make_durable(folding)
        os.replace(folding, path)
        make_durable(root.catalog)
    except (OSError, duckdb.IOException) as error:
        remove(folding)
        reason = error if isinstance(error, OSError) else OSError(str(error).splitlines()[0])
        raise RunFailed(unwritable(path, reason)) from error
    return path


def _bring_up_to_date(connection: duckdb.DuckDBPyConnection, root: DataRoot, now: datetime) -> None:
    """Tables and views; of a new generation too, else the log holds its views and every commit replays them."""
    migrate(connection, shipped_migrations(), str(root.path), now)
    renew_views(connection)


def _connect(path: Path, deadline: float) -> duckdb.DuckDBPyConnection:
    """Our own lock is held: a lock of DuckDB's is of a person who opened the file by hand."""
    while True:
        try:
            return open_file(str(path))
        except duckdb.IOException as error:
            line = str(error).splitlines()[0]
            if "Could not set lock" not in line:
                raise unreadable(path, error) from error
            if time.monotonic() >= deadline:
                raise Busy(f"{line}: close it there; `warehouse.duckdb` is the file to read") from error
        time.sleep(0.1)


def _number(path: Path) -> int:
    return int(path.stem.partition("-")[2] or 0)


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")
