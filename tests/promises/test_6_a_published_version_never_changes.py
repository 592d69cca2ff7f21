"""Promise 6: shards are immutable and checksummed; the same traces give the same bytes; nothing new, no new version."""

import hashlib
import json
import os
import random
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from publish.kept_answers import Judged, judged, sums

from tasks.publish.publication import Publish
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.manifest import load_manifest, verify_version

ANSWERS = [*sums(60), *sums(30, start=200, teacher="theirs"), *sums(20, start=400, outcome="rejected", reason="LOOP")]


def shards(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.parquet"))}


def digest_by_hand(folder: str) -> str:
    """The content digest as the manifest's documentation says it, from nothing but the files."""
    digest = hashlib.sha256()
    for split in ("train", "validation", "heldout"):
        digest.update(f"split {split}\n".encode())
        for path in sorted(Path(folder).glob(f"{split}-*.parquet")):
            for row in pq.read_table(path).to_pylist():
                digest.update(
                    json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
                )
    return digest.hexdigest()


def test_the_same_traces_give_the_same_bytes_whatever_parts_they_lie_in(tmp_path: Path) -> None:
    shuffled = random.Random(7).sample(ANSWERS, len(ANSWERS))
    one = judged(DataRoot(tmp_path / "one"), ANSWERS).published()
    other = judged(DataRoot(tmp_path / "other"), shuffled, parts=4, turn="9").with_(run_id="another").published()
    assert shards(one.folder) == shards(other.folder)
    assert len(shards(one.folder)) == 5  # two teachers on two sides, and the held-out prompts


def test_the_content_digest_does_not_depend_on_the_shards(data_root: DataRoot) -> None:
    line = judged(data_root, ANSWERS)
    published = line.published()
    cut_otherwise = line.with_(publish=Publish(validation_fraction=0.2, shard_rows=7)).published()
    assert (cut_otherwise.version, cut_otherwise.is_new) == (published.version, False)
    assert load_manifest(Path(published.folder)).content_digest == digest_by_hand(published.folder)


def test_smaller_shards_hold_the_same_rows_under_the_same_digest(tmp_path: Path) -> None:
    whole = judged(DataRoot(tmp_path / "whole"), ANSWERS).published()
    cut = (
        judged(DataRoot(tmp_path / "cut"), ANSWERS)
        .with_(publish=Publish(validation_fraction=0.2, shard_rows=7))
        .published()
    )
    assert len(shards(cut.folder)) > len(shards(whole.folder))
    assert digest_by_hand(cut.folder) == digest_by_hand(whole.folder)
    assert load_manifest(Path(cut.folder)).content_digest == load_manifest(Path(whole.folder)).content_digest


def test_shards_hold_content_only_sorted_by_key(data_root: DataRoot) -> None:
    published = judged(data_root, ANSWERS).published()
    for name in shards(published.folder):
        table = pq.read_table(Path(published.folder) / name)
        key = table["prompt_id" if name.startswith("heldout") else "trace_id"].to_pylist()
        assert key == sorted(key)
        assert not {"run_id", "decision_id", "received_at", "version"} & set(table.column_names)


def published_copy(tmp_path: Path, line: Judged) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(line.published().folder, copy)
    verify_version(copy)
    return copy


def test_a_changed_shard_is_named_with_both_checksums(data_root: DataRoot, tmp_path: Path) -> None:
    folder = published_copy(tmp_path, judged(data_root, ANSWERS))
    shard = folder / "train-00001-of-00002.parquet"
    expected, whole = hashlib.sha256(shard.read_bytes()).hexdigest(), shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    found = hashlib.sha256(shard.read_bytes()).hexdigest()
    with pytest.raises(BadInput, match=f"{shard.name}.* has changed: expected sha256 {expected}, found {found}"):
        verify_version(folder)


def test_a_missing_shard_a_changed_card_and_a_file_too_many_are_named(data_root: DataRoot, tmp_path: Path) -> None:
    folder = published_copy(tmp_path, judged(data_root, ANSWERS))
    extra = folder / "train-00002-of-00002.parquet"
    shutil.copy(folder / "train-00001-of-00002.parquet", extra)
    with pytest.raises(BadInput, match=f"{extra.name} is not in the manifest"):
        verify_version(folder)
    os.replace(extra, folder / "train-00001-of-00002.parquet")
    card = (folder / "README.md").read_text()
    (folder / "README.md").write_text(card + "edited")
    with pytest.raises(BadInput, match="README.md .*has changed"):
        verify_version(folder)
    (folder / "README.md").write_text(card)
    (folder / "validation-00000-of-00002.parquet").unlink()
    with pytest.raises(BadInput, match="validation-00000-of-00002.parquet is missing from sums@2026.11.21.1"):
        verify_version(folder)


def test_a_version_without_or_with_a_foreign_manifest_does_not_exist(data_root: DataRoot, tmp_path: Path) -> None:
    folder = published_copy(tmp_path, judged(data_root, ANSWERS))
    manifest = folder / "manifest.json"
    written = manifest.read_text()
    manifest.write_text(written.replace('"format": 1', '"format": 2'))
    with pytest.raises(BadInput, match="manifest format 2, this code reads up to 1: upgrade stillhouse"):
        verify_version(folder)
    manifest.write_text("{")
    with pytest.raises(BadInput, match="is not a manifest"):
        verify_version(folder)
    manifest.write_text(written.replace('"shards"', '"shares"'))
    with pytest.raises(BadInput, match=r"is not a manifest \(field shards\)"):
        verify_version(folder)
    manifest.unlink()
    with pytest.raises(BadInput, match="manifest.json is missing"):
        verify_version(folder)
