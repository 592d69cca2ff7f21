"""A version is signed once, after it was published; model-signing's own verifier says by whom."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from datasets import load_dataset
from papers.key_pairs import PLAIN, keys
from publish.kept_answers import judged, sums

from tasks.papers.signature import sign_version, signature_fault
from tasks.verify.verify import verify
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.manifest import MANIFEST, load_manifest, verify_version


@pytest.fixture
def folder(data_root: DataRoot) -> Path:
    return Path(judged(data_root, sums(12)).published().folder)


def test_a_signature_holds_for_its_key_and_for_no_other(data_root: DataRoot, folder: Path, tmp_path: Path) -> None:
    private, public = keys(tmp_path, "mine", ec.SECP256R1())
    _, other = keys(tmp_path, "other", ec.SECP256R1())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert signature_fault(folder, public) == "is not signed"
    assert verify(data_root, public_key=public).faults == ("sums@2026.11.21.1 is not signed",)
    signature = sign_version(folder, private)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path != signature} == before
    assert signature_fault(folder, public) is None
    assert verify(data_root, public_key=public).holds
    assert "does not hold: Key mismatch" in str(signature_fault(folder, other))
    assert verify(data_root).holds and "is signed: --public-key" in " ".join(verify(data_root).said)


def test_model_signings_own_command_verifies_it(folder: Path, tmp_path: Path) -> None:
    private, public = keys(tmp_path, "mine", ec.SECP384R1())
    signature = sign_version(folder, private)
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(folder)]
    command += ["--signature", str(signature), "--public_key", str(public)]
    assert subprocess.run(command, capture_output=True, text=True).returncode == 0
    with (folder / "README.md").open("a") as card:
        card.write("edited")
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode != 0 and "README.md" in refused.stdout + refused.stderr


def test_the_signed_statement_names_every_other_file(folder: Path, tmp_path: Path) -> None:
    from base64 import b64decode

    private, _ = keys(tmp_path, "mine", ec.SECP521R1())
    bundle = json.loads(sign_version(folder, private).read_text())
    statement = json.loads(b64decode(bundle["dsseEnvelope"]["payload"]))
    named = {resource["name"] for resource in statement["predicate"]["resources"]}
    assert named == {path.name for path in folder.iterdir()} - {"model.sig"}
    assert MANIFEST in named


@pytest.mark.parametrize("name", [MANIFEST, "README.md", "train-00000-of-00001.parquet"])
def test_a_file_that_was_changed_after_signing_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    private, public = keys(tmp_path, "mine", ec.SECP256R1())
    sign_version(folder, private)
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    assert name in str(signature_fault(folder, public))


def test_a_signature_that_was_changed_anywhere_is_a_fault_and_no_crash(folder: Path, tmp_path: Path) -> None:
    private, public = keys(tmp_path, "mine", ec.SECP256R1())
    signature = sign_version(folder, private)
    whole = signature.read_bytes()
    for position in range(0, len(whole), len(whole) // 25):
        signature.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert signature_fault(folder, public), position
    for other in (b"", b"{}", b"[]", b"\xff", whole[: len(whole) // 2]):
        signature.write_bytes(other)
        assert signature_fault(folder, public), other


def test_a_signed_version_loads_and_counts_as_whole(folder: Path, tmp_path: Path) -> None:
    sign_version(folder, keys(tmp_path, "mine", ec.SECP256R1())[0])
    verify_version(folder)
    rows = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert len(rows["train"]) == load_manifest(folder).train_rows


def test_what_is_not_as_published_or_signed_already_is_not_signed(folder: Path, tmp_path: Path) -> None:
    private, _ = keys(tmp_path, "mine", ec.SECP256R1())
    sign_version(folder, private)
    with pytest.raises(BadInput, match="sums@2026.11.21.1 is signed already"):
        sign_version(folder, private)
    (folder / "model.sig").unlink()
    (folder / "README.md").write_text("edited")
    with pytest.raises(BadInput, match="has changed"):
        sign_version(folder, private)
    assert not (folder / "model.sig").exists()


def test_a_file_that_holds_no_fitting_key_is_said(folder: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "rsa.pem"
    wrong.write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, PLAIN
        )
    )
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    curve, _ = keys(tmp_path, "bitcoin", ec.SECP256K1())
    for path in (wrong, locked, curve, tmp_path / "nothing.pem", tmp_path):
        with pytest.raises(BadInput, match="is no private EC key"):
            sign_version(folder, path)
        with pytest.raises(BadInput, match="is no public EC key"):
            signature_fault(folder, path)
