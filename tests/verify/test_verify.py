"""A data root as it was written holds; whatever is changed, removed, added or swapped in it is found."""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from publish.kept_answers import NOW, judged, sums

from tasks.publish.publication import Publish
from tasks.right.decisions import seal
from tasks.verify.verify import verify
from warehouse.catalog import connect, transaction
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.manifest import file_sha256, load_manifest

ANSWERS = [*sums(24), *sums(12, start=200, teacher="theirs")]
SHARDS = Publish(validation_fraction=0.2, shard_rows=8)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Two versions of one dataset by two teachers; the second has twelve rows more."""
    root = DataRoot(tmp_path_factory.mktemp("made") / "data")
    judged(root, ANSWERS).with_(publish=SHARDS).published()
    judged(root, [*ANSWERS, *sums(12, start=300)], turn="2").with_(publish=SHARDS, form="field").published()
    return root


@pytest.fixture
def root(made: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy that a test may spoil."""
    shutil.copytree(made.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")


def change(root: DataRoot, *statements: str) -> None:
    """What somebody with the catalog's file and SQL can do."""
    with transaction(root, NOW, publish="now") as store:
        for statement in statements:
            store.execute(statement)


def value(root: DataRoot, sql: str) -> str:
    with closing(connect(root)) as connection:
        return str(connection.execute(sql).fetchall()[0][0])


def folder(root: DataRoot, number: int = 1) -> Path:
    return root.version("sums", f"2026.11.21.{number}")


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def said(root: DataRoot, version: str | None = None) -> str:
    return "\n".join(verify(root, version).faults)


def test_what_was_published_holds_and_is_counted(made: DataRoot) -> None:
    report = verify(made)
    assert report.faults == () and report.holds
    shards = len(list(made.path.glob("shards/*/*/*.parquet")))
    assert (report.decisions, report.versions, report.shards, report.rows) == (8, 2, shards, 36 + 48)
    assert report.parts == len([*made.path.glob("*/**/*.parquet")]) - shards
    assert report.chain_head == load_manifest(folder(made, 2)).chain_head
    assert "sums@2026.11.21.1 is not signed" in report.said


def test_one_version_is_checked_by_itself(root: DataRoot) -> None:
    flip(folder(root, 2) / "manifest.json", 10)
    assert verify(root, "sums@2026.11.21.1").holds
    assert not verify(root, "sums@2026.11.21.2").holds
    with pytest.raises(BadInput, match="there is no version 'sums@1'"):
        verify(root, "sums@1")


def spread(size: int, count: int = 40) -> Iterator[int]:
    """Positions over a file: its first and last eight bytes, and some in between."""
    return iter(sorted({*range(8), *range(0, size, max(1, size // count)), *range(size - 8, size)}))


@pytest.mark.parametrize("name", ["manifest.json", "README.md", "train-00000-of-00005.parquet"])
def test_any_byte_of_a_version_that_was_changed_is_found(root: DataRoot, name: str) -> None:
    path = folder(root) / name
    for position in spread(path.stat().st_size):
        flip(path, position)
        assert f"{name} has changed" in said(root, "sums@2026.11.21.1"), position
        flip(path, position)
    assert verify(root, "sums@2026.11.21.1").holds


def test_any_letter_of_a_decisions_record_that_was_changed_is_found(root: DataRoot) -> None:
    newest = value(root, "select decision_id from store.decision where purpose = 'publish' and teacher = 'theirs'")
    record = value(root, f"select record from store.decision where decision_id = '{newest}'")
    letters = [at for at, letter in enumerate(record) if letter.isalnum() and record[at - 1].isalnum()]
    for at in letters[::100]:
        other = "b" if record[at].isalpha() else "7" if record[at] != "7" else "8"
        forged = record[:at] + other + record[at + 1 :]
        if forged == record:
            continue
        with transaction(root, NOW, publish="now") as store:
            store.execute("update store.decision set record = ? where decision_id = ?", [forged, newest])
        assert f"decision {newest}" in said(root, "sums@2026.11.21.1"), at


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("update store.decision set verdict = 'deny' where purpose = 'publish'", "column verdict says deny"),
        ("update store.decision set decision_id = 'f' || decision_id[2:]", "its record is not the one that was hashed"),
        ("update store.decision set prev_hash = 'f' || prev_hash[2:]", "the one before it, f"),
        ("delete from store.decision where purpose = 'ask'", "is missing"),
        ("update store.version set rows = rows + 1", "the manifest's rows is 36, the catalog's 37"),
        ("update store.version set content_digest = 'x'", "the manifest's content_digest"),
        ("update store.shard set teacher = 'mine'", "manifest and catalog do not say the same of train-0"),
        ("delete from store.shard where split = 'heldout'", "do not say the same of heldout-0"),
        ("delete from store.version", "shards/sums/2026.11.21.1 is no version that the catalog lists"),
        ("update store.file set sha256 = 'x' where kind = 'traces'", "expected sha256 x"),
        ("delete from store.file where kind = 'version_rows'", "its lineage, version_rows/sums/2026.11.21.1.parquet"),
    ],
)
def test_a_catalog_that_was_changed_is_found(root: DataRoot, statement: str, words: str) -> None:
    change(root, statement)
    assert words in said(root)


def test_the_newest_decisions_cut_off_are_found_by_the_manifest_and_by_the_rows(root: DataRoot) -> None:
    last = load_manifest(folder(root, 2)).chain_head
    change(root, f"delete from store.decision where decision_id = '{last}'")
    assert f"the newest decision when it was published, {last}, is not in the chain" in said(root)
    assert "version_rows/sums/2026.11.21.2.parquet: " in said(root) and "which does not exist" in said(root)
    assert verify(root, "sums@2026.11.21.1").holds  # what is older than the cut relies on nothing that is gone


def test_a_rewritten_end_of_the_chain_that_hashes_well_is_found(root: DataRoot) -> None:
    """Somebody with the code seals another record in the place of the newest one: the chain by itself holds."""
    last = load_manifest(folder(root, 2)).chain_head
    forged = _forged(root, str(last), reasons=[], run_id="another run")
    change(root, f"delete from store.decision where decision_id = '{last}'")
    with transaction(root, NOW, publish="now") as store:
        store.insert("decision", [vars(forged)])
    assert all(f"decision {forged.decision_id}" not in fault for fault in verify(root).faults)
    assert "its end was cut off or rewritten" in said(root)


def test_a_decision_put_in_between_is_found(root: DataRoot) -> None:
    last = load_manifest(folder(root, 2)).chain_head
    with transaction(root, NOW, publish="now") as store:
        store.insert("decision", [vars(_forged(root, str(last), run_id="another run"))])
    assert "2 decisions follow" in said(root)


def _forged(root: DataRoot, decision_id: str, **fields: object):
    record = json.loads(value(root, f"select record from store.decision where decision_id = '{decision_id}'"))
    before = value(root, f"select prev_hash from store.decision where decision_id = '{decision_id}'")
    return seal({**record, **fields}, before)


def test_a_decision_that_was_made_after_the_version_does_not_carry_it(root: DataRoot) -> None:
    """A chain that is sealed anew to its end, with manifest and catalog rewritten, but for the head that was noted."""
    path = folder(root) / "manifest.json"
    fields = json.loads(path.read_text())
    newer = load_manifest(folder(root, 2)).teachers[0].decision_id
    fields["teachers"][0]["decision_id"] = newer
    path.write_text(json.dumps(fields))
    assert f"decision {newer} is newer than the version" in said(root)


def test_a_shard_that_is_gone_swapped_or_too_many_is_found(root: DataRoot) -> None:
    one, other = (folder(root) / f"train-0000{n}-of-00005.parquet" for n in (0, 1))
    aside = root.path / "aside"
    one.rename(aside), other.rename(one), aside.rename(other)
    assert f"{one.name} has changed" in said(root) and f"{other.name} has changed" in said(root)
    one.rename(aside), other.rename(one), aside.rename(other)
    shutil.copy(one, folder(root) / "train-00005-of-00006.parquet")
    assert "train-00005-of-00006.parquet is not in the manifest" in said(root)
    (folder(root) / "train-00005-of-00006.parquet").unlink()
    one.unlink()
    assert f"{one.name} is missing" in said(root)


def test_a_shard_rewritten_together_with_its_checksums_is_found_by_its_content(root: DataRoot) -> None:
    """The bytes fit manifest and catalog; the digest of the content and the lineage do not."""
    shard = folder(root) / "train-00000-of-00005.parquet"
    table = pq.read_table(shard)
    before = (load_manifest(folder(root)).shards[0].sha256, shard.stat().st_size)
    pq.write_table(table.take(list(range(table.num_rows))[::-1]), shard)
    _accept(root, shard, *before)
    found = said(root)
    assert "its rows have the digest" in found and f"the rows of {shard.name} are not those of its lineage" in found
    assert "has changed" not in found and "do not say the same" not in found


def _accept(root: DataRoot, shard: Path, sha256: str, size: int) -> None:
    """Write a file's new checksum and size into manifest and catalog."""
    manifest = shard.with_name("manifest.json")
    text = manifest.read_text().replace(sha256, file_sha256(shard))
    manifest.write_text(text.replace(f'"bytes": {size},', f'"bytes": {shard.stat().st_size},'))
    change(
        root,
        f"update store.shard set sha256 = '{file_sha256(shard)}', bytes = {shard.stat().st_size} "
        f"where sha256 = '{sha256}'",
        f"update store.version set manifest_sha256 = '{file_sha256(manifest)}' where version = 'sums@2026.11.21.1'",
    )


def test_a_version_without_its_folder_or_manifest_is_found(root: DataRoot) -> None:
    (folder(root) / "manifest.json").unlink()
    assert "is listed and has no manifest.json" in said(root)
    shutil.rmtree(folder(root))
    assert "is listed and has no manifest.json" in said(root)


def test_a_manifest_that_is_none_is_a_fault_and_no_crash(root: DataRoot) -> None:
    (folder(root) / "manifest.json").write_text("{}")
    assert "is not a manifest" in said(root)


def test_a_part_that_was_changed_or_taken_is_found_and_the_rest_still_checked(root: DataRoot) -> None:
    trace = next(root.parts("traces").rglob("*.parquet"))
    rows = root.parts("version_rows") / "sums" / "2026.11.21.1.parquet"
    trace.unlink()
    flip(rows, 100)
    found = said(root)
    assert f"{trace.relative_to(root.path)} is listed and not there" in found
    assert f"{rows.relative_to(root.path)} has changed" in found
    assert len(verify(root).faults) == 2


def test_nothing_is_written_and_a_commit_under_way_is_not_waited_for(root: DataRoot) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.path.rglob("*") if path.is_file()}
    with transaction(root, NOW) as store:
        store.execute("update store.version set rows = rows + 1")
        assert verify(root).holds
    after = {path: path.stat().st_mtime_ns for path in before if path.exists()}
    changed = {path.name for path in before if before[path] != after.get(path)}
    assert changed <= {"warehouse.duckdb", "catalog.lock", "catalog.duckdb.wal"}
