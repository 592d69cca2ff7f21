"""One version held against its manifest, the catalog, its lineage and the chain of decisions."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.verify.chain import Chain, Reliance
from tasks.verify.content import Lineage, read_shard
from tasks.verify.report import Checked
from warehouse.errors import BadInput
from warehouse.manifest import MANIFEST, SIGNATURE, ContentDigest, Manifest, checksums, file_sha256, from_json

_SAME = (
    "version",
    "dataset",
    "published_at",
    "content_digest",
    "rows",
    "train_rows",
    "validation_rows",
    "tokens",
    "simulated",
    "recipe_sha256",
    "judge_run",
    "run_id",
)
"""What manifest and catalog both say."""


def check_version(
    folder: Path,
    listed: Mapping[str, Any],
    shards: Sequence[Mapping[str, Any]],
    lineages: Mapping[str, Lineage] | None,
    chain: Chain,
) -> Checked:
    """Hold a listed version against its folder; content is read only where the bytes are those of the manifest.

    `lineages` is None where the version's part does not hold, which is a fault of its own.
    """
    version = listed["version"]
    try:
        data = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Checked(faults=(f"{version} is listed and has no {MANIFEST} in {folder}",))
    found = hashlib.sha256(data).hexdigest()
    expected = listed["manifest_sha256"]
    changed = [_changed(version, MANIFEST, expected, found)] if found != expected else []
    try:
        manifest = from_json(data, folder / MANIFEST)
    except BadInput as error:
        return Checked(faults=(*changed, f"{version}: {error}"))
    faults = [*changed, *_listing_faults(manifest, listed, shards), *_decision_faults(manifest, chain)]
    broken = list(_file_faults(folder, manifest))
    content = [] if broken else list(_content_faults(folder, manifest, lineages))
    said = () if manifest.chain_head else (f"{version} was published before manifests noted the newest decision",)
    return Checked(len(manifest.shards), manifest.rows, (*faults, *broken, *content), said)


def _changed(version: str, name: str, expected: object, found: str) -> str:
    return f"{version}: {name} has changed: expected sha256 {expected}, found {found}"


def _listing_faults(
    manifest: Manifest, listed: Mapping[str, Any], shards: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    for name in _SAME:
        if getattr(manifest, name) != listed[name]:
            yield (
                f"{listed['version']}: the manifest's {name} is {getattr(manifest, name)}, the catalog's {listed[name]}"
            )
    of_catalog = {shard["shard"]: {k: v for k, v in shard.items() if k not in ("version", "shard")} for shard in shards}
    of_manifest = {shard.name: {k: v for k, v in asdict(shard).items() if k != "name"} for shard in manifest.shards}
    for name in sorted(of_catalog.keys() | of_manifest.keys()):
        if of_catalog.get(name) != of_manifest.get(name):
            yield f"{listed['version']}: manifest and catalog do not say the same of {name}"


def _decision_faults(manifest: Manifest, chain: Chain) -> Iterator[str]:
    if manifest.chain_head and not chain.holds_head(manifest.chain_head):
        yield (
            f"{manifest.version}: the newest decision when it was published, {manifest.chain_head}, is not in the "
            "chain: its end was cut off or rewritten"
        )
    for teacher in manifest.teachers:
        lack = chain.lacks(Reliance(teacher.decision_id, teacher.teacher, teacher.terms_sha256, "publish"))
        if lack:
            yield f"{manifest.version}: {teacher.rows} rows of {teacher.teacher} {lack}"
        elif chain.places.get(teacher.decision_id, 0) > chain.places.get(manifest.chain_head or "", len(chain.places)):
            yield f"{manifest.version}: decision {teacher.decision_id} is newer than the version"


def _file_faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    expected = checksums(manifest)
    for name, sha256 in sorted(expected.items()):
        path = folder / name
        if not path.exists():
            yield f"{manifest.version}: {name} is missing"
        elif (found := file_sha256(path)) != sha256:
            yield _changed(manifest.version, name, sha256, found)
    for path in sorted(folder.iterdir()):
        if path.name not in {*expected, MANIFEST, SIGNATURE}:
            yield f"{manifest.version}: {path.name} is not in the manifest"


def _content_faults(folder: Path, manifest: Manifest, lineages: Mapping[str, Lineage] | None) -> Iterator[str]:
    """Rows, teachers, lineage and the digest of the content, from one reading of every shard."""
    digest, split = ContentDigest(), ""
    for shard in manifest.shards:
        if shard.split != split:
            digest.begin(split := shard.split)
        found = read_shard(folder / shard.name, digest)
        if (found.lineage.rows, (folder / shard.name).stat().st_size) != (shard.rows, shard.bytes):
            yield f"{manifest.version}: {shard.name} holds {found.lineage.rows} rows, the manifest says {shard.rows}"
        if found.whose - {(shard.teacher, shard.terms_sha256)}:
            yield f"{manifest.version}: {shard.name} holds rows of another teacher or terms than the manifest says"
        if lineages is not None and shard.split != "heldout" and lineages.get(shard.name) != found.lineage:
            yield f"{manifest.version}: the rows of {shard.name} are not those of its lineage"
    if digest.hexdigest() != manifest.content_digest:
        yield (
            f"{manifest.version}: its rows have the digest {digest.hexdigest()}, the manifest says"
            f" {manifest.content_digest}"
        )
