"""The training itself: runs inside a Ray Train worker, reads a version's folder, leaves what `tasks.train.job` says."""

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer import TRAINER_STATE_NAME
from trl import SFTConfig, SFTTrainer

from tasks.publish.publication import Form
from tasks.publish.rows import completion
from tasks.train.device import usable_cores
from tasks.train.evaluate import Answered, ask_student, checkable
from tasks.train.job import Job
from tasks.train.models import adapters, open_student
from tasks.train.student import Student

_TINY_THREADS = 1
"""A second thread saves a tiny student little on an idle machine, and on a busy one the two wait for each other:
150 steps were measured at 5 s with one thread and at 60 s with two."""
_CURVE = 60  # points of the loss curve, whatever the number of steps


def train(job: Job) -> None:
    """Evaluate, train, evaluate again; a training that was killed goes on from its last whole checkpoint."""
    began = time.monotonic()
    _quiet()
    torch.set_num_threads(_threads(job.student))
    job.work.mkdir(parents=True, exist_ok=True)
    rows, heldout = read_version(job)
    model, tokenizer = open_student(job.student, rows, job.gpu)
    before = _before(job, model, tokenizer, heldout)
    trainer = make_trainer(job, model, tokenizer, rows)
    resumed_from = _last_checkpoint(job.work)
    outcome = trainer.train(resume_from_checkpoint=resumed_from and str(resumed_from))
    trained = merged(trainer)
    after = _ask(job, trained, tokenizer, heldout, "evaluating the trained student")
    save(job, trained, tokenizer)
    measured = _measured(job, trainer, outcome.metrics) | {
        "resumed_from_step": _step(resumed_from) if resumed_from else 0,
        "seconds": time.monotonic() - began,
    }
    _write_heldout(job.heldout, before, after)
    write_json(job.result, measured | {"before": _marks(before), "after": _marks(after)})


def read_version(job: Job) -> tuple[datasets.Dataset, list[Mapping[str, Any]]]:
    """The version as anybody would load it: the training rows, and the held-out prompts that can be checked."""
    folder, cache = str(job.version_folder), str(job.work / "cache")
    rows = datasets.load_dataset(folder, split="train", cache_dir=cache)
    if job.rewrite:
        rows = rows.map(rewritten, fn_kwargs={"form": job.form})
    if not any(job.version_folder.glob("heldout-*.parquet")):  # published without a validation side
        return rows, []
    heldout = datasets.load_dataset(folder, "heldout", split="test", cache_dir=cache).to_list()
    return rows, checkable(heldout, job.student.eval_prompts)


def rewritten(row: Mapping[str, Any], form: Form) -> dict[str, Any]:
    """A row with its completion made anew, in the form that the student's template keeps."""
    return {"completion": completion(row["reasoning"], row["answer"], form)}


def make_trainer(
    job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: datasets.Dataset
) -> SFTTrainer:
    """TRL's trainer on the version's rows; the loss is taken over the completions alone."""
    return SFTTrainer(
        model=model,
        args=trainer_settings(job, len(rows)),
        train_dataset=rows.select_columns(["prompt", "completion"]),
        processing_class=tokenizer,
        peft_config=adapters(job.student.lora),
        callbacks=[_Told(job.progress)],
    )


