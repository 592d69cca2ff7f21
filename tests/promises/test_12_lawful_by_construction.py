"""Promise 12: no rotating keys or accounts, no disguise of the client, no watermark removal, no way round the gate."""

from pathlib import Path

import pytest
import yaml

from tasks.right.registry import load_teachers, shipped_teachers
from warehouse.errors import BadInput

ENTRY = {
    "name": "mine",
    "base_url": "http://127.0.0.1:9/v1",
    "model": "some/model",
    "license": "MIT",
    "reviewed": {"by": "A Person", "on": "2026-11-20"},
}


def load(folder: Path, entry: dict[str, object]) -> None:
    (folder / "mine.yaml").write_text(yaml.safe_dump(entry))
    load_teachers((shipped_teachers(), folder))


def test_the_plain_entry_is_fine(tmp_path: Path) -> None:
    load(tmp_path, {**ENTRY, "api_key_env": "MY_KEY"})


@pytest.mark.parametrize("keys", [["A_KEY", "B_KEY"], {"first": "A_KEY"}], ids=["list", "mapping"])
def test_a_teacher_has_one_key_and_not_several_to_rotate(tmp_path: Path, keys: object) -> None:
    with pytest.raises(BadInput, match="api_key_env"):
        load(tmp_path, {**ENTRY, "api_key_env": keys})


@pytest.mark.parametrize("field", ["headers", "user_agent", "proxy", "accounts", "api_keys", "override", "skip_gate"])
def test_an_entry_has_no_field_to_disguise_the_client_or_to_pass_the_gate_by(tmp_path: Path, field: str) -> None:
    with pytest.raises(BadInput, match=field):
        load(tmp_path, {**ENTRY, field: "x"})


def test_an_entry_for_a_shipped_provider_must_use_its_route_and_terms(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="openai-api"):
        load(tmp_path, {**ENTRY, "base_url": "https://api.openai.com/v1"})
