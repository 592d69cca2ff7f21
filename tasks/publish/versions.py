"""Versions in the catalog and on disk: their names, what a killed publication left, and how one is recorded.

A version is made in `shards/<dataset>/.tmp-<run>`, its manifest last; renaming that folder makes it exist,
and one transaction then lists it. If the process dies in between, the version exists and is not listed: the
next publication of the dataset finds the folder, checks it, and lists it as it is. It is never rewritten or
removed, because somebody may have read it. A folder without a listed version that does not check out is left
alone, and its name is not used again.
"""

import logging
import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq

from tasks.publish.reading import Connection, all_rows
from warehouse.catalog import transaction
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.manifest import MANIFEST, Manifest, file_sha256, load_manifest, verify_version
from warehouse.parts import part_path
from warehouse.records import DataFile

log = logging.getLogger(__name__)

UNFINISHED = ".tmp-"


def next_name(dataset: str, now: datetime, taken: Iterable[str]) -> str:
    """Name the next version of a day (UTC): one more than the highest number that day has seen."""
    day = f"{now:%Y.%m.%d}"
    used = [int(name.rpartition(".")[2]) for name in taken if name.rpartition(".")[0] == day]
    return f"{dataset}@{day}.{max(used, default=0) + 1}"


def listed_versions(connection: Connection, dataset: str) -> list[str]:
    """Every version of a dataset that the catalog lists, the latest first."""
    sql = (
        "select version from versions where dataset = $dataset "
        "order by published_at desc, regexp_extract(version, '[0-9]+$')::bigint desc"
    )
    return [row["version"] for row in all_rows(connection, sql, {"dataset": dataset})]


def standing_versions(connection: Connection, dataset: str) -> list[str]:
    """Those of `listed_versions` that no recall has revoked."""
    revoked = {
        row["version"] for row in all_rows(connection, "select version from versions where revoked_by is not null")
    }
    return [version for version in listed_versions(connection, dataset) if version not in revoked]


def latest_manifest(root: DataRoot, listed: Sequence[str]) -> Manifest | None:
    """The manifest of the latest version; None without one, or when somebody has taken its folder away."""
    if not listed:
        return None
    folder = folder_of(root, listed[0])
    if not folder.exists():
        log.warning("%s is listed and its folder %s is gone: what is kept is published anew", listed[0], folder)
        return None
    return load_manifest(folder)


def folder_of(root: DataRoot, version: str) -> Path:
    """The folder of `dataset@YYYY.MM.DD.N`."""
    dataset, _, name = version.rpartition("@")
    return root.version(dataset, name)


def folders(root: DataRoot, dataset: str) -> dict[str, Path]:
    """Every finished version's folder of a dataset, by its name without the dataset."""
    home = root.version(dataset, UNFINISHED).parent
    if not home.exists():
        return {}
    return {path.name: path for path in sorted(home.iterdir()) if path.is_dir() and not path.name.startswith(".")}


def remove_unfinished(root: DataRoot, dataset: str) -> None:
    """Remove what killed publications began; the dataset's publication lock is held, so nobody is writing
    there.
    """
    home = root.version(dataset, UNFINISHED).parent
    for path in sorted(home.glob(f"{UNFINISHED}*")):
        shutil.rmtree(path)


def adopt_unlisted(root: DataRoot, dataset: str, listed: Iterable[str], now: datetime) -> list[str]:
    """List the versions that exist and are not in the catalog; returns their names."""
    known = set(listed)
    adopted = []
    for path in folders(root, dataset).values():
        if f"{dataset}@{path.name}" in known:
            continue
        try:
            manifest = load_manifest(path)
            if manifest.version != f"{dataset}@{path.name}":
                raise BadInput(f"its manifest is that of {manifest.version}")
            verify_version(path)
            parts = [_part_on_disk(root, kind, manifest) for kind in ("version_rows", "splits")]
        except BadInput as error:
            log.warning("%s is not a version of this data root and is left alone: %s", path, error)
            continue
        record_version(root, manifest, parts, now)
        log.info("%s was published by a run that died before listing it; it is listed now", manifest.version)
        adopted.append(manifest.version)
    return adopted


def _part_on_disk(root: DataRoot, kind: str, manifest: Manifest) -> DataFile:
    relative = part_path(kind, part_name(manifest.version))
    path = root.path / relative
    if not path.exists():
        raise BadInput(f"{path} is missing")
    rows = pq.read_metadata(path).num_rows
    return DataFile(kind, relative, rows, path.stat().st_size, file_sha256(path), dataset=manifest.dataset)


def part_name(version: str) -> str:
    """Where a version's private parts lie: `<dataset>/<YYYY.MM.DD.N>`."""
    dataset, _, name = version.rpartition("@")
    return f"{dataset}/{name}"


def record_version(root: DataRoot, manifest: Manifest, parts: Iterable[DataFile], now: datetime) -> None:
    """List a version, its shards, its rows and the sides it fixed, in one transaction that readers see at
    once.
    """
    folder = folder_of(root, manifest.version)
    with transaction(root, now, publish="now") as store:
        store.add_files(list(parts))
        store.insert(
            "version",
            [
                {
                    "version": manifest.version,
                    "dataset": manifest.dataset,
                    "folder": folder.relative_to(root.path).as_posix(),
                    "content_digest": manifest.content_digest,
                    "manifest_sha256": file_sha256(folder / MANIFEST),
                    "rows": manifest.rows,
                    "train_rows": manifest.train_rows,
                    "validation_rows": manifest.validation_rows,
                    "tokens": manifest.tokens,
                    "simulated": manifest.simulated,
                    "recipe_sha256": manifest.recipe_sha256,
                    "judge_run": manifest.judge_run,
                    "run_id": manifest.run_id,
                    "published_at": manifest.published_at,
                }
            ],
        )
        store.insert(
            "shard",
            [
                {
                    "version": manifest.version,
                    "shard": shard.name,
                    "split": shard.split,
                    "rows": shard.rows,
                    "bytes": shard.bytes,
                    "sha256": shard.sha256,
                    "teacher": shard.teacher,
                    "terms_id": shard.terms_id,
                    "terms_sha256": shard.terms_sha256,
                }
                for shard in manifest.shards
            ],
        )
