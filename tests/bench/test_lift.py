"""What the bench of the student's lift counts and says, and one run of it with few prompts and few steps."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from still import hears_ctrl_c

LIFT = Path(__file__).parents[2] / "bench" / "lift"
sys.path.insert(0, str(LIFT))

import arms  # noqa: E402
import table  # noqa: E402
from teachers import POLICIES, problems  # noqa: E402


def trained(arm: str, seed: int, right: int, asked: int = 10) -> dict[str, Any]:
    marks = "1" * right + "0" * (asked - right)
    counts = {"rows": 40, "prompts": 10, "tokens_a_row": 30.0, "cut_rows": 0, "unfinished": 1, "cpu_s": 1.0}
    return {"arm": arm, "seed": seed, "steps": 5, "marks": marks, "sampled": marks, **counts}


def trace(outcome: str, reason: str | None = None, **found: str) -> dict[str, Any]:
    signals = {rule: {"found": reason} for rule, reason in found.items()} | {"length": {"tokens": 7}}
    return {
        "reasoning": "1 + 1 = 2.",
        "verdicts": dict.fromkeys(POLICIES, {"outcome": outcome, "reason": reason, "signals": signals}),
    }


def test_the_share_of_traces_with_false_equations_is_measured_in_the_reasoning() -> None:
    measure = arms.MEASURES["false equations"]
    assert [measure({"reasoning": text}) for text in ("47 + 85 = 132.", "47 + 85 = 135. 135 + 19 = 151.")] == [0.0, 1.0]


def test_no_prompt_is_asked_of_both_teacher_and_student() -> None:
    asked, held_out = problems(300, 100)
    assert (len(asked), len(held_out)) == (300, 100)
    assert not {one["prompt"] for one in asked} & {one["prompt"] for one in held_out}


def test_an_arm_holds_what_its_policy_keeps_and_the_raw_arm_everything() -> None:
    traces = [trace("kept"), trace("rejected", "wrong_answer", answer="wrong_answer")]
    assert len(arms.chosen(traces, None)) == 2
    assert arms.chosen(traces, "judged") == traces[:1]


def test_a_rule_that_only_annotates_is_counted_too() -> None:
    traces = [trace("kept", repetition="repetition"), trace("rejected", "exact_duplicate")]
    assert arms.hits(traces, "deduplicated") == {"repetition": 1, "duplicate": 1}


def test_the_interval_of_a_difference_is_of_seeds_that_both_arms_have() -> None:
    records = [trained("raw", 0, 5), trained("raw", 1, 4), trained("judged", 0, 7), trained("judged", 1, 8)]
    records.append(trained("judged", 2, 1))
    assert table.lift(records, "judged", "raw", "marks") == pytest.approx([0.2, 0.4])
    mean, low, high = table.mean_interval([0.2, 0.4])
    assert (mean, low, high) == pytest.approx((0.3, 0.3 - 12.706 * 0.1, 0.3 + 12.706 * 0.1), abs=1e-3)


def test_the_table_has_a_line_for_each_arm_that_was_trained() -> None:
    records = [trained("raw", 0, 5), trained("raw", 1, 4), trained("judged", 0, 7), trained("judged", 1, 8)]
    _, _, *lines = table.results(records).splitlines()
    assert [line.split(" | ")[0] for line in lines] == ["| raw", "| judged"]
    assert "| raw | +30.0 (-97.1 to +157.1) |" in lines[1]
    assert len(table.runs(records).splitlines()) == 2 + 4


def bench(folder: Path, prefect_url: str, *options: str) -> str:
    command = [
        sys.executable,
        str(LIFT / "run.py"),
        "--work",
        str(folder / "work"),
        "--results",
        str(folder / "r.jsonl"),
    ]
    small = ["--prompts", "30", "--held-out", "8", "--steps", "3", "--seeds", "1", "--arms", "raw", "judged"]
    environment = {**os.environ, "PREFECT_API_URL": prefect_url}
    done = subprocess.run(
        [*command, *small, *options], env=environment, capture_output=True, text=True, preexec_fn=hears_ctrl_c
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def results(folder: Path) -> Sequence[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "r.jsonl").read_text().splitlines()]


@pytest.mark.long
@pytest.mark.line
@pytest.mark.timeout(900)  # two runs of the line and two trainings; 300 s on a machine with a load of 6
def test_the_bench_runs_and_what_is_finished_is_not_done_again(tmp_path: Path, prefect_url: str) -> None:
    said = bench(tmp_path, prefect_url)
    raw, judged = results(tmp_path)
    assert (raw["arm"], raw["rows"], judged["arm"]) == ("raw", 120, "judged")
    assert 20 < judged["rows"] < 100 and len(raw["marks"]) == len(judged["sampled"]) == 8
    assert "| judged |" in said and "| rule `answer` |" in said
    assert bench(tmp_path, prefect_url) == said and len(results(tmp_path)) == 2
