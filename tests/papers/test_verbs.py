"""`still verify`, `still sign` and `still versions`, as processes of their own."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from papers.key_pairs import keys
from publish.kept_answers import judged, sums
from still import BIN

from warehouse.layout import DataRoot

pytestmark = pytest.mark.line
VERSION = "sums@2026.11.21.1"


def still(root: DataRoot, *arguments: object, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STILLHOUSE_DATA": str(root.path), "COLUMNS": "160"}
    done = subprocess.run(
        [BIN / "still", *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done


def test_what_holds_exits_0_and_what_does_not_exits_1_with_a_line_each(data_root: DataRoot) -> None:
    published = judged(data_root, sums(12)).published()
    said = still(data_root, "verify").stdout
    assert "all of it holds" in said and f"{VERSION} is not signed" in said and "newest decision: " in said
    with (Path(published.folder) / "README.md").open("a") as card:
        card.write("edited")
    said = still(data_root, "verify", VERSION, exit_code=1).stdout
    assert f"bad  {VERSION}: README.md has changed" in said and "1 thing does not hold" in said
    report = json.loads(still(data_root, "verify", "--json", exit_code=1).stdout)
    assert not report["holds"] and len(report["faults"]) == 1
    assert "there is no version 'sums@9'" in still(data_root, "verify", "sums@9", exit_code=2).stderr


@pytest.mark.slow
def test_signing_shows_in_versions_and_verify(data_root: DataRoot, tmp_path: Path) -> None:
    published = judged(data_root, sums(12)).published()
    private, public = keys(tmp_path, "mine", ec.SECP256R1())
    assert "not signed" in still(data_root, "versions").stdout
    assert "is not signed" in still(data_root, "verify", "--public-key", public, exit_code=1).stdout
    assert still(data_root, "sign", "sums", "--key", private).stdout.strip() == f"{published.folder}/model.sig"
    assert json.loads(still(data_root, "versions", "--json").stdout)[0]["signed"] is True
    still(data_root, "verify", "--public-key", public)
