"""Asking a student the held-out prompts: greedy, in batches, checked by the same verifiers that judged its teachers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from tasks.judge.verify import verify
from tasks.train.dialogue import answer_of

Told = Callable[[int, int], None]
"""Called with (answered, asked) after each batch."""


@dataclass(frozen=True)
class Answered:
    """One held-out prompt and what the student made of it."""

    prompt_id: str
    family: str
    output: str
    right: bool


def checkable(rows: Sequence[Mapping[str, Any]], limit: int) -> list[Mapping[str, Any]]:
    """The first `limit` held-out prompts with a verifier; they lie in order of a hash, so they are a sample."""
    return [row for row in rows if row["verifier"] and row["verifier"] != "none"][:limit]


def ask_student(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Mapping[str, Any]],
    max_new_tokens: int,
    batch_size: int,
    told: Told,
) -> list[Answered]:
    """Generate and check an answer to every prompt; a check that cannot decide counts as wrong."""
    prompts = [_prompt_ids(tokenizer, row) for row in rows]
    by_length = sorted(range(len(rows)), key=lambda index: len(prompts[index]))
    outputs: dict[int, str] = {}
    was_training = model.training
    model.eval()
    for batch in _batches(by_length, batch_size):
        texts = _generate(model, tokenizer, [prompts[index] for index in batch], max_new_tokens)
        outputs.update(zip(batch, texts, strict=True))
        told(len(outputs), len(rows))
    model.train(was_training)
    return [_check(row, outputs[index]) for index, row in enumerate(rows)]


def _prompt_ids(tokenizer: PreTrainedTokenizerBase, row: Mapping[str, Any]) -> list[int]:
    return list(tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"])


def _batches(indices: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


def _generate(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[list[int]], max_new_tokens: int
) -> list[str]:
    given = tokenizer.pad({"input_ids": list(prompts)}, padding_side="left", return_tensors="pt").to(model.device)
    stops = model.generation_config.eos_token_id
    greedy = GenerationConfig(
        do_sample=False,
        max_new_tokens=max_new_tokens,
        eos_token_id=stops if stops is not None else tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.inference_mode():
        ids = model.generate(**given, generation_config=greedy)
    answers = ids[:, given["input_ids"].shape[1] :]
    return list(tokenizer.batch_decode(answers, skip_special_tokens=True))


def _check(row: Mapping[str, Any], output: str) -> Answered:
    check = verify(row["verifier"], answer_of(output), row["reference"], row["metadata"])
    return Answered(row["prompt_id"], row["family"] or "all", output, check.right)