def trainer_settings(job: Job, rows: int) -> SFTConfig:
    """The student's numbers in TRL's words; nothing is reported to anybody and nothing is printed."""
    student = job.student
    a_step = student.batch_size * student.gradient_accumulation
    steps = student.max_steps or max(1, round(student.epochs * rows / a_step))
    return SFTConfig(
        output_dir=str(job.work),
        max_steps=steps,
        learning_rate=student.peak_learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=int(student.warmup * steps),
        weight_decay=student.weight_decay,
        adam_beta2=student.adam_beta2,
        per_device_train_batch_size=student.batch_size,
        gradient_accumulation_steps=student.gradient_accumulation,
        max_length=student.max_length,
        completion_only_loss=True,
        # Rows of a length save padding; but families of problems have lengths, and a tiny student that sees one family
        # after the other forgets the first.
        train_sampling_strategy="random" if student.is_tiny else "group_by_length",
        activation_checkpointing=not student.is_tiny,
        bf16=job.gpu,
        use_cpu=torch.cuda.is_available() and not job.gpu,
        seed=student.seed,
        data_seed=student.seed,
        logging_steps=max(1, steps // _CURVE),
        save_steps=student.checkpoint_every,
        save_total_limit=1,
        dataloader_num_workers=0,
        dataloader_pin_memory=job.gpu,
        report_to="none",
        disable_tqdm=True,
    )


def merged(trainer: SFTTrainer) -> PreTrainedModel:
    """The trained model, with its adapters, if it has any, merged into its weights."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def save(job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write the checkpoint under another name first, so that the folder of that name is always whole."""
    unfinished = job.work / "checkpoint"
    model.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    if job.checkpoint.exists():
        shutil.rmtree(job.checkpoint)
    unfinished.rename(job.checkpoint)


def write_json(path: Path, content: object) -> None:
    """Replace a file whole."""
    temporary = path.with_name(f".{path.name}")
    with temporary.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class _Told(TrainerCallback):  # type: ignore[misc]  # transformers is not typed for us
    """Keeps `progress.json` up to date while the trainer works."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **rest: Any) -> None:
        if "loss" in logs:
            told = {"note": None, "step": state.global_step, "steps": state.max_steps, "loss": float(logs["loss"])}
            write_json(self._path, told)


def _before(
    job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, heldout: Sequence[Mapping[str, Any]]
) -> list[Answered]:
    """What the untrained student answers; kept, because a training that goes on has it only on disk."""
    kept = job.work / "before.json"
    if kept.exists():
        return [Answered(**fields) for fields in json.loads(kept.read_text())]
    answered = _ask(job, model, tokenizer, heldout, "evaluating the untrained student")
    write_json(kept, [asdict(one) for one in answered])
    return answered


def _ask(
    job: Job,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    heldout: Sequence[Mapping[str, Any]],
    note: str,
) -> list[Answered]:
    if job.gpu:
        model.to("cuda")

    def told(answered: int, asked: int) -> None:
        write_json(job.progress, {"note": f"{note}: {answered:,} of {asked:,}"})

    student = job.student
    return ask_student(model, tokenizer, heldout, student.max_new_tokens, student.eval_batch_size, told)


def _threads(student: Student) -> int:
    """Ray gives a worker one thread; a training takes the machine's cores, but for a tiny one."""
    return min(usable_cores(), _TINY_THREADS) if student.is_tiny else usable_cores()


def _quiet() -> None:
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()


def _last_checkpoint(work: Path) -> Path | None:
    """The newest of the trainer's checkpoints that is whole: its state file is written last."""
    return max((path.parent for path in work.glob(f"checkpoint-*/{TRAINER_STATE_NAME}")), key=_step, default=None)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _measured(job: Job, trainer: SFTTrainer, metrics: Mapping[str, float]) -> dict[str, object]:
    """What the training came to, for the catalog."""
    history = trainer.state.log_history
    lengths = [len(ids) for ids in trainer.train_dataset["input_ids"]]
    return {
        "rows": len(lengths),
        "rows_cut": sum(length >= job.student.max_length for length in lengths),
        "steps": trainer.state.global_step,
        "epochs": trainer.state.epoch,
        "tokens": int(next((log["num_tokens"] for log in reversed(history) if "num_tokens" in log), 0)),
        "train_seconds": metrics["train_runtime"],
        "loss": [[log["step"], log["loss"]] for log in history if "loss" in log],
        "parameters": trainer.model.num_parameters(),
        "threads": torch.get_num_threads(),
        "form": job.form,
        "rewritten": job.rewrite,
    }


def _marks(answered: Sequence[Answered]) -> list[tuple[str, bool]]:
    return [(one.family, one.right) for one in answered]


def _write_heldout(path: Path, before: Sequence[Answered], after: Sequence[Answered]) -> None:
    rows = [
        {
            "prompt_id": now.prompt_id,
            "family": now.family,
            "before": was.output,
            "right_before": was.right,
            "after": now.output,
            "right_after": now.right,
        }
        for was, now in zip(before, after, strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
