"""Plan a run: which samples are wanted, which are answered already, and the batches to ask for the rest.

Planning the same recipe over the same prompts again writes nothing and changes nothing: a plan's id is the
hash of the samples it wants.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import orjson
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.ask.batch_files import BatchFile, Forecast, cut_batches, usd
from tasks.ask.prompt_file import Mask, PromptFile, batches_of, rows_of, write_prompt_file
from tasks.ask.prompts import PromptSource, read_prompts
from tasks.ask.sampling import Ask, Sampling
from tasks.ask.wanted import Samples, Wanted, write_candidates
from tasks.right.gate import Admission
from tasks.right.terms import Teacher
from warehouse.catalog import transaction
from warehouse.errors import BadInput, RunFailed
from warehouse.layout import DataRoot
from warehouse.parts import unwritable, write_part
from warehouse.records import PLANS, PROMPTS, DataFile, content_id

__all__ = ["AskPlan", "BatchFile", "TeacherPlan", "plan_asking"]

ASSUMED_FILL = 0.5
"""Share of `max_tokens` that an answer is taken to need while the ledger holds too few of a teacher's
answers to say. A guess, for the estimate alone: no limit and no budget depends on it."""


@dataclass(frozen=True)
class TeacherPlan:
    """What one teacher is to be asked. Tokens are prompt and completion together."""

    teacher: str
    requests: int
    estimated_tokens: int
    worst_tokens: int
    estimated_usd: float | None
    """None: the price is unknown."""
    worst_usd: float | None
    estimated_s: float | None
    """Seconds at the stated quota; None where no quota is stated."""
    longest_prompt: int
    """Estimated prompt tokens of the longest request."""


@dataclass(frozen=True)
class AskPlan:
    """One plan. wanted = reused + answered + given_up + shared + to_ask."""

    plan_id: str
    dataset: str
    prompts: int
    """Different prompts in the source."""
    repeated: int
    """Rows of the source that repeat one of them."""
    wanted: int
    """Samples: prompts x samples_per_prompt, or fewer candidates for a target."""
    reused: int
    """Answered before, for another dataset."""
    answered: int
    """Answered before, for this dataset."""
    given_up: int
    """The teacher rejects them, and would again: nothing in the request has changed."""
    shared: int
    """Another sample of the plan makes the very same request; one answer serves both."""
    to_ask: int
    maybe_paid: int
    """Of `to_ask`: an earlier attempt may have been paid; asked last."""
    resampled: int
    """Of `to_ask`: an answer exists and was cut off at a lower `max_tokens`."""
    estimated_tokens: int
    worst_tokens: int
    estimated_usd: float | None
    worst_usd: float | None
    """No request can cost more; None: the price of a teacher that is asked is unknown."""
    teachers: tuple[TeacherPlan, ...]
    """Those that are to be asked."""
    batches: tuple[BatchFile, ...]
    """In the order in which to ask them."""
    license: str
    """Of the prompts, as the recipe states it."""


@task(name="plan-asking", task_run_name="plan {dataset}", cache_policy=NO_CACHE)
def plan_asking(
    root: DataRoot,
    run_id: str,
    dataset: str,
    recipe_sha256: str,
    source: PromptSource,
    folder: Path,
    ask: Ask,
    sampling: Sampling,
    samples_per_prompt: int,
    shares: Mapping[str, float],
    admissions: Sequence[Admission],
    batch_rows: int,
    now: datetime,
    record: bool = True,
    candidates: int | None = None,
    most_samples: int | None = None,
    by_batch: bool = False,
) -> AskPlan:
    """Read and check every prompt, decide what is to be asked, and write its batch files to scratch.

    `folder` is the recipe's, where relative sources start. Parts and the plan are committed before anything
    is asked; with `record=False` no part, plan or batch is written: it only counts. With `candidates` the plan
    wants only so many samples, the first in plan order: all prompts with `samples_per_prompt`, then further ones
    of each up to `most_samples`. With `by_batch` everything is asked by the teachers' batch APIs, at their price.

    Raises:
        BadInput: a prompt, the source, or a share that cannot be used; nothing was written.
        RunFailed: the disk is full.
    """
    teachers = {admission.teacher.name: admission.teacher for admission in admissions}
    wanted = Wanted(
        dataset, ask, sampling, samples_per_prompt, _checked(shares, teachers), teachers, candidates, most_samples
    )
    with _scratch(root, run_id) as scratch:
        file = write_prompt_file(read_prompts(source, folder), scratch / "prompts.parquet")
        _ensure_warehouse(root, now)
        with Samples(root, scratch) as samples:
            first, new = samples.first_seen(file)
            write_candidates(file, first, wanted, scratch / "candidates.parquet")
            samples.decide(scratch / "candidates.parquet", wanted)
            plan_id = _plan_id(samples, wanted)
            if record:
                _record(root, samples, file, new, plan_id, wanted, run_id, recipe_sha256, now)
            batches, forecasts = cut_batches(
                samples, file, wanted, batch_rows, root.scratch(run_id) if record else None
            )
            spent = tuple(
                _teacher_plan(
                    samples, teachers[name].at_batch_price() if by_batch else teachers[name], forecast, sampling
                )
                for name, forecast in forecasts.items()
            )
            return _summary(plan_id, wanted, file, first, samples, spent, batches, source.license)


def _checked(shares: Mapping[str, float], teachers: Mapping[str, Teacher]) -> Mapping[str, float]:
    if not shares:
        raise BadInput("the recipe names no teacher: set teachers, e.g. [my-vllm]")
    for name, share in shares.items():
        if name not in teachers:
            raise BadInput(f"teacher {name!r} has not passed the gate: admitted are {', '.join(sorted(teachers))}")
        if not (share > 0 and math.isfinite(share)):
            raise BadInput(f"the share of teacher {name!r} is {share}: it must be above 0, or leave the teacher out")
    return shares


@contextmanager
def _scratch(root: DataRoot, run_id: str) -> Iterator[Path]:
    """A folder for the plan's working files, gone afterwards; an error of the disk becomes one line."""
    home = root.scratch(run_id)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="plan-", dir=home) as folder:
            yield Path(folder)
    except OSError as error:
        raise RunFailed(unwritable(home, error)) from error


