"""Each row of the table of terms that was read for this registry (November 2026), and what the gate answers for it.

One line a row: what stands in the registry for it, how surely it was read, what its terms say, and what the gate would
say once a person had signed. Unsigned, every row denies.
"""

from datetime import datetime

import pytest

from tasks.right.decide import decide
from tasks.right.describe import describe_datasets, describe_teachers, once_signed
from tasks.right.registry import load_datasets, load_teachers, shipped_teachers
from tasks.right.terms import Review

FOLDER = shipped_teachers()
TEACHERS = load_teachers([FOLDER])

ROUTES = [
    ("gpt-5@openai-api", "primary", "no", "deny"),
    ("any-model@openai-chatgpt", "primary", "no", "deny"),
    ("claude-opus-4-1@anthropic-api", "primary", "no", "deny"),
    ("gemini-2.5-pro@google-gemini-api", "primary", "no", "deny"),
    ("any-model@google-consumer", "primary", "no", "deny"),
    ("grok-4@xai-api", "primary", "no", "deny"),
    ("Llama-4-Maverick-17B-128E-Instruct-FP8@meta-model-api", "primary", "no", "deny"),
    ("mistral-large-latest@mistral-api", "primary", "conditional", "conditions"),
    ("deepseek-reasoner@deepseek-api", "primary", "yes", "allow"),
    ("any-model@qwen-chat", "primary", "no", "deny"),
    ("qwen3-max@alibaba-model-studio", "unverified", "unknown", "deny"),
    ("kimi-k2-thinking@kimi-platform", "unverified", "unknown", "deny"),
    ("glm-4.6@z.ai", "unverified", "unknown", "deny"),
    ("MiniMax-M2@minimax-api", "unverified", "unknown", "deny"),
    ("command-a-03-2025@cohere-api", "unverified", "unknown", "deny"),
    ("any-model@azure-foundry", "unverified", "unknown", "deny"),
    ("deepseek-r1@fireworks", "primary", "no", "deny"),
    ("deepseek-r1@together", "primary", "conditional", "conditions"),
    ("deepseek-r1@openrouter", "primary", "unknown", "deny"),  # inherits whatever serves it: not known beforehand
    ("gpt-oss@aws-bedrock", "secondary", "conditional", "conditions"),
]
"""By the pair that shows them; a route that serves nothing to name is shown with any model."""

WEIGHTS = [
    ("deepseek-r1", "primary", "yes", "allow"),
    ("deepseek-r1-distill-qwen", "primary", "yes", "allow"),
    ("deepseek-r1-distill-llama-8b", "primary", "conditional", "conditions"),
    ("deepseek-r1-distill-llama-70b", "primary", "conditional", "conditions"),
    ("deepseek-v4", "secondary", "yes", "allow"),
    ("deepseek-v3", "primary", "conditional", "conditions"),
    ("qwen3", "primary", "yes", "allow"),
    ("qwen-2024", "primary", "conditional", "conditions"),
    ("qwen-2023", "primary", "no", "deny"),
    ("qwen-research", "secondary", "no", "deny"),
    ("gpt-oss", "primary", "yes", "allow"),
    ("gemma-3", "primary", "conditional", "conditions"),
    ("gemma-4", "secondary", "yes", "allow"),
    ("llama-2", "primary", "no", "deny"),
    ("llama-3.0", "primary", "no", "deny"),
    ("llama-3.1", "primary", "conditional", "conditions"),
    ("llama-3.2", "primary", "conditional", "conditions"),
    ("llama-3.2-vision", "primary", "conditional", "conditions"),
    ("llama-3.3", "primary", "conditional", "conditions"),
    ("llama-4", "primary", "conditional", "conditions"),
    (
        "kimi-k2",
        "primary",
        "conditional",
        "conditions",
    ),  # stricter than "yes": the duty to show the name is asked about
    ("kimi-k3", "secondary", "conditional", "conditions"),
    ("glm-4.5", "secondary", "yes", "allow"),
    ("minimax-m2", "primary", "conditional", "conditions"),  # stricter than "yes", as kimi-k2
    ("minimax-m2.7", "secondary", "no", "deny"),
    ("minimax-m3", "unverified", "unknown", "deny"),
    (
        "nemotron-2025",
        "primary",
        "conditional",
        "conditions",
    ),  # stricter than "yes": its last revision was not read whole
    ("nemotron-llama-3.1", "secondary", "conditional", "conditions"),
    ("nemotron-llama-3.3", "secondary", "conditional", "conditions"),
    ("nemotron-3", "secondary", "yes", "allow"),
    ("nvidia-cosmos", "primary", "conditional", "conditions"),
    ("olmo", "secondary", "yes", "allow"),
    ("phi-4", "secondary", "yes", "allow"),
    ("mistral-apache", "secondary", "yes", "allow"),
    ("mistral-research", "secondary", "no", "deny"),
    ("command", "unverified", "no", "deny"),
    ("openmdw-1.0", "primary", "yes", "allow"),
]
"""By their names; each is shown on a server of one's own."""


