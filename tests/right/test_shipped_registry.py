"""The entries that come with the installation: each with its evidence, none with a signature."""

import re
from datetime import date, datetime

import pytest

from tasks.right.decide import decide
from tasks.right.describe import describe_teachers
from tasks.right.documents import documents, parse, read_document
from tasks.right.entries import RouteFile, WeightsFile
from tasks.right.registry import load_teachers, shipped_teachers
from tasks.right.resolve import Registry

FOLDER = shipped_teachers()
WEIGHTS = {path.stem: parse(WeightsFile, read_document(path)[0], path) for path in documents(FOLDER / "weights")}
ROUTES = {path.stem: parse(RouteFile, read_document(path)[0], path) for path in documents(FOLDER / "routes")}
OURS = {"simulated-teacher", "simulated", "self-hosted"}


def test_the_expected_entries_are_there() -> None:
    assert {
        "deepseek-r1", "qwen3", "qwen2.5", "qwen-2024", "qwen-2023", "gpt-oss", "gemma-3", "gemma-4",
        "llama-3.1", "kimi-k2", "glm-4.5", "olmo", "phi-4", "mistral-apache", "simulated-teacher",
    } <= set(WEIGHTS)  # fmt: skip
    assert {
        "openai-api", "anthropic-api", "google-gemini-api", "xai-api", "deepseek-api", "mistral-api",
        "fireworks", "together", "openrouter", "self-hosted", "simulated",
    } <= set(ROUTES)  # fmt: skip


@pytest.mark.parametrize(
    "terms",
    [*WEIGHTS.values(), *ROUTES.values()],
    ids=lambda terms: getattr(terms, "route", None) or terms.weights,
)
def test_an_entry_of_somebody_elses_terms_says_where_they_were_read(terms: WeightsFile | RouteFile) -> None:
    name = terms.weights if isinstance(terms, WeightsFile) else terms.route
    if name in OURS:
        return
    assert terms.evidence is not None
    assert terms.evidence.retrieved <= date(2026, 11, 22)
    if terms.outputs_trainable in ("no", "conditional"):
        assert terms.evidence.quote or terms.notes or terms.evidence.mark == "unverified"
    if terms.evidence.mark == "unverified":
        assert terms.outputs_trainable in ("no", "unknown")


def test_nothing_shipped_is_signed_and_only_the_simulated_teacher_passes(now: datetime) -> None:
    teachers = load_teachers([FOLDER])
    assert {teacher.name for teacher in teachers.values() if teacher.review or teacher.attestations} == set()
    lines = describe_teachers(teachers.values(), now)
    assert [line.name for line in lines if line.verdict == "allow"] == ["simulated"]
    assert all(line.reason for line in lines if line.verdict == "deny")
    assert lines[0].name == "simulated"
    for purpose in ("publish", "train"):
        allowed = [t.name for t in teachers.values() if decide(t, "MIT", purpose, None, (), now).allow]
        assert allowed == ["simulated"]


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-r1"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "deepseek-r1-distill-qwen"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "deepseek-r1-distill-llama-70b"),
        ("Qwen/Qwen3-0.6B", "qwen3"),
        ("Qwen/Qwen2.5-0.5B-Instruct", "qwen2.5"),
        ("Qwen/Qwen2.5-3B-Instruct", "qwen-research"),
        ("Qwen/Qwen2.5-72B-Instruct", "qwen-2024"),
        ("Qwen/Qwen1.5-7B-Chat", "qwen-2023"),
        ("google/gemma-3-27b-it", "gemma-3"),
        ("google/gemma-4-12b", "gemma-4"),
        ("meta-llama/Meta-Llama-3-70B-Instruct", "llama-3.0"),
        ("meta-llama/Meta-Llama-3.1-405B-Instruct", "llama-3.1"),
        ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", "mistral-apache"),
        ("mistralai/Mistral-Small-Instruct-2409", "mistral-research"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", None),
    ],
)
def test_a_well_known_id_is_known_by_one_file(model: str, weights: str | None) -> None:
    known = Registry(WEIGHTS, ROUTES).weights_of(model)
    assert (known.weights if known else None) == weights


def test_no_key_stands_in_any_shipped_file() -> None:
    for path in FOLDER.rglob("*.yaml"):
        assert not re.search(r"(sk-|AIza|gsk_|hf_)[A-Za-z0-9]{8}", path.read_text())


def test_the_entries_in_the_readme_are_accepted_and_allowed(own, now: datetime) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"\n\n((?:    .+\n)+)", readme)
    teachers = own(*blocks)
    names = [name for name in teachers if "@" not in name and name != "simulated"]
    assert names == ["my-vllm", "my-llama", "deepseek"]
    for name in names:
        ruling = decide(teachers[name], "MIT", "ask", None, teachers[name].attestations, now)
        assert ruling.allow, ruling.reasons
