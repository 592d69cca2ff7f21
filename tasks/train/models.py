"""From a student's description to a model and its tokenizer; training libraries are imported here and below."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tasks.train.student import Lora, Student
from tasks.train.tiny import make_model, make_tokenizer
from warehouse.errors import BadInput


def open_student(
    student: Student, rows: Sequence[Mapping[str, Any]], gpu: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model before training, and its tokenizer; `rows` are what a tiny student's vocabulary is made from.

    On a GPU a model that only carries adapters is held in bfloat16, one that is trained whole in float32 (and computed
    in bfloat16); on a CPU everything is float32.

    Raises:
        BadInput: there is no such model, or it cannot be loaded.
    """
    if student.is_tiny:
        tokenizer = make_tokenizer(rows, student.tiny.vocabulary)
        return make_model(student, tokenizer), tokenizer
    dtype = torch.bfloat16 if gpu and student.lora else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(student.model, revision=_revision(student), dtype=dtype)
    except (OSError, ValueError) as error:
        raise _unusable(student, error) from error
    return model, _tokenizer(student)


def hub_template(student: Student) -> str:
    """The chat template of a model that is not a folder here.

    Raises:
        BadInput: there is no such model, or it has no chat template.
    """
    template = _tokenizer(student).chat_template
    if not isinstance(template, str):
        raise BadInput(f"student model '{student.model}' has no chat template: name a chat model, or a folder with one")
    return template


def adapters(lora: Lora | None) -> LoraConfig | None:
    """The student's adapters in peft's words."""
    if lora is None:
        return None
    target = lora.target if isinstance(lora.target, str) else list(lora.target)
    return LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=target, task_type="CAUSAL_LM"
    )


def _tokenizer(student: Student) -> PreTrainedTokenizerBase:
    try:
        tokenizer = AutoTokenizer.from_pretrained(student.model, revision=_revision(student))
    except (OSError, ValueError) as error:
        raise _unusable(student, error) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _revision(student: Student) -> str:
    return student.revision or "main"


def _unusable(student: Student, error: Exception) -> BadInput:
    reason = " ".join(str(error).split())[:200]
    return BadInput(
        f"student model '{student.model}' cannot be loaded ({reason}): name 'tiny', a folder with a model, or a hub id"
    )
