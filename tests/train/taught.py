"""Versions for the trainer's tests: problems with worked answers, published in the real format, without a teacher."""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from tasks.publish.card import card
from tasks.publish.publication import Form
from tasks.publish.rows import completion
from tasks.publish.versions import record_version
from warehouse.layout import DataRoot
from warehouse.manifest import CARD, FORMAT, MANIFEST, Counts, Manifest, ShardEntry, to_json
from warehouse.records import content_id
from warehouse.shard_writers import ShardWriters
from warehouse.shards import HELDOUT, ROWS, shard_name, write_text

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
Problem = Mapping[str, str]
Row = dict[str, object]


def worked(problem: Problem) -> tuple[str, str]:
    """Reasoning and answer, in the steps that the simulated teacher takes."""
    numbers = [int(found) for found in re.findall(r"\d+", problem["prompt"])]
    if problem["family"] == "sequences":
        first, second, *_, last = numbers
        step = second - first
        return f"{second} - {first} = {step}. {last} + {step} = {problem['reference']}.", _said(problem)
    a, b, c = numbers
    sign = "+" if problem["family"] == "sums" else "-"
    return f"{a} + {b} = {a + b}. {a + b} {sign} {c} = {problem['reference']}.", _said(problem)


def _said(problem: Problem) -> str:
    return f"Answer: {problem['reference']}"


def shuffled(answers: Sequence[tuple[str, str]], seed: int) -> list[tuple[str, str]]:
    """The same answers, each with another's question: what a student can learn from is gone, and nothing else."""
    mixed = list(answers)
    random.Random(seed).shuffle(mixed)
    return mixed


def publish_problems(
    root: DataRoot,
    problems: Iterable[Problem],
    held_out: int,
    *,
    dataset: str = "taught",
    form: Form = "field",
    shuffle: bool = False,
) -> str:
    """Publish problems with worked answers as version 1 of a dataset; the first `held_out` are its held-out prompts."""
    problems = list(problems)
    answers = [worked(problem) for problem in problems]
    if shuffle:
        answers = answers[:held_out] + shuffled(answers[held_out:], seed=1)
    rows = [_row(problem, answer, form) for problem, answer in zip(problems, answers, strict=True)]
    version = f"{dataset}@2026.11.21.1"
    folder = root.version(dataset, "2026.11.21.1")
    folder.mkdir(parents=True)
    files = {
        "train": (ROWS[form], sorted(rows[held_out:], key=_key)),
        "validation": (ROWS[form], sorted(rows[:held_out], key=_key)),
        "heldout": (HELDOUT, sorted((_heldout(problem) for problem in problems[:held_out]), key=_key)),
    }
    shards = [_shard(folder / shard_name(split, 0, 1), split, *content) for split, content in files.items()]
    manifest = _manifest(version, dataset, form, shards)
    manifest = replace(manifest, card_sha256=write_text(folder / CARD, card(manifest)))
    write_text(folder / MANIFEST, to_json(manifest))
    record_version(root, manifest, [], NOW)
    return version


def _key(row: Row) -> str:
    return str(row["prompt_id"])


def _asked(problem: Problem) -> list[dict[str, str]]:
    return [{"role": "user", "content": problem["prompt"]}]


def _row(problem: Problem, answer: tuple[str, str], form: Form) -> Row:
    prompt_id = content_id(problem["prompt"])
    return {
        "prompt": _asked(problem), "completion": completion(*answer, form), "reasoning": answer[0],
        "answer": answer[1], "trace_id": content_id(prompt_id, *answer), "prompt_id": prompt_id,
        "teacher": "simulated", "terms_id": "simulated", "terms_sha256": "0" * 64, "simulated": True,
        "family": problem["family"], "license": "CC0-1.0",
    }  # fmt: skip


def _heldout(problem: Problem) -> Row:
    return {
        "prompt": _asked(problem), "prompt_id": content_id(problem["prompt"]), "question": problem["prompt"],
        "reference": problem["reference"], "verifier": "numeric", "family": problem["family"], "metadata": None,
        "license": "CC0-1.0",
    }  # fmt: skip


def _shard(path: Path, split: str, schema: pa.Schema, rows: Sequence[Row]) -> ShardEntry:
    with ShardWriters(1) as writers:
        file = writers.write(path, schema, rows).result()
    return ShardEntry(file.name, split, file.rows, file.bytes, file.sha256, "simulated", "simulated", "0" * 64)


def _manifest(version: str, dataset: str, form: Form, shards: Sequence[ShardEntry]) -> Manifest:
    train, validation, heldout = (shard.rows for shard in shards)
    rows = train + validation
    return Manifest(
        format=FORMAT, dataset=dataset, version=version, published_at=NOW, content_digest="0" * 64, form=form,
        simulated=True, rows=rows, train_rows=train, validation_rows=validation, heldout_prompts=heldout,
        tokens=30 * rows, shards=tuple(shards), card_sha256="", licenses=("CC0-1.0",), teachers=(),
        recipe="{}", recipe_sha256="0" * 64, plan_id="plan", judge_run="judging", run_id="run",
        counts=Counts(
            wanted=rows, reused=0, answered=rows, failed=0, maybe_paid=0, not_asked=0, kept=rows, rejected=0,
            undecided=0, quarantined=0, reasons={}, published=rows, merged_across_sides=0, not_admitted=0,
        ),
    )  # fmt: skip