@pytest.mark.parametrize(
    ("name", "mark", "says", "signed"), [*ROUTES, *((f"{name}@self-hosted", *rest) for name, *rest in WEIGHTS)]
)
def test_a_row_of_the_table_is_shipped_and_answered(
    name: str, mark: str, says: str, signed: str, now: datetime
) -> None:
    teacher = TEACHERS[name]
    terms = teacher.weights if name.endswith("@self-hosted") else teacher.route_terms
    assert terms.evidence is not None and (terms.evidence.mark, terms.outputs_trainable) == (mark, says)
    assert not decide(teacher, "MIT", "ask", None, (), now).allow, "nobody has signed for what is shipped"
    assert once_signed(teacher, now) == signed
    if signed == "deny":
        review = teacher.model_copy(update={"review": Review(by="Ada Lovelace", on=now.date())})
        codes = {reason.code for reason in decide(review, "MIT", "train", None, (), now).reasons}
        assert codes & {"weights_forbid", "weights_unknown", "weights_unverified"} or codes & {
            "route_forbid",
            "route_unknown",
            "route_unverified",
        }


def test_nothing_is_shipped_beside_these_rows_but_what_is_listed_here() -> None:
    rows = {name for name, *_ in WEIGHTS} | {"qwen2.5", "simulated-teacher"}  # qwen2.5: the smaller sizes, Apache-2.0
    assert {path.stem for path in (FOLDER / "weights").glob("*.yaml")} == rows
    routes = {name.partition("@")[2] for name, *_ in ROUTES}
    routes |= {"self-hosted", "simulated", "hosted-unread"}  # hosted-unread: hosts whose terms nobody has read
    assert {path.stem for path in (FOLDER / "routes").glob("*.yaml")} == routes


def test_a_server_of_ones_own_adds_no_second_contract(own, now: datetime) -> None:
    entry = "name: t\nmodel: m\nlicense: MIT\nbase_url: http://10.0.0.5/v1\nreviewed: {by: Ada, on: 2026-11-25}"
    assert decide(own(entry)["t"], "MIT", "ask", None, (), now).allow


def test_the_agreement_about_nemotron_datasets_speaks_of_prompts(now: datetime) -> None:
    (file,) = load_datasets([FOLDER])
    assert (file.dataset, file.use, file.evidence.mark) == ("nemotron-datasets", "unknown", "primary")
    (line,) = describe_datasets([file], TEACHERS["simulated"], now)
    assert (line.kind, line.verdict) == ("dataset", "deny")
    assert line.reasons[0].code == "prompts_license_not_free"


def test_everything_that_is_denied_says_why(now: datetime) -> None:
    for line in describe_teachers(TEACHERS.values(), now):
        assert (line.verdict == "allow") == (line.name == "simulated") == (not line.reasons)
        assert all(reason.term and reason.remedy for reason in line.reasons)


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "nemotron-3"),
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", "nemotron-2025"),
        ("nvidia/Llama-3_3-Nemotron-Super-49B-v1", "nemotron-llama-3.3"),
        ("nvidia/Llama-3.1-Nemotron-Nano-8B-v1", "nemotron-llama-3.1"),
        ("meta-llama/Llama-3.2-3B-Instruct", "llama-3.2"),
        ("meta-llama/Llama-3.2-90B-Vision-Instruct", "llama-3.2-vision"),
        ("moonshotai/Kimi-K2.5", "kimi-k2"),
        ("moonshotai/Kimi-K3", "kimi-k3"),
        ("zai-org/GLM-5.2", "glm-4.5"),
    ],
)
def test_a_version_is_known_by_its_own_file(own, model: str, weights: str) -> None:
    entry = f"name: t\nbase_url: http://10.0.0.5/v1\nmodel: {model}"
    assert own(entry)["t"].weights.weights == weights


@pytest.mark.parametrize(
    "model", ["zai-org/GLM-6", "nvidia/Cosmos3-Nano", "MiniMaxAI/MiniMax-M4", "moonshotai/Kimi-K4"]
)
def test_a_later_version_that_nobody_has_read_is_known_by_none(own, model: str) -> None:
    entry = f"name: t\nbase_url: http://10.0.0.5/v1\nmodel: {model}\nlicense: LicenseRef-new"
    assert own(entry)["t"].outputs_trainable == "unknown"
