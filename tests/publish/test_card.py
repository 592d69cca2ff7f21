"""The dataset card."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import DatasetCard, DatasetCardData
from publish.kept_answers import NOW, judged, sums, teachers

from tasks.papers.conditions import conditions_of
from tasks.publish.card import card
from tasks.right.demands import Attribution, FlowDown
from warehouse.layout import DataRoot
from warehouse.manifest import Manifest, load_manifest


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    data_root = DataRoot(tmp_path_factory.mktemp("card") / "data")
    answers = [*sums(30), *sums(4, start=100, outcome="rejected", reason="ANSWER_WRONG")]
    return load_manifest(Path(judged(data_root, answers, dataset="word-problems").published().folder))


def head(manifest: Manifest) -> dict:
    return yaml.safe_load(card(manifest).decode().split("---\n")[1])


def test_the_head_names_splits_licence_and_tags(manifest: Manifest) -> None:
    said = head(manifest)
    assert said["license"] == "mit"
    assert {"synthetic", "distillation", "reasoning"} == set(said["tags"])
    default, heldout = said["configs"]
    assert [file["split"] for file in default["data_files"]] == ["train", "validation"]
    assert heldout["data_files"] == [{"split": "test", "path": "heldout-*.parquet"}]


def test_simulated_rows_are_tagged_and_said(manifest: Manifest) -> None:
    simulated = replace(manifest, simulated=True)
    assert "simulated" in head(simulated)["tags"]
    assert b"**Simulated.**" in card(simulated)
    assert b"**Simulated.**" not in card(manifest)


def test_a_licence_that_the_hub_does_not_list_is_other_with_its_names(manifest: Manifest) -> None:
    teacher = replace(manifest.teachers[0], weights_license="LicenseRef-llama3.1", route_license=None)
    said = head(replace(manifest, teachers=(teacher,)))
    assert (said["license"], said["license_name"]) == ("other", "LicenseRef-llama3.1, MIT")


def test_several_listed_licences_are_all_named(manifest: Manifest) -> None:
    assert head(replace(manifest, licenses=("Apache-2.0", "MIT")))["license"] == ["apache-2.0", "mit"]


def test_the_sums_the_reasons_and_the_terms_are_in_it(manifest: Manifest) -> None:
    text = card(manifest).decode()
    for row in ("| wanted | 34 |", "| answered | 34 |", "| kept | 30 |", "| rejected | 4 |", "| ANSWER_WRONG | 4 |"):
        assert row in text
    assert f"| {manifest.teachers[0].terms_id} |" in text
    assert "dataset: word-problems" in text


def test_a_bar_in_a_name_does_not_break_the_table(manifest: Manifest) -> None:
    teacher = replace(manifest.teachers[0], model="odd|name")
    assert "| odd\\|name |" in card(replace(manifest, teachers=(teacher,))).decode()


def test_the_hubs_own_library_reads_the_head(manifest: Manifest) -> None:
    said = DatasetCard(card(manifest).decode()).data
    assert (said.license, said.pretty_name) == ("mit", manifest.version)
    assert said.source_datasets == ["not stated"] and "synthetic" in said.tags
    assert DatasetCardData(**said.to_dict()).to_yaml() == said.to_yaml()


def test_conditions_are_passed_on_in_words(manifest: Manifest) -> None:
    assert b"name none beyond their licences' own" in card(manifest)
    asked = "the weights terms ask that 'Built with X' is shown with the student"
    teacher = replace(manifest.teachers[0], conditions=(asked,))
    text = card(replace(manifest, teachers=(teacher,))).decode()
    assert f"- `mine`: {asked}" in text and "name none beyond" not in text


def test_conditions_are_worded_from_the_terms_of_weights_and_route(tmp_path: Path) -> None:
    teacher = teachers(tmp_path, "mine")["mine"]
    conditions = (Attribution(id="attribution", text="Built with X"), FlowDown(id="flow_down", document="The X Policy"))
    weights = teacher.weights.model_copy(update={"outputs_trainable": "conditional", "conditions": conditions})
    assert conditions_of(teacher, NOW) == ()
    assert conditions_of(teacher.model_copy(update={"weights": weights}), NOW) == (
        "the weights terms ask that 'Built with X' is shown with the student",
        "the weights terms ask that The X Policy is passed on with the student",
    )