def _ensure_warehouse(root: DataRoot, now: datetime) -> None:
    if not root.warehouse.exists():
        with transaction(root, now, publish="now"):
            pass


def _plan_rows(samples: Samples) -> Iterator[pa.RecordBatch]:
    return samples.stream("select request_key, prompt_id, sample_index, teacher from decided order by place")


def _plan_id(samples: Samples, wanted: Wanted) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for batch in _plan_rows(samples):
        columns = (column.to_pylist() for column in batch.columns)
        digest.update(
            "".join(
                f"{key}\t{prompt}\t{index}\t{teacher}\n" for key, prompt, index, teacher in zip(*columns, strict=True)
            ).encode()
        )
    return content_id("plan", wanted.dataset, wanted.sampling.max_tokens, digest.hexdigest())


def _record(
    root: DataRoot,
    samples: Samples,
    file: PromptFile,
    new: Mask,
    plan_id: str,
    wanted: Wanted,
    run_id: str,
    recipe_sha256: str,
    now: datetime,
) -> None:
    """Write what the warehouse does not have of this plan, and make the plan its dataset's current one."""
    state = samples.plan_state(plan_id, wanted.dataset)
    files = [_write_prompts(root, file, new)] if new.any() else []
    if state == "new":
        files.append(_write_plan(root, samples, plan_id, wanted))
    if state == "current" and not files:
        return
    row = {
        "plan_id": plan_id,
        "dataset": wanted.dataset,
        "run_id": run_id,
        "recipe_sha256": recipe_sha256,
        "wanted": samples.counts()["wanted"],
        "planned_at": now,
        "is_current": False,
    }
    with transaction(root, now, publish="now") as changes:
        changes.add_files(files)
        changes.insert("plan", [row])
        changes.execute("update store.plan set is_current = (plan_id = ?) where dataset = ?", [plan_id, wanted.dataset])


