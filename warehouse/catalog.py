"""The catalog: what exists. The line writes it in short transactions; people and tasks read a published copy.

`transaction` opens the file of `warehouse.generation` under the lock `catalog`, commits, closes it, and replaces
`warehouse.duckdb` by rename. A reader keeps the file it opened, so it holds nobody up and sees one
consistent snapshot. A marker file, made durable before the commit and removed after the rename, says that a
commit is not yet published: whoever comes next does it.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb

from warehouse.errors import BadInput, Busy, RunFailed
from warehouse.generation import copy_with_log, current, fold, open_current, open_file, remove, unreadable
from warehouse.generation import rewrite as write_anew
from warehouse.layout import DataRoot
from warehouse.locks import hold
from warehouse.migrations import applied_migrations, check_known, migrate, shipped_migrations
from warehouse.parts import make_durable, unwritable
from warehouse.transaction import Transaction
from warehouse.views import create_public_views, keep_reach, mirror_tables, point_at_files, views_digest

LOCK_WAIT = 30.0
"""Seconds a transaction waits for another; a commit takes tens of milliseconds, so 30 s is a stuck holder."""

PUBLISH_INTERVAL = 2.0
"""Seconds between two publications that nobody asked for: what the promise to readers allows them to lag."""

__all__ = ["Transaction", "connect", "fresh_snapshot", "publish", "rewrite", "snapshot", "transaction"]


@contextmanager
def transaction(
    root: DataRoot,
    now: datetime,
    *,
    publish: Literal["soon", "now"] = "soon",
    wait: float = LOCK_WAIT,
    clock: Callable[[], float] = time.time,
) -> Iterator[Transaction]:
    """Change the catalog: commits when the block ends, rolls back when it raises.

    Publishes after the commit; with `soon`, not if the last publication is younger than `PUBLISH_INTERVAL` by
    `clock` (then the next transaction, `publish` or `connect` does it). Raises `Busy` after `wait` seconds,
    `BadInput` when the data root was written by a newer version, `RunFailed` when the disk is full.
    """
    _make_root(root)
    with hold(root, "catalog", "a commit", now, wait):
        with _open_catalog(root, now, wait) as connection:
            connection.execute("begin transaction")
            try:
                yield Transaction(connection, now)
                _mark_unpublished(root)
                connection.execute("commit")
            except BaseException:
                _roll_back(connection)
                raise
        if publish == "now" or _is_due(root, clock()):
            fold(root, now)
            _replace_warehouse(root, clock())


def publish(root: DataRoot) -> None:
    """Publish what is committed, now; repairs what a killed commit left, and the views of a moved root."""
    if current(root) is None:
        raise _no_warehouse(root)
    _publish(root, LOCK_WAIT)


def _publish(root: DataRoot, wait: float) -> None:
    now = datetime.now(UTC)
    with hold(root, "catalog", "a publication", now, wait):
        with _open_catalog(root, now, wait):
            pass  # migrated, where this code is newer than the catalog
        fold(root, now)
        _replace_warehouse(root, time.time())


def rewrite(root: DataRoot, now: datetime) -> None:
    """Write the catalog's own file anew and publish it, so that neither holds what was deleted from it."""
    with hold(root, "catalog", "writing the catalog anew", now, LOCK_WAIT):
        with _open_catalog(root, now, LOCK_WAIT):
            pass  # migrated, and its log is whole
        _mark_unpublished(root)
        write_anew(root, now)
        _replace_warehouse(root, time.time())


def connect(root: DataRoot) -> duckdb.DuckDBPyConnection:
    """Open the warehouse read-only and up to date: what is committed and unpublished is published first.

    Raises `BadInput` when there is no warehouse, or a newer version wrote it. A root that this user cannot
    write is read as it is.
    """
    if _has_unpublished(root):
        _publish(root, LOCK_WAIT)
    return snapshot(root)


def fresh_snapshot(root: DataRoot, *, views: bool = True) -> duckdb.DuckDBPyConnection:
    """Like `connect`, for a person who looks: where nothing can be published at once, the last one does."""
    if _has_unpublished(root):
        with suppress(Busy, RunFailed):  # somebody is committing, or the disk is full
            _publish(root, wait=0.0)
    return snapshot(root, views=views)


