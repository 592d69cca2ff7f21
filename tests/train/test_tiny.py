"""The tiny student's tokenizer, and what of a row reaches its loss."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from train.taught import worked

from flows.demo_problems import demo_problems
from tasks.publish.rows import completion
from tasks.train.dialogue import TINY_TEMPLATE
from tasks.train.job import Job
from tasks.train.student import Student

if TYPE_CHECKING:  # each process of the tests collects this file; the one that runs it takes the seconds of the imports
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast

PROBLEMS = list(demo_problems(60, seed=3))
STUDENT = Student(model="tiny", tiny={"hidden_size": 32, "heads": 2, "layers": 1}, max_length=128)
DROPS_THE_FIELD = TINY_TEMPLATE.replace("message.get('reasoning_content')", "false")


def rows(form: str) -> "Dataset":
    from datasets import Dataset

    return Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": problem["prompt"]}],
                "completion": completion(*worked(problem), form),
                "reasoning": worked(problem)[0],
                "answer": worked(problem)[1],
            }
            for problem in PROBLEMS
        ]
    )


def made() -> "PreTrainedTokenizerFast":
    from tasks.train.tiny import make_tokenizer

    return make_tokenizer(rows("field"), 400)


tokenizer = cache(made)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert tokenizer().decode(tokenizer().encode(text), skip_special_tokens=False) == text


def test_numbers_are_read_digit_by_digit() -> None:
    assert [token for token in tokenizer().tokenize("What is 471 + 85?") if token.isdigit()] == list("47185")


def test_the_same_rows_make_the_same_tokenizer() -> None:
    assert made().get_vocab() == tokenizer().get_vocab()


@pytest.mark.parametrize(
    ("form", "template"), [("field", TINY_TEMPLATE), ("inline", TINY_TEMPLATE), ("inline", DROPS_THE_FIELD)]
)
def test_reasoning_and_answer_reach_the_loss_and_the_question_does_not(
    form: str, template: str, tmp_path: Path
) -> None:
    from tasks.train.models import open_student
    from tasks.train.trainer import make_trainer

    given_rows = rows(form)
    job = Job(tmp_path, tmp_path, STUDENT, form, rewrite=False, gpu=False)
    model, reader = open_student(STUDENT, given_rows, gpu=False)
    reader.chat_template = template
    prepared = make_trainer(job, model, reader, given_rows).train_dataset
    learned = {_decoded(reader, [one for one in row["labels"] if one != -100]) for row in prepared}
    reasoning, answer = worked(PROBLEMS[0])
    expected = {
        "field": f"<think>{reasoning}</think>{answer}<|end|>",
        "inline": f"<think>\n{reasoning}\n</think>\n\n{answer}<|end|>",
    }
    assert expected[form] in learned
    assert not any("What" in text or "How many" in text for text in learned)


def _decoded(reader: "PreTrainedTokenizerFast", ids: list[int]) -> str:
    return str(reader.decode(ids, skip_special_tokens=False))
