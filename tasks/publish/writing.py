"""Writing a version: shards, card and manifest in an unfinished folder; then its name; then the catalog."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from tasks.papers.conditions import conditions_of
from tasks.papers.croissant import croissant
from tasks.papers.eu import eu_report
from tasks.publish.account import ASKED, JUDGED
from tasks.publish.card import card
from tasks.publish.order import Order
from tasks.publish.reading import Connection, batches, statement
from tasks.publish.rows import Row
from tasks.publish.selection import Selection, Slot, licenses, version_rows
from tasks.publish.versions import (
    UNFINISHED,
    folder_of,
    folders,
    next_name,
    part_name,
    record_version,
    remove_unfinished,
)
from tasks.right.chain import read_head
from warehouse.errors import RunFailed
from warehouse.layout import DataRoot
from warehouse.manifest import (
    CARD,
    CROISSANT,
    EU_REPORT,
    FORMAT,
    MANIFEST,
    ContentDigest,
    Counts,
    Manifest,
    ShardEntry,
    TeacherEntry,
    to_json,
)
from warehouse.parts import make_durable, unwritable, write_part
from warehouse.records import SPLITS, VERSION_ROWS, DataFile
from warehouse.shard_writers import ShardWriters
from warehouse.shards import HELDOUT, ROWS, ShardFile, write_text


def write_version(
    root: DataRoot,
    connection: Connection,
    order: Order,
    selection: Selection,
    counts: Counts,
    listed: Sequence[str],
) -> Manifest:
    """Write a selection as the next version of its dataset and list it; `listed` names are not used again.

    Raises:
        RunFailed: a file could not be written (a full disk); the unfinished folder is removed.
    """
    taken = {*folders(root, order.dataset), *(name.rpartition("@")[2] for name in listed)}
    version = next_name(order.dataset, order.now, taken)
    folder = folder_of(root, version)
    unfinished = folder.with_name(f"{UNFINISHED}{order.run_id}")
    try:
        unfinished.mkdir(parents=True)
        manifest = _write_files(unfinished, connection, order, selection, counts, version)
        parts = _write_parts(root, connection, order, selection, version)
        write_text(unfinished / MANIFEST, to_json(manifest))
        unfinished.rename(folder)
        make_durable(folder.parent)
    except RunFailed:
        remove_unfinished(root, order.dataset)
        raise
    except OSError as error:
        remove_unfinished(root, order.dataset)
        raise RunFailed(unwritable(unfinished, error)) from error
    record_version(root, manifest, parts, order.now)
    return manifest


def counts_of(
    funnel: Mapping[str, Any], reasons: Mapping[str, int], published: int, left_out: Mapping[str, int]
) -> Counts:
    """The sums that go into manifest and card."""
    sums = {name: int(funnel[name]) for name in ("wanted", *ASKED, *JUDGED)}
    return Counts(
        **sums,
        reasons=dict(reasons),
        published=published,
        merged_across_sides=left_out.get("merged_across_sides", 0),
        not_admitted=left_out.get("not_admitted", 0),
        over_target=left_out.get("over_target", 0),
    )


def _write_files(
    folder: Path, connection: Connection, order: Order, selection: Selection, counts: Counts, version: str
) -> Manifest:
    digest = ContentDigest()
    shards = tuple(_write_shards(folder, connection, selection, order.publish.shard_rows, digest))
    draft = Manifest(
        format=FORMAT,
        dataset=order.dataset,
        version=version,
        published_at=order.now.astimezone(UTC),
        content_digest=digest.hexdigest(),
        form=order.form,
        simulated=selection.simulated,
        rows=counts.published,
        train_rows=selection.count("train"),
        validation_rows=selection.count("validation"),
        heldout_prompts=selection.heldout_prompts,
        tokens=sum(group.tokens for group in selection.groups),
        shards=shards,
        card_sha256="",
        licenses=licenses(connection),
        teachers=_teachers(order, selection),
        counts=counts,
        recipe=order.recipe,
        recipe_sha256=order.recipe_sha256,
        plan_id=order.plan_id,
        judge_run=order.judge_run,
        run_id=order.run_id,
        chain_head=read_head(connection),
    )
    papers = {CROISSANT: croissant(draft), EU_REPORT: eu_report(draft)}
    return replace(
        draft,
        card_sha256=write_text(folder / CARD, card(draft)),
        papers={name: write_text(folder / name, data) for name, data in papers.items()},
    )


def _write_shards(
    folder: Path, connection: Connection, selection: Selection, shard_rows: int, digest: ContentDigest
) -> Iterator[ShardEntry]:
    """Rows are made in order by this thread, and compressed by others, several shards at once."""
    with ShardWriters() as writers:
        files = []
        for split, of_split in groupby(selection.slots(shard_rows), key=lambda slot: slot.split):
            digest.begin(split)
            schema = HELDOUT if split == "heldout" else ROWS[selection.form]
            for _, slots in groupby(of_split, key=lambda slot: (slot.teacher, slot.terms_sha256)):
                of_group = list(slots)
                rows = _digested(selection.stream(connection, of_group[0]), digest)
                for slot in of_group:
                    files.append((slot, writers.write(folder / slot.name, schema, islice(rows, slot.rows))))
    yield from (_entry(slot, file.result()) for slot, file in files)


def _entry(slot: Slot, file: ShardFile) -> ShardEntry:
    if file.rows != slot.rows:
        raise RunFailed(
            f"{slot.name} has {file.rows} rows and not {slot.rows}: nothing was published; please report this line"
        )
    return ShardEntry(
        file.name,
        slot.split,
        file.rows,
        file.bytes,
        file.sha256,
        slot.teacher,
        slot.terms_id,
        slot.terms_sha256,
    )


def _digested(rows: Iterable[Row], digest: ContentDigest) -> Iterator[Row]:
    for row in rows:
        digest.add([row])
        yield row


def _teachers(order: Order, selection: Selection) -> tuple[TeacherEntry, ...]:
    entries = []
    for admission in sorted(order.admissions, key=lambda one: one.teacher.name):
        teacher = admission.teacher
        rows = sum(
            group.rows
            for group in selection.groups
            if (group.teacher, group.terms_sha256) == (teacher.name, teacher.terms_sha256)
        )
        if rows:
            entries.append(
                TeacherEntry(
                    teacher=teacher.name,
                    model=teacher.model,
                    revision=teacher.revision,
                    route=teacher.route,
                    terms_id=teacher.terms_id,
                    terms_sha256=teacher.terms_sha256,
                    weights_license=teacher.weights.license,
                    route_license=teacher.route_terms.license,
                    decision_id=admission.decision_id,
                    rows=rows,
                    conditions=conditions_of(teacher, order.now),
                )
            )
    return tuple(entries)


def _write_parts(
    root: DataRoot, connection: Connection, order: Order, selection: Selection, version: str
) -> list[DataFile]:
    """The rows' lineage and the sides that this version fixes; unlisted, so unseen, until the version is."""
    name = part_name(version)
    slots = selection.slots(order.publish.shard_rows)
    rows = (batch.cast(VERSION_ROWS) for batch in version_rows(connection, version, slots))
    lineage = write_part(root, "version_rows", name, rows, dataset=order.dataset)
    parameters = {"dataset": order.dataset, "version": version}
    fixed = (batch.cast(SPLITS) for batch in batches(connection, statement("new_sides"), parameters, 10_000))
    return [lineage, write_part(root, "splits", name, fixed, dataset=order.dataset)]