def snapshot(root: DataRoot, *, views: bool = True) -> duckdb.DuckDBPyConnection:
    """Open the warehouse read-only as it was last published: never waits for anybody.

    The file is attached to a new in-memory database, so that many connections of one process can each hold
    the file of their own time, and a moved root can have its views made anew over read-only tables. The type is
    said so that DuckDB opens the file once: guessing it, DuckDB 2.0 reads the headers, opens the file again for
    the rest, and mixes two files when one is renamed in between.

    Without `views` only the `store` tables can be asked, and files that are gone do not matter.
    """
    if not root.warehouse.exists():
        raise _no_warehouse(root)
    connection = open_file(":memory:")
    try:
        connection.execute(f"set temp_directory = {_literal(root.scratches / 'duckdb')}")
        connection.execute(f"attach {_literal(root.warehouse)} as warehouse (type duckdb, read_only)")
        connection.execute("use warehouse")
        applied, shipped = applied_migrations(connection), shipped_migrations()
        check_known(applied, shipped, str(root.path))
        if is_old := len(applied) < len(shipped):  # an older version published it, without what queries read now
            published = datetime.fromtimestamp(root.warehouse.stat().st_mtime, UTC)
            mirror_tables(connection, as_tables=True)
            migrate(connection, shipped, str(root.path), published)
        if views and (is_old or _has_other_views(connection, root)):
            if not is_old:
                mirror_tables(connection)
            point_at_files(connection, root.path.resolve())
            create_public_views(connection)
    except duckdb.Error as error:
        connection.close()
        raise unreadable(root.warehouse, error) from error
    except BadInput:
        connection.close()
        raise
    return connection


def _has_other_views(connection: duckdb.DuckDBPyConnection, root: DataRoot) -> bool:
    """The root has moved, or another version published it."""
    made = connection.execute("select root, sha256 from store.view_set").fetchall()
    return made != [(str(root.path.resolve()), views_digest())]


def _make_root(root: DataRoot) -> None:
    if "?" in str(root.path.resolve()):
        raise BadInput(f"DuckDB takes what follows the ? in {root.path} for options: choose a data root without it")
    try:
        root.create()
    except OSError as error:
        raise BadInput(f"{root.path} cannot be a data root: {error.strerror}: choose another folder") from error


def _no_warehouse(root: DataRoot) -> BadInput:
    return BadInput(f"no warehouse in {root.path}: run `still demo`, or `still run RECIPE`, to make one")


@contextmanager
def _open_catalog(root: DataRoot, now: datetime, wait: float) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        with closing(open_current(root, now, time.monotonic() + wait)) as connection:
            yield connection
    except (duckdb.IOException, duckdb.FatalException, duckdb.TransactionException) as error:
        line = str(error).splitlines()[0]
        raise RunFailed(f"cannot write {root.catalog}: {line}: make room or mend the disk, then run again") from error


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("rollback")
    except duckdb.TransactionException:
        return  # a failed commit has already ended the transaction


def _marker(root: DataRoot) -> Path:
    return root.catalog / "unpublished"


def _has_unpublished(root: DataRoot) -> bool:
    """Whether a commit waits to be published, and this user may do it."""
    return _marker(root).exists() and os.access(root.locks, os.W_OK)


def _mark_unpublished(root: DataRoot) -> None:
    if not _marker(root).exists():
        _marker(root).touch()
        make_durable(root.catalog)


def _is_due(root: DataRoot, at: float) -> bool:
    if not root.warehouse.exists():
        return True
    return not 0 <= at - root.warehouse.stat().st_mtime < PUBLISH_INTERVAL


def _replace_warehouse(root: DataRoot, at: float) -> None:
    """Copy the closed catalog, set its views, and rename it over `warehouse.duckdb`. The lock is held."""
    copy = root.catalog / "next.duckdb"
    committed = current(root)
    assert committed is not None
    try:
        copy_with_log(committed, copy)
        with closing(open_file(str(copy))) as connection:
            connection.execute("begin transaction")
            point_at_files(connection, root.path.resolve())
            keep_reach(connection)
            connection.execute("update store.view_set set root = ?", [str(root.path.resolve())]).fetchall()
            connection.execute("commit")
        _swap_in(root, copy, at)
    except OSError as error:
        remove(copy)
        raise RunFailed(unwritable(root.warehouse, error)) from error
    except duckdb.IOException as error:
        remove(copy)
        line = str(error).splitlines()[0]
        raise RunFailed(f"cannot publish {root.warehouse}: {line}: everything is committed; run again") from error


def _swap_in(root: DataRoot, copy: Path, at: float) -> None:
    copy.chmod(0o444)
    os.utime(copy, (at, at))  # the time that the next transaction measures its interval from
    make_durable(copy)
    # A log beside the new file would make every open of it fail; somebody who wrote to the old one left it.
    root.warehouse.with_name("warehouse.duckdb.wal").unlink(missing_ok=True)
    os.replace(copy, root.warehouse)
    make_durable(root.path)
    _marker(root).unlink(missing_ok=True)


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
