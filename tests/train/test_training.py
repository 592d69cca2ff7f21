"""A student run on real Ray Train with TRL: recorded once, resumed when killed, refused when a version is not whole."""

import json
import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import ray
from still import wait_until
from train.taught import NOW, publish_problems

from flows.demo_problems import demo_problems
from tasks.train.dialogue import TINY_TEMPLATE
from tasks.train.job import Job
from tasks.train.student import Lora, Student, StudentDone, TinyShape
from tasks.train.student_runs import finished
from tasks.train.train_student import make_job, train_once
from warehouse.catalog import connect
from warehouse.errors import BadInput, Busy
from warehouse.layout import DataRoot
from warehouse.locks import hold
from warehouse.manifest import load_manifest

pytestmark = pytest.mark.filterwarnings(
    "ignore:.* is deprecated:DeprecationWarning:ray.data.context",  # Ray sets its own deprecated defaults
)
SMALL = TinyShape(hidden_size=32, heads=2, layers=1)
STUDENT = Student(
    model="tiny", tiny=SMALL, max_steps=30, batch_size=8, max_length=128, max_new_tokens=8, checkpoint_every=10
)
PROBLEMS = list(demo_problems(80, seed=11))
HELD_OUT = 20
DROPS_THE_FIELD = TINY_TEMPLATE.replace("message.get('reasoning_content')", "false")


@pytest.fixture(scope="module")
def on_ray() -> Iterator[None]:
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield
    ray.shutdown()


@pytest.fixture
def version(data_root: DataRoot) -> str:
    return publish_problems(data_root, PROBLEMS, HELD_OUT)


def trained(root: DataRoot, version: str, student: Student = STUDENT, **told: object) -> StudentDone:
    return train_once(root, "run-1", version, student, "auto", NOW, **told)


def recorded(root: DataRoot) -> list[dict[str, object]]:
    with closing(connect(root)) as connection:
        found = connection.execute("select * from student_runs")
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.mark.line
def test_a_student_is_trained_once_and_recorded_with_what_was_measured(
    data_root: DataRoot, version: str, on_ray: None
) -> None:
    told: list[dict[str, object]] = []
    done = trained(data_root, version, say=lambda **changes: told.append(changes))
    again = trained(data_root, version)

    assert (done.is_new, again.is_new) == (True, False)
    assert (again.student_run_id, again.checkpoint, again.per_family) == (
        done.student_run_id,
        done.checkpoint,
        done.per_family,
    )
    [row] = recorded(data_root)
    assert (row["student_run_id"], row["version"], row["state"]) == (done.student_run_id, version, "completed")
    assert (row["model"], row["device"], row["simulated"], row["run_id"]) == ("tiny", "cpu", True, "run-1")
    assert row["duration_s"] > 0 and row["accuracy_after"] == done.accuracy_after
    metrics = json.loads(str(row["metrics"]))
    losses = [loss for _, loss in metrics["loss"]]
    assert losses[-1] < losses[0]
    assert (metrics["rows"], metrics["steps"], metrics["rows_cut"]) == (len(PROBLEMS) - HELD_OUT, 30, 0)
    assert metrics["tokens"] > 0 and metrics["rewritten"] is False
    assert set(metrics["families"]) == {"sums", "sequences", "word problems"}
    assert done.overall is not None and done.overall.prompts == HELD_OUT
    assert told[0]["stage"] == "training" and any(changes.get("note") for changes in told)
    answers = pq.read_table(Path(done.checkpoint).parent / "heldout.parquet").to_pylist()
    assert len(answers) == HELD_OUT and all(answer["after"] is not None for answer in answers)
    assert {path.name for path in Path(done.checkpoint).parent.iterdir()} == {
        "checkpoint",
        "heldout.parquet",
        "result.json",
    }


@pytest.mark.line
@pytest.mark.slow
def test_adapters_are_trained_on_a_local_model_and_rows_take_the_form_its_template_keeps(
    data_root: DataRoot, version: str, tmp_path: Path, on_ray: None
) -> None:
    folder = _local_model(tmp_path / "model", DROPS_THE_FIELD)
    student = STUDENT.model_copy(update={"model": str(folder), "lora": Lora(r=4, alpha=8), "max_steps": 4})
    done = trained(data_root, version, student)

    assert done.metrics["form"] == "inline" and done.metrics["rewritten"] is True
    assert not list(Path(done.checkpoint).glob("adapter*")), "adapters are merged into the weights"
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(done.checkpoint)
    before = AutoModelForCausalLM.from_pretrained(folder)
    assert AutoTokenizer.from_pretrained(done.checkpoint).chat_template == DROPS_THE_FIELD
    assert any((a != b).any() for a, b in zip(model.parameters(), before.parameters(), strict=True))


