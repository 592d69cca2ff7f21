"""The EU template's question on synthetic data, answered from the manifest."""

from dataclasses import replace
from pathlib import Path

import pytest
from publish.kept_answers import judged, sums

from tasks.papers.eu import eu_report
from warehouse.layout import DataRoot
from warehouse.manifest import Manifest, checksums, file_sha256, load_manifest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = DataRoot(tmp_path_factory.mktemp("eu") / "data")
    return Path(judged(root, [*sums(12), *sums(6, start=100, teacher="theirs")]).published().folder)


def test_every_model_is_named_with_its_rows_terms_and_decision(folder: Path) -> None:
    said, manifest = (folder / "eu_synthetic_data.md").read_text(), load_manifest(folder)
    assert [teacher.teacher for teacher in manifest.teachers] == ["mine", "theirs"]
    for teacher in manifest.teachers:
        line = f"{teacher.model} (teacher `{teacher.teacher}`, reached over {teacher.route}): {teacher.rows} rows"
        assert line in said and teacher.terms_id in said and teacher.decision_id in said


def test_it_says_which_document_it_follows_and_what_it_leaves_out(folder: Path) -> None:
    said = (folder / "eu_synthetic_data.md").read_text()
    assert "C(2025) 8311 final" in said and "Article 53 (1)(d) of Regulation (EU) 2024/1689" in said
    assert "## What this report does not say" in said and "on the market of the Union" in said


def test_a_simulated_teacher_is_said_to_be_no_model(folder: Path) -> None:
    manifest: Manifest = load_manifest(folder)
    assert b"no AI model" in eu_report(replace(manifest, simulated=True))
    assert b"no AI model" not in eu_report(manifest) == (folder / "eu_synthetic_data.md").read_bytes()


def test_papers_are_in_the_manifest_with_their_checksums(folder: Path) -> None:
    assert set(checksums(load_manifest(folder))) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    for name, sha256 in load_manifest(folder).papers.items():
        assert file_sha256(folder / name) == sha256
