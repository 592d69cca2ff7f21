"""`still teachers new` and `review`: an entry of one's own, and a named person's signature under its terms."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from flows.command.app import app
from tasks.right.decide import decide
from tasks.right.registry import load_teachers, shipped_teachers
from tasks.right.terms import StudentFacts, Teacher
from warehouse.errors import BadInput

NOW = datetime.now(UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STILLHOUSE_TEACHERS", "")  # what --teachers sets is taken back at the end
    monkeypatch.setenv("STILLHOUSE_DATA", str(tmp_path / "data"))
    return tmp_path / "teachers"


def still(folder: Path, *arguments: str, **options: str) -> Result:
    return CliRunner().invoke(app, ["teachers", *arguments, "--teachers", str(folder)], **options)


def done(result: Result) -> str:
    assert result.exit_code == 0, result.exception
    return result.output


def refusal(result: Result) -> str:
    assert isinstance(result.exception, BadInput), result.output
    message = str(result.exception)
    assert "\n" not in message
    return message


def loaded(folder: Path, name: str) -> Teacher:
    return load_teachers([shipped_teachers(), folder])[name]


def codes(teacher: Teacher, student: StudentFacts | None = None) -> set[str]:
    ruling = decide(teacher, "MIT", "ask", student, teacher.attestations, datetime.now(UTC))
    return {reason.code for reason in ruling.reasons}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--model", "our/model", "--license", "MIT"], {"review_missing"}),
        (["--model", "our/model", "--license", "MIT", "--base-url", "http://10.0.0.5:8000/v1"], {"review_missing"}),
        (["--model", "our/model"], {"weights_unknown", "review_missing"}),
        (["--model", "Qwen/Qwen3-8B"], {"review_missing"}),
        (["--model", "Qwen/Qwen-72B-Chat"], {"weights_forbid", "review_missing"}),
        (["--model", "deepseek-reasoner", "--route", "deepseek-api"], {"review_missing"}),
        (["--model", "gpt-5", "--route", "openai-api"], {"route_forbid", "review_missing"}),
        (["--model", "meta: llama #1", "--license", "Apache-2.0"], {"review_missing"}),
    ],
)
def test_a_new_entry_is_valid_as_it_stands_and_denied_until_somebody_signs(
    folder: Path, options: list[str], expected: set[str]
) -> None:
    assert str(folder / "mine.yaml") in done(still(folder, "new", "mine", *options)).replace("\n", "")
    assert codes(loaded(folder, "mine")) == expected
    text = (folder / "mine.yaml").read_text()
    assert 'still teachers review mine --by "<name>"' in text and "never the key" in text


def test_a_new_entry_replaces_nothing(folder: Path) -> None:
    done(still(folder, "new", "mine", "--model", "our/model", "--license", "MIT"))
    before = (folder / "mine.yaml").read_text()
    assert "'mine'" in refusal(still(folder, "new", "mine", "--model", "other", "--license", "MIT"))
    (folder / "other.yaml").write_text(
        "# kept for later\n- {name: b, model: m, base_url: 'http://b/v1', license: MIT}\n"
    )
    assert "is left as it is" in refusal(still(folder, "new", "other", "--model", "other", "--license", "MIT"))
    assert (folder / "mine.yaml").read_text() == before and "kept for later" in (folder / "other.yaml").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "m", "--license", "free"], "no SPDX licence id"),
        (["--model", "m", "--license", "MIT", "--route", "nowhere"], "unknown route 'nowhere'"),
        (["--model", "m", "--license", "MIT", "--base-url", "https://api.openai.com/v1"], "belongs to route"),
        (["--model", "m", "--route", "openai-chatgpt"], "is no host of route 'openai-chatgpt'"),
    ],
)
def test_an_entry_that_would_not_be_valid_is_not_written(folder: Path, options: list[str], said: str) -> None:
    assert said in refusal(still(folder, "new", "mine", *options))
    assert list(folder.iterdir()) == []


def test_a_signature_is_kept_beside_the_entry_with_the_hash_of_what_was_read(folder: Path) -> None:
    done(still(folder, "new", "mine", "--model", "Qwen/Qwen3-8B"))
    entry = (folder / "mine.yaml").read_text()
    said = done(
        still(
            folder, "review", "mine", "--by", "Ada Lovelace", "--expires-after-days", "30", "--ticket", "L-7", "--yes"
        )
    )
    for shown in ("Apache-2.0 (qwen3)", "All our open-weight models", "README of the Qwen3 repository", "primary"):
        assert shown in said
    teacher = loaded(folder, "mine")
    assert teacher.terms_sha256 in said.replace("\n", "")
    assert codes(teacher) == set() and teacher.review is not None
    review = teacher.review
    assert (review.by, review.expires_after_days, review.ticket) == ("Ada Lovelace", 30, "L-7")
    assert (review.terms_sha256, review.scope) == (teacher.terms_sha256, ("ask", "publish", "train"))
    assert (folder / "mine.yaml").read_text() == entry, "what a person wrote is not touched"


def test_changed_terms_make_a_signature_void(folder: Path) -> None:
    done(still(folder, "new", "mine", "--model", "our/model", "--license", "MIT"))
    done(still(folder, "review", "mine", "--by", "Ada Lovelace", "--yes"))
    assert codes(loaded(folder, "mine")) == set()
    path = folder / "mine.yaml"
    path.write_text(path.read_text().replace("license: MIT", "license: Apache-2.0"))
    assert codes(loaded(folder, "mine")) == {"review_of_other_terms"}
    done(still(folder, "review", "mine", "--by", "Ada Lovelace", "--yes"))
    assert codes(loaded(folder, "mine")) == set()


def test_a_review_has_its_scope_and_attests_conditions(folder: Path) -> None:
    done(still(folder, "new", "mine", "--model", "meta-llama/Llama-3.1-8B-Instruct"))
    kept = ["student_name_prefix", "attribution", "flow_down", "max_mau"]
    words = [part for id in kept for part in ("--attest", f"weights:{id}")]
    assert "theirs: weights:student_name_prefix" in refusal(
        still(folder, "review", "mine", "--by", "Ada", "--attest", "route:agreement", "--yes")
    )
    assert "--scope 'sell'" in refusal(still(folder, "review", "mine", "--by", "Ada", "--scope", "ask sell", "--yes"))
    done(still(folder, "review", "mine", "--by", "Ada", "--scope", "ask train", *words, "--yes"))
    teacher = loaded(folder, "mine")
    assert [each.condition for each in teacher.attestations] == kept
    assert codes(teacher) == set()
    assert codes(teacher, StudentFacts(name="Sums")) == {"condition_unmet:student_name_prefix"}
    published = decide(teacher, "MIT", "publish", None, teacher.attestations, NOW)
    assert {reason.code for reason in published.reasons} == {"purpose_out_of_scope"}


def test_nobody_at_the_terminal_signs_nothing(folder: Path) -> None:
    done(still(folder, "new", "mine", "--model", "Qwen/Qwen3-8B"))
    assert "a person signs" in refusal(still(folder, "review", "mine", "--by", "Ada Lovelace", input="y\n"))
    assert not (folder / "reviews").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("qwen3@self-hosted", "still teachers new <name> --model Qwen/Qwen3-8B"),
        ("simulated", "no terms of others to review"),
        ("nobody", "unknown teacher 'nobody'"),
        ("inline", "remove that line"),
    ],
)
def test_what_cannot_be_signed_here_is_said(folder: Path, name: str, said: str) -> None:
    folder.mkdir()
    inline = {"name": "inline", "model": "m", "license": "MIT", "base_url": "http://10.0.0.5/v1"}
    signed = {**inline, "reviewed": {"by": "Ada", "on": "2026-11-01"}}
    (folder / "inline.yaml").write_text(yaml.safe_dump(signed))
    assert said in refusal(still(folder, "review", name, "--by", "Ada Lovelace", "--yes"))


@pytest.mark.parametrize("by", ["", "  ", "Ada\nBob"])
def test_a_signature_needs_a_name(folder: Path, by: str) -> None:
    done(still(folder, "new", "mine", "--model", "Qwen/Qwen3-8B"))
    assert "by:" in refusal(still(folder, "review", "mine", "--by", by, "--yes"))
    assert not list(folder.glob("reviews/*"))


def test_a_review_of_nobody_or_beside_another_is_refused(folder: Path) -> None:
    done(still(folder, "new", "mine", "--model", "Qwen/Qwen3-8B"))
    done(still(folder, "review", "mine", "--by", "Ada", "--yes"))
    entry = (folder / "mine.yaml").read_text()
    (folder / "mine.yaml").write_text(entry + "reviewed: {by: Bob, on: 2026-11-20}\n")
    with pytest.raises(BadInput, match="remove one of the two"):
        loaded(folder, "mine")
    (folder / "mine.yaml").unlink()
    with pytest.raises(BadInput, match="there is no entry 'mine'"):
        loaded(folder, "simulated")


def test_the_list_has_every_shipped_file_with_its_reasons(folder: Path) -> None:
    folder.mkdir()
    lines = json.loads(done(still(folder, "--json")))
    names = {line["name"] for line in lines}
    assert {"openai-chatgpt", "hosted-unread"} <= {line["route"] for line in lines}
    assert {"kimi-k3@self-hosted", "openmdw-1.0@self-hosted", "nemotron-datasets"} <= names
    assert all(line["reasons"] for line in lines if line["verdict"] == "deny")
    assert {line["watermark"] for line in lines if line["kind"] != "dataset"} == {"unknown"}
    text = done(still(folder))
    assert "a person's review is all that is missing" in " ".join(text.split())
