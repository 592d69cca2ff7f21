"""A version's folder loads with `datasets.load_dataset` as it is."""

from pathlib import Path

import pytest
from datasets import load_dataset
from publish.kept_answers import judged, sums

from tasks.publish.publication import Publish
from warehouse.layout import DataRoot


@pytest.mark.parametrize("form", ["field", "inline"])
def test_train_validation_and_held_out_prompts_load(data_root: DataRoot, tmp_path: Path, form: str) -> None:
    line = judged(data_root, sums(60)).with_(form=form, ask={"system": "Think."})
    published = line.with_(publish=Publish(validation_fraction=0.2, shard_rows=20)).published()
    rows = load_dataset(published.folder, cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows[split]) for split in rows} == {
        "train": published.train_rows,
        "validation": published.validation_rows,
    }
    first = rows["train"][0]
    assert [message["role"] for message in first["prompt"]] == ["system", "user"]
    assert first["completion"][0].get("reasoning_content") == (first["reasoning"] if form == "field" else None)
    assert ("<think>" in first["completion"][0]["content"]) == (form == "inline")
    prompts = load_dataset(published.folder, "heldout", split="test", cache_dir=str(tmp_path / "cache"))
    assert len(prompts) == published.heldout_prompts
    assert {"prompt", "prompt_id", "question", "reference", "verifier", "family", "metadata"} <= set(
        prompts.column_names
    )


def test_a_version_without_validation_loads(data_root: DataRoot, tmp_path: Path) -> None:
    published = judged(data_root, sums(5)).with_(publish=Publish(validation_fraction=0)).published()
    rows = load_dataset(published.folder, cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows[split]) for split in rows} == {"train": 5}
