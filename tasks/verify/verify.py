"""Everything a data root says of itself, held against its bytes. Reads only; a run may be writing."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tasks.papers.signature import is_signed, signature_fault
from tasks.publish.reading import all_rows
from tasks.publish.versions import part_name
from tasks.right.chain import Connection, read_chain
from tasks.right.decisions import head
from tasks.verify.chain import Chain
from tasks.verify.content import read_lineage
from tasks.verify.parts import part_faults
from tasks.verify.report import Checked, Report
from tasks.verify.versions import check_version
from warehouse.catalog import fresh_snapshot
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.locks import holder
from warehouse.parts import part_path

Row = dict[str, Any]


@dataclass(frozen=True)
class Listed:
    """What the published catalog lists."""

    chain: Chain
    versions: list[Row]
    shards: list[Row]
    files: list[Row]
    revoked: Mapping[str, Row]
    """By version: when, and whether its files were purged."""


def verify(root: DataRoot, version: str | None = None, public_key: Path | None = None) -> Report:
    """Walk the chain of decisions, every manifest, every shard and every part; or all that one version relies on.

    Raises:
        BadInput: there is no warehouse, no such version, or `public_key` is no key.
    """
    folders = set() if version else _folders(root)  # before the catalog: what appears later is not missing there
    with closing(fresh_snapshot(root, views=False)) as connection:
        listed = _listed(connection, version)
    of_parts = {file["path"]: list(part_faults(root.path, file, listed.chain)) for file in listed.files}
    broken = {path for path, faults in of_parts.items() if faults}
    checked = [_check(root, one, listed, broken, public_key) for one in listed.versions]
    unlisted = sorted(folders - {one["folder"] for one in listed.versions})
    faults = [
        *listed.chain.faults(),
        *(fault for one in checked for fault in one.faults),
        *(fault for faults in of_parts.values() for fault in faults),
        *(f"{folder} is no version that the catalog lists" for folder in unlisted if not _publishing(root, folder)),
    ]
    return Report(
        decisions=len(listed.chain.decisions),
        chain_head=head(listed.chain.decisions.values()),
        versions=len(checked),
        shards=sum(one.shards for one in checked),
        rows=sum(one.rows for one in checked),
        parts=len(listed.files),
        faults=tuple(faults),
        said=tuple(line for one in checked for line in one.said),
    )


def _listed(connection: Connection, version: str | None) -> Listed:
    chain = Chain.of(read_chain(connection))
    versions = all_rows(connection, "select * from store.version order by published_at, version")
    files = all_rows(connection, "select * from store.file order by path")
    if version:
        versions = [one for one in versions if one["version"] == version]
        files = [file for file in files if file["path"] == _lineage_part(version)]
        if not versions:
            raise BadInput(f"there is no version '{version}': `still versions` lists those that exist")
    shards = all_rows(connection, "select * from store.shard")
    return Listed(chain, versions, shards, files, _revoked(connection))


_REVOKED = """
    select version, min(revoked_at) as revoked_at, bool_or(state in ('purging', 'purged')) as purged
    from store.revocation join store.recall using (recall_id) group by version
"""


def _revoked(connection: Connection) -> dict[str, Row]:
    """What recalls have revoked; a file that an older version published knows none."""
    tables = all_rows(connection, "select table_name from duckdb_tables() where schema_name = 'store'")
    if "revocation" not in {row["table_name"] for row in tables}:
        return {}
    return {row["version"]: row for row in all_rows(connection, _REVOKED)}


def _check(root: DataRoot, version: Row, listed: Listed, broken: set[str], public_key: Path | None) -> Checked:
    folder, name = root.path / version["folder"], version["version"]
    revoked = listed.revoked.get(name)
    since = f"{name} was revoked on {revoked['revoked_at']:%Y-%m-%d at %H:%M} UTC" if revoked else ""
    if revoked and revoked["purged"]:  # what is left of it is for `still recall verify` to say
        return Checked(said=(f"{since} and its files purged: not checked",))
    part = _lineage_part(name)
    shards = [shard for shard in listed.shards if shard["version"] == name]
    if part not in {file["path"] for file in listed.files}:
        return Checked(faults=(f"{name}: its lineage, {part}, is not listed",))
    lineages = None if part in broken else read_lineage(root.path / part)
    checked = check_version(folder, version, shards, lineages, listed.chain)
    if revoked:
        checked = replace(checked, said=(since, *checked.said))
    if public_key is not None:
        fault = signature_fault(folder, public_key)
        return replace(checked, faults=(*checked.faults, *([f"{name} {fault}"] if fault else [])))
    said = f"{name} is {'signed: --public-key FILE says whether by that key' if is_signed(folder) else 'not signed'}"
    return replace(checked, said=(*checked.said, said))


def _lineage_part(version: str) -> str:
    return part_path("version_rows", part_name(version))


def _folders(root: DataRoot) -> set[str]:
    """Every finished version's folder on disk, relative to the data root."""
    found = (root.path / "shards").glob("*/*")
    return {path.relative_to(root.path).as_posix() for path in found if not path.name.startswith(".")}


def _publishing(root: DataRoot, folder: str) -> bool:
    """Whether a publication is under way that would list this folder in a moment."""
    return holder(root, f"publish-{Path(folder).parent.name}") is not None
