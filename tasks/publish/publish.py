"""Kept traces become an immutable version: sums checked, sides given, files written, the manifest last."""

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from tasks.publish.account import check_kept, check_sums, nothing_kept
from tasks.publish.order import Order
from tasks.publish.publication import Form, Publish, Published
from tasks.publish.reading import Connection, all_rows
from tasks.publish.selection import Selection, reasons, select
from tasks.publish.split import divide
from tasks.publish.versions import (
    adopt_unlisted,
    folder_of,
    latest_manifest,
    listed_versions,
    remove_unfinished,
    standing_versions,
)
from tasks.publish.writing import counts_of, write_version
from tasks.right.gate import Admission
from warehouse.catalog import connect
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.locks import hold
from warehouse.manifest import Manifest

MEMORY = "1GB"
"""What sorting and joining may hold before it goes to disk, however many rows there are; 100,000 rows need
about 0.4 GB.
"""


@task(name="publish-version", task_run_name="publish {dataset}", cache_policy=NO_CACHE)
def publish_version(
    root: DataRoot,
    run_id: str,
    dataset: str,
    plan_id: str,
    judge_run: str,
    publish: Publish,
    recipe: str,
    recipe_sha256: str,
    form: Form,
    admissions: Sequence[Admission],
    now: datetime,
) -> Published:
    """Publish what is kept, or return the version that holds it already; see `publish_kept`."""
    order = Order(run_id, dataset, plan_id, judge_run, publish, recipe, recipe_sha256, form, admissions, now)
    published = publish_kept(root, order)
    get_run_logger().info(summary(published))
    return published


def summary(published: Published) -> str:
    """One line for a log."""
    if not published.is_new:
        return f"nothing new: {published.version} holds these {published.rows} rows already"
    held = (
        f"{published.heldout_prompts} prompts held out"
        if published.heldout_prompts
        else "no prompt held out (a small set)"
    )
    left = [
        f"{count} rows left out ({why})"
        for count, why in (
            (published.merged_across_sides, "a near-duplicate question is in validation"),
            (published.not_admitted, "no decision allows publishing them"),
            (published.over_target, "over the target"),
        )
        if count
    ]
    rows = f"{published.train_rows} train and {published.validation_rows} validation rows"
    return "; ".join([f"published {published.version}: {rows}", held, *left])


def publish_kept(root: DataRoot, order: Order) -> Published:
    """Publish the kept traces of one judging as a new version, unless the latest version holds just that.

    One publication of a dataset at a time. Killed at any moment, it leaves an unfinished folder that the next
    one removes, or a finished version that the next one lists; the version never holds half.

    Raises:
        BadInput: nothing is kept, simulated and real rows are mixed, the judging is out of date.
        RunFailed: the sums of promise 4 do not hold, or the disk is full; nothing was published.
        Busy: another process is publishing this dataset.
    """
    with hold(root, f"publish-{order.dataset}", f"publishing {order.dataset}", order.now):
        remove_unfinished(root, order.dataset)
        with closing(connect(root)) as connection:
            listed = listed_versions(connection, order.dataset)
        adopted = adopt_unlisted(root, order.dataset, listed, order.now)
        with closing(connect(root)) as connection:
            connection.execute(f"set memory_limit = '{MEMORY}'")
            return _publish(root, connection, order, adopted)


def _publish(root: DataRoot, connection: Connection, order: Order, adopted: Sequence[str]) -> Published:
    funnel = _funnel(connection, order)
    check_sums(order.dataset, funnel)
    turned_away = reasons(connection, order.dataset, order.judge_run)
    if not funnel["kept"]:
        raise nothing_kept(order.dataset, funnel, turned_away)
    divide(connection, order.dataset, order.publish.validation_fraction)
    selection = _select(root, connection, order)
    rows = selection.count("train") + selection.count("validation")
    check_kept(order.dataset, order.judge_run, funnel["kept"], rows + sum(selection.left_out.values()))
    _check_trainable(order, selection)
    listed = listed_versions(connection, order.dataset)
    latest = latest_manifest(root, standing_versions(connection, order.dataset))
    if latest is not None and _holds(latest, connection, selection):
        return _published(root, latest, is_new=latest.version in adopted)
    counts = counts_of(funnel, turned_away, rows, selection.left_out)
    written = write_version(root, connection, order, selection, counts, listed)
    return _published(root, written, is_new=True)


def count_publishable(root: DataRoot, order: Order) -> int:
    """How many kept rows a publication would find, and no target leaves out: what counts towards one.

    Raises:
        BadInput: simulated and real rows are mixed, the judging is out of date.
    """
    with closing(connect(root)) as connection:
        connection.execute(f"set memory_limit = '{MEMORY}'")
        if not _funnel(connection, order)["kept"]:
            return 0
        divide(connection, order.dataset, order.publish.validation_fraction)
        selection = _select(root, connection, order)
        return selection.count("train") + selection.count("validation") + selection.left_out.get("over_target", 0)


def _select(root: DataRoot, connection: Connection, order: Order) -> Selection:
    plan = all_rows(
        connection,
        "select path from store.file where kind = 'plans' and dataset = $dataset and path like $name",
        {"dataset": order.dataset, "name": f"%{order.plan_id}.parquet"},
    )
    path = root.path / plan[0]["path"] if plan else None
    return select(
        connection, order.dataset, order.judge_run, order.admissions, order.ask, order.form, path, order.target
    )


def _funnel(connection: Connection, order: Order) -> dict[str, Any]:
    found = all_rows(connection, "select * from funnel where dataset = $dataset", {"dataset": order.dataset})
    if not found:
        raise BadInput(f"{order.dataset} has no plan: run `still run RECIPE` first")
    for name, expected in (("plan_id", order.plan_id), ("judge_run", order.judge_run)):
        if found[0][name] != expected:
            raise BadInput(
                f"{order.dataset} has moved on, its {name} is {found[0][name]} and not {expected}: judge again "
                "(`still judge`), then publish"
            )
    return found[0]


def _check_trainable(order: Order, selection: Selection) -> None:
    if selection.count("train"):
        return
    held, left = selection.count("validation"), sum(selection.left_out.values())
    if left and not held:
        why = ", ".join(f"{name} {count}" for name, count in sorted(selection.left_out.items()))
        raise BadInput(
            f"all {left} kept rows of {order.dataset} are left out ({why}): `still teachers` shows which terms pass, "
            "and `still run` asks again under them"
        )
    raise BadInput(
        f"all {held} kept rows of {order.dataset} are on the validation side: add prompts; lowering "
        f"publish.validation_fraction ({order.publish.validation_fraction}) moves new prompts only"
    )


def _holds(latest: Manifest, connection: Connection, selection: Selection) -> bool:
    """Say whether the latest version has just this content; rows are read only if their numbers agree."""
    numbers = (selection.count("train"), selection.count("validation"), selection.heldout_prompts)
    if numbers != (latest.train_rows, latest.validation_rows, latest.heldout_prompts):
        return False
    return selection.content_digest(connection) == latest.content_digest


def _published(root: DataRoot, manifest: Manifest, is_new: bool) -> Published:
    return Published(
        manifest.version,
        str(folder_of(root, manifest.version).resolve()),
        is_new,
        manifest.rows,
        manifest.train_rows,
        manifest.validation_rows,
        manifest.heldout_prompts,
        manifest.counts.merged_across_sides,
        manifest.counts.not_admitted,
        manifest.counts.over_target,
    )