def _write_prompts(root: DataRoot, file: PromptFile, new: Mask) -> DataFile:
    digest = hashlib.blake2b(digest_size=16)
    for _, row in rows_of(file, new, PROMPTS.names):
        digest.update(orjson.dumps(row))
    return write_part(root, "prompts", digest.hexdigest(), batches_of(file, new))


def _write_plan(root: DataRoot, samples: Samples, plan_id: str, wanted: Wanted) -> DataFile:
    def rows() -> Iterator[pa.RecordBatch]:
        for batch in _plan_rows(samples):
            constant = {
                "plan_id": plan_id,
                "dataset": wanted.dataset,
                "max_tokens": wanted.sampling.max_tokens,
            }
            columns = [
                pa.repeat(pa.scalar(constant[field.name], field.type), batch.num_rows)
                if field.name in constant
                else batch[field.name].cast(field.type)
                for field in PLANS
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=PLANS)

    return write_part(root, "plans", plan_id, rows(), dataset=wanted.dataset)


def _teacher_plan(samples: Samples, teacher: Teacher, forecast: Forecast, sampling: Sampling) -> TeacherPlan:
    mean = samples.completion_tokens({teacher.name: teacher}).get(teacher.name, sampling.max_tokens * ASSUMED_FILL)
    completion = forecast.requests * min(mean, sampling.max_tokens)
    most = forecast.worst_completion_tokens
    tokens = round(forecast.prompt_tokens + completion)
    return TeacherPlan(
        teacher=teacher.name,
        requests=forecast.requests,
        estimated_tokens=tokens,
        worst_tokens=forecast.worst_prompt_tokens + most,
        estimated_usd=usd(teacher, forecast.prompt_tokens, completion),
        worst_usd=usd(teacher, forecast.worst_prompt_tokens, most),
        estimated_s=_seconds(teacher, forecast.requests, forecast.prompt_tokens + forecast.capped_tokens),
        longest_prompt=forecast.longest_prompt,
    )


def _seconds(teacher: Teacher, requests: int, charged_tokens: int) -> float | None:
    """The slowest of the stated rates; tokens as a worker charges them, each cap in full."""
    rates = ((requests, teacher.quota.requests_per_minute), (charged_tokens, teacher.quota.tokens_per_minute))
    return max((60.0 * amount / limit for amount, limit in rates if limit), default=None)


def _summary(
    plan_id: str,
    wanted: Wanted,
    file: PromptFile,
    first: Mask,
    samples: Samples,
    teachers: tuple[TeacherPlan, ...],
    batches: tuple[BatchFile, ...],
    license: str,
) -> AskPlan:
    counts, prompts = samples.counts(), int(np.count_nonzero(first))
    again = sum(count for (state, _), count in samples.asked().items() if state == "again")
    states = {name: counts.get(name, 0) for name in ("reused", "answered", "given_up")}
    return AskPlan(
        plan_id=plan_id,
        dataset=wanted.dataset,
        prompts=prompts,
        repeated=file.rows - prompts,
        wanted=counts["wanted"],
        **states,
        shared=counts["wanted"] - sum(states.values()) - counts["asked"],
        to_ask=counts["asked"],
        maybe_paid=again,
        resampled=counts["resampled"],
        estimated_tokens=sum(teacher.estimated_tokens for teacher in teachers),
        worst_tokens=sum(teacher.worst_tokens for teacher in teachers),
        estimated_usd=_total([teacher.estimated_usd for teacher in teachers]),
        worst_usd=_total([teacher.worst_usd for teacher in teachers]),
        teachers=teachers,
        batches=batches,
        license=license,
    )


def _total(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
