"""The student's description: what is part of its identity, what is not, and what is refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.publish.template import choose_form, keeps_reasoning, render
from tasks.train.dialogue import answer_of
from tasks.train.student import Lora, Student, chat_template, student_facts
from warehouse.errors import BadInput


@pytest.mark.parametrize(
    "change",
    [{"model": "a/b"}, {"epochs": 2.0}, {"seed": 1}, {"lora": Lora()}, {"eval_prompts": 5}, {"tiny": {"layers": 3}}],
)
def test_whatever_changes_the_training_or_its_measurement_is_another_student(change: dict[str, object]) -> None:
    assert Student(**{"model": "tiny"} | change).student_sha256 != _tiny().student_sha256


def test_what_is_declared_for_the_gate_does_not_train_a_student_again() -> None:
    declared = Student(model="tiny", name="Llama-mine", commercial=False, monthly_users=10, documents=("LICENSE",))
    assert declared.student_sha256 == _tiny().student_sha256
    assert student_facts(declared).name == "Llama-mine"
    assert student_facts(declared).monthly_users == 10
    assert student_facts(_tiny()).commercial is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": ""},
        {"model": " tiny"},
        {"model": "tiny", "epochs": 0},
        {"model": "tiny", "learning_rte": 1e-3},
        {"model": "tiny", "tiny": {"hidden_size": 100, "heads": 8}},
    ],
)
def test_a_wrong_field_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Student(**wrong)


def test_the_default_learning_rate_follows_what_is_trained() -> None:
    whole, adapted = Student(model="a/b"), Student(model="a/b", lora=Lora())
    assert whole.peak_learning_rate < adapted.peak_learning_rate < _tiny().peak_learning_rate
    assert Student(model="a/b", learning_rate=3e-4).peak_learning_rate == 3e-4


def test_the_tiny_student_reads_reasoning_from_its_own_field() -> None:
    template = chat_template(_tiny())
    assert keeps_reasoning(template, "field") and keeps_reasoning(template, "inline")
    assert choose_form("auto", template) == "field"
    answer = {"role": "assistant", "content": "5", "reasoning_content": "2 + 3 = 5."}
    assert render(template, [{"role": "user", "content": "2 + 3?"}, answer]) == (
        "<|user|>2 + 3?<|assistant|><think>2 + 3 = 5.</think>5<|end|>"
    )


def test_a_folder_without_a_chat_template_is_no_student(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no chat template"):
        chat_template(Student(model=str(tmp_path)))


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ("<think>2 + 3 = 5.</think>Answer: 5", "Answer: 5"),
        ("<think>\n2 + 3 = 5.\n</think>\n\nAnswer: 5", "Answer: 5"),
        ("2 + 3 = 5.</think>5", "5"),
        ("Answer: 5", "Answer: 5"),
        ("<think>2 + 3 = 5 and then", ""),
    ],
)
def test_the_answer_is_what_follows_the_reasoning(output: str, answer: str) -> None:
    assert answer_of(output) == answer


def _tiny() -> Student:
    return Student(model="tiny")