@pytest.mark.line
@pytest.mark.slow
def test_a_worker_that_fails_is_one_line_and_the_run_is_listed_as_failed(
    data_root: DataRoot, version: str, tmp_path: Path, on_ray: None
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "chat_template.jinja").write_text(TINY_TEMPLATE)
    with pytest.raises(BadInput, match="cannot be loaded") as caught:
        trained(data_root, version, STUDENT.model_copy(update={"model": str(folder)}))
    assert "\n" not in str(caught.value)
    assert [row["state"] for row in recorded(data_root)] == ["failed"]


@pytest.mark.slow
def test_a_training_killed_in_the_middle_goes_on_from_its_last_checkpoint(data_root: DataRoot, version: str) -> None:
    student = STUDENT.model_copy(update={"max_steps": 120, "checkpoint_every": 10})
    job = _job(data_root, version, student)
    first = _start(job)
    wait_until(lambda: any(job.work.glob("checkpoint-*/trainer_state.json")), 240, "no checkpoint was written")
    os.kill(first.pid or 0, signal.SIGKILL)
    first.join()
    assert not job.result.exists() and not job.checkpoint.exists()

    second = _start(job)
    second.join()
    measured = json.loads(job.result.read_text())
    assert second.exitcode == 0
    assert measured["resumed_from_step"] >= 10 and measured["steps"] == 120
    steps = [step for step, _ in measured["loss"]]
    assert steps == sorted(set(steps)) and steps[0] < measured["resumed_from_step"] <= steps[-1]
    assert len(measured["before"]) == len(measured["after"]) == HELD_OUT

    assert finished(data_root, version, student) is None, "killed before it was recorded"
    done = train_once(data_root, "run-1", version, student, "cpu", NOW)  # without Ray, which a training would need
    assert done.is_new and done.overall is not None and done.overall.prompts == HELD_OUT
    assert finished(data_root, version, student) is not None


def test_a_shard_that_was_changed_is_refused_by_name_before_anything_is_trained(
    data_root: DataRoot, version: str
) -> None:
    shard = data_root.version("taught", "2026.11.21.1") / "train-00000-of-00001.parquet"
    shard.write_bytes(shard.read_bytes()[:-1] + b"!")
    with pytest.raises(BadInput, match=r"train-00000-of-00001\.parquet.*expected sha256 .*, found"):
        trained(data_root, version)
    assert recorded(data_root) == []


@pytest.mark.parametrize("name", ["taught@2026.11.21.9", "nothing@2026.11.21.1", "taught", "taught@", "a/../b@1"])
def test_a_version_that_does_not_exist_is_bad_input(data_root: DataRoot, version: str, name: str) -> None:
    with pytest.raises(BadInput, match="no version"):
        trained(data_root, name)


def test_a_template_that_drops_the_reasoning_whatever_its_form_is_bad_input(
    data_root: DataRoot, version: str, tmp_path: Path
) -> None:
    template = DROPS_THE_FIELD.replace("{{ message['content'] }}", "{{ message['content'].split('</think>')[-1] }}")
    (tmp_path / "chat_template.jinja").write_text(template)
    with pytest.raises(BadInput, match="drops the reasoning"):
        train_once(data_root, "run-1", version, STUDENT.model_copy(update={"model": str(tmp_path)}), "cpu", NOW)


@pytest.mark.line
def test_a_gpu_that_is_not_there_is_bad_input(data_root: DataRoot, version: str, on_ray: None) -> None:
    if ray.cluster_resources().get("GPU"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(BadInput, match="no GPU"):
        train_once(data_root, "run-1", version, STUDENT, "gpu", NOW)


def test_a_student_in_training_is_not_trained_a_second_time_beside_it(data_root: DataRoot, version: str) -> None:
    folder = _job(data_root, version, STUDENT).folder
    with hold(data_root, f"student-{folder.name}", "training", NOW), pytest.raises(Busy, match="is held by pid"):
        trained(data_root, version)


def _job(root: DataRoot, version: str, student: Student) -> Job:
    folder = root.version("taught", "2026.11.21.1")
    job = make_job(root, folder, load_manifest(folder), student, "cpu")
    job.work.mkdir(parents=True)
    return job


def _start(job: Job) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=_train, args=(job,))
    process.start()
    return process


def _train(job: Job) -> None:
    from tasks.train.trainer import train

    train(job)


def _local_model(folder: Path, template: str) -> Path:
    """A model that somebody has: weights, tokenizer and template in a folder."""
    from datasets import Dataset

    from tasks.train.models import open_student

    rows = Dataset.from_list(
        [
            {"prompt": [{"role": "user", "content": one["prompt"]}], "reasoning": "", "answer": one["reference"]}
            for one in PROBLEMS
        ]
    )
    model, tokenizer = open_student(STUDENT, rows, gpu=False)
    tokenizer.chat_template = template
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
