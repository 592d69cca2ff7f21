"""Trains one student on an arm's rows, and asks it the held-out prompts."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.trainer_callback import PrinterCallback
from trl import SFTTrainer

from tasks.judge.verify import verify
from tasks.publish.rows import completion
from tasks.train.dialogue import answer_of
from tasks.train.evaluate import ask_student
from tasks.train.job import Job
from tasks.train.student import Student
from tasks.train.tiny import make_model, make_tokenizer
from tasks.train.trainer import make_trainer, merged, save, trainer_settings

MAX_LENGTH = 48
"""Tokens of a row. Every text but a loop has 36 to 41, so a step costs about the same in every arm; a loop has 180 and
is cut, so that it never comes to its answer."""
_MAX_NEW_TOKENS = 32


@dataclass(frozen=True)
class Lesson:
    """What one training came to. `marks` and `sampled` have a 1 for each held-out prompt answered right, greedily and
    drawn at temperature 1; `unfinished` counts greedy outputs without an answer."""

    rows: int
    tokens_a_row: float
    cut_rows: int
    train_loss: float
    marks: str
    sampled: str
    unfinished: int
    training_cpu_s: float
    cpu_s: float
    wall_s: float


def student_of(seed: int, steps: int) -> Student:
    """The demo's tiny student (380,000 parameters); `seed` decides its first weights and the order of the rows."""
    return Student(
        model="tiny", seed=seed, max_steps=steps, batch_size=16, learning_rate=2e-3, weight_decay=0.01, adam_beta2=0.98,
        max_length=MAX_LENGTH, checkpoint_every=steps, max_new_tokens=_MAX_NEW_TOKENS, eval_batch_size=300,
    )  # fmt: skip


def training_rows(traces: Sequence[Mapping[str, Any]]) -> datasets.Dataset:
    """Traces as a version would hold them."""
    return datasets.Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": trace["question"]}],
                "completion": completion(trace["reasoning"], trace["answer"], "field"),
                "reasoning": trace["reasoning"],
                "answer": trace["answer"],
            }
            for trace in traces
        ]
    )


def tokenizer_of(traces: Sequence[Mapping[str, Any]]) -> PreTrainedTokenizerFast:
    """The students' one tokenizer: all arms share it, so that students of a seed start from the same weights."""
    return make_tokenizer(training_rows(traces), 512)


def teach(
    rows: datasets.Dataset,
    held_out: Sequence[Mapping[str, str]],
    tokenizer: PreTrainedTokenizerFast,
    student: Student,
    folder: Path,
) -> Lesson:
    """Train a student on prepared rows and ask it the held-out prompts; its checkpoint stays in `folder`."""
    _quiet()
    cpu, wall = time.process_time(), time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    job = _job(student, folder)
    lengths = [len(ids) for ids in rows["input_ids"]]
    trainer = SFTTrainer(
        model=make_model(student, tokenizer),
        args=trainer_settings(job, len(rows)),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    loss = trainer.train().metrics["train_loss"]
    trained = merged(trainer)
    cpu_trained = time.process_time() - cpu
    save(job, trained, tokenizer)
    shutil.rmtree(job.work)
    job.progress.unlink(missing_ok=True)
    marks, unfinished = _greedy(trained, tokenizer, held_out, student)
    return Lesson(
        rows=len(rows),
        tokens_a_row=sum(min(length, MAX_LENGTH) for length in lengths) / len(lengths),
        cut_rows=sum(length >= MAX_LENGTH for length in lengths),
        train_loss=loss,
        marks=marks,
        sampled=_drawn(trained, tokenizer, held_out, student),
        unfinished=unfinished,
        training_cpu_s=cpu_trained,
        cpu_s=time.process_time() - cpu,
        wall_s=time.monotonic() - wall,
    )


def prepared(
    traces: Sequence[Mapping[str, Any]], tokenizer: PreTrainedTokenizerFast, student: Student, folder: Path
) -> datasets.Dataset:
    """The traces as token ids with the completion marked, as the line's trainer makes them; the same for every seed."""
    _quiet()
    trainer = make_trainer(_job(student, folder), make_model(student, tokenizer), tokenizer, training_rows(traces))
    return trainer.train_dataset


def _job(student: Student, folder: Path) -> Job:
    job = Job(folder, folder, student, "field", rewrite=False, gpu=False)
    job.work.mkdir(parents=True, exist_ok=True)
    return job


def _greedy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    held_out: Sequence[Mapping[str, str]],
    student: Student,
) -> tuple[str, int]:
    """The marks, and how many outputs came to no answer."""
    asked = [
        {
            "prompt": [{"role": "user", "content": problem["prompt"]}],
            "prompt_id": str(number),
            "family": problem["family"],
            "verifier": "numeric",
            "reference": problem["reference"],
            "metadata": None,
        }
        for number, problem in enumerate(held_out)
    ]
    said = ask_student(model, tokenizer, asked, student.max_new_tokens, student.eval_batch_size, lambda done, of: None)
    return _marks([one.right for one in said]), sum(not answer_of(one.output) for one in said)


def _drawn(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    held_out: Sequence[Mapping[str, str]],
    student: Student,
) -> str:
    """The marks of one answer a prompt drawn from the student's own distribution: what it believes, not only its
    first choice."""
    model.eval()
    torch.manual_seed(student.seed)
    plain = GenerationConfig(
        do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=student.max_new_tokens,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    right = []
    for start in range(0, len(held_out), student.eval_batch_size):
        some = held_out[start : start + student.eval_batch_size]
        chats = [[{"role": "user", "content": problem["prompt"]}] for problem in some]
        given = tokenizer.apply_chat_template(
            chats, add_generation_prompt=True, return_dict=True, return_tensors="pt", padding=True,
            tokenizer_kwargs={"padding_side": "left"},
        )  # fmt: skip
        with torch.inference_mode():
            ids = model.generate(**given, generation_config=plain)
        texts = tokenizer.batch_decode(ids[:, given["input_ids"].shape[1] :], skip_special_tokens=True)
        right += [
            verify("numeric", answer_of(text), problem["reference"]).right
            for text, problem in zip(texts, some, strict=True)
        ]
    return _marks(right)


def _marks(right: Sequence[bool]) -> str:
    return "".join("1" if one else "0" for one in right)


def _quiet() -> None:
    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
