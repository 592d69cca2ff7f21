"""A version's Croissant file validates, loads offline, and says where its rows come from."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from publish.kept_answers import judged, sums

from tasks.papers.croissant import croissant
from tasks.publish.publication import Publish
from warehouse.layout import DataRoot
from warehouse.manifest import Manifest, load_manifest

if TYPE_CHECKING:  # each process of the tests collects this file; the one that runs it takes the seconds of the imports
    import mlcroissant

FORMS = ["field", "inline"]
pytestmark = [  # of the library's own making, and of rdflib's
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning"),
]


@pytest.fixture(scope="module", params=FORMS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = DataRoot(tmp_path_factory.mktemp("croissant") / "data")
    answers = [*sums(20), *sums(6, start=100, family="é-sums"), *sums(10, start=200, teacher="theirs")]
    line = judged(root, answers).with_(form=request.param, ask={"system": "Think."})
    return Path(line.with_(publish=Publish(validation_fraction=0.2, shard_rows=8)).published().folder)


def loaded(folder: Path) -> "mlcroissant.Dataset":
    logging.getLogger("absl").setLevel(logging.ERROR)
    import mlcroissant

    return mlcroissant.Dataset(jsonld=folder / "croissant.json")


def records(folder: Path, split: str) -> list[dict[str, Any]]:
    """The rows as mlcroissant gives them, with our column names and as text."""
    dataset = loaded(folder)
    return [plain(record, f"{split}/") for record in dataset.records(split)]


def plain(value: Any, prefix: str) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {name.removeprefix(prefix).split("/")[-1]: plain(one, prefix) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one, prefix) for one in value]
    return value


@pytest.mark.parametrize("split", ["train", "validation", "heldout"])
def test_its_records_are_the_rows_of_the_shards(folder: Path, split: str) -> None:
    rows = [row for path in sorted(folder.glob(f"{split}-*.parquet")) for row in pq.read_table(path).to_pylist()]
    assert records(folder, split) == rows and rows


def test_it_validates_without_errors_or_warnings(folder: Path) -> None:
    issues = loaded(folder).metadata.issues
    assert issues.errors == set() and issues.warnings == set()
    said = json.loads((folder / "croissant.json").read_text())
    assert said["conformsTo"][0] == "http://mlcommons.org/croissant/1.1"


def test_every_file_is_attributed_to_its_teacher_decision_and_terms(folder: Path) -> None:
    said, manifest = json.loads((folder / "croissant.json").read_text()), load_manifest(folder)
    files = {file["@id"]: file for file in said["distribution"] if file["@type"] == "cr:FileObject"}
    assert set(files) == {path.name for path in folder.glob("*.parquet")}
    decisions = {teacher.teacher: teacher.decision_id for teacher in manifest.teachers}
    for shard in manifest.shards:
        assert files[shard.name]["sha256"] == shard.sha256
        if shard.teacher:
            assert files[shard.name]["prov:wasAttributedTo"]["@id"] == f"urn:stillhouse:teacher:{shard.teacher}"
            decision = f"urn:stillhouse:decision:{decisions[shard.teacher]}"
            assert files[shard.name]["prov:wasInfluencedBy"]["@id"] == decision
            assert files[shard.name]["usageInfo"]["@id"] == f"urn:stillhouse:terms:{shard.terms_sha256}"


def test_provenance_and_responsibility_survive_the_library(folder: Path) -> None:
    said = loaded(folder).metadata.to_json()
    assert said["rai:dataCollection"].startswith("Synthetic")
    for name in ("prov:wasGeneratedBy", "prov:wasDerivedFrom", "prov:wasAttributedTo", "usageInfo"):
        assert name in said


def test_the_same_manifest_gives_the_same_bytes_and_no_local_path(folder: Path) -> None:
    manifest = load_manifest(folder)
    recipe = json.dumps({"prompts": {"source": "/home/ada/secret/problems.jsonl"}})
    told = replace(manifest, recipe=recipe)
    assert croissant(manifest) == croissant(manifest) == (folder / "croissant.json").read_bytes()
    assert b"problems.jsonl" in croissant(told) and b"secret" not in croissant(told)


def test_conditions_are_in_the_usage_info(folder: Path) -> None:
    manifest: Manifest = load_manifest(folder)
    teacher = replace(manifest.teachers[0], conditions=("the weights terms ask that 'Built with X' is shown",))
    said = json.loads(croissant(replace(manifest, teachers=(teacher,))))
    assert said["usageInfo"][0]["text"] == "the weights terms ask that 'Built with X' is shown"
