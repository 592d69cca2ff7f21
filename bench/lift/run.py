"""Does judging help the student? The same student on raw, deduplicated and judged traces of a bad teacher.

    nice -n 19 python bench/lift/run.py --seeds 5 --steps 500

A simulated teacher of which 30 % of the answers are wrong, 10 % loop and about 10 % are copies is asked each prompt
four times by the real line and judged by the real judge, under several policies; a perfect one, and one whose reasoning
is spoiled while its answers are right, are asked the same. Every arm trains the demo's tiny student on CPU with one
thread: the same prompts, the same first weights of a seed, the same steps of the same number of rows. It is then asked
prompts that no teacher saw, greedily and once by chance. Prints Markdown. What is finished is not done again: traces
are kept in `--work`, trainings in `--results`; `--table` trains nothing.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

import flows  # noqa: E402, F401  (sets the switches that Ray, Prefect and transformers read when they are imported)

# isort: split
import table  # noqa: E402
from arms import ARMS, chosen  # noqa: E402
from teachers import gather, problems, read  # noqa: E402

PROMPTS, HELD_OUT = 2500, 600


def read_results(path: Path, steps: int, held_out: int) -> list[dict[str, Any]]:
    """The trainings of so many steps that are finished and were asked so many prompts."""
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [one for one in done if one["steps"] == steps and len(one["marks"]) == held_out]


def train_arms(arms: Sequence[str], seeds: int, steps: int, held_out: Sequence[Any], work: Path, results: Path) -> None:
    """Train what is not finished, one seed of all arms after the other, and add a line for each."""
    from student import prepared, student_of, teach, tokenizer_of  # imports torch

    known = {(done["seed"], done["arm"]) for done in read_results(results, steps, len(held_out))}
    wanted = [key for key in product(range(seeds), arms) if key not in known]
    tokenizer = tokenizer_of(read(work, "perfect")) if wanted else None
    rows, prompts = {}, {}
    for seed, arm in wanted:
        student, folder = student_of(seed, steps), work / "students" / f"{_slug(arm)}-{seed}-{steps}"
        if arm not in rows:
            traces = chosen(read(work, ARMS[arm].teacher), ARMS[arm].policy)
            rows[arm], prompts[arm] = (
                prepared(traces, tokenizer, student, folder),
                len({t["prompt_id"] for t in traces}),
            )
        lesson = teach(rows[arm], held_out, tokenizer, student, folder)
        record = {"arm": arm, "seed": seed, "steps": steps, "prompts": prompts[arm], **asdict(lesson)}
        with results.open("a") as file:
            file.write(json.dumps(record) + "\n")
        print(f"{time.strftime('%H:%M:%S')} {arm}, seed {seed}: {table.share(lesson.marks):.1%}", file=sys.stderr)


def _slug(arm: str) -> str:
    return arm.replace(",", "").replace(" ", "-")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arms", nargs="*", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=500, help="optimiser steps of 16 rows, in every arm")
    parser.add_argument("--prompts", type=int, default=PROMPTS, help="prompts that teachers are asked, four times each")
    parser.add_argument("--held-out", type=int, default=HELD_OUT, help="prompts that students are asked")
    parser.add_argument("--work", type=Path, default=Path(".lift"), help="traces and checkpoints")
    parser.add_argument("--results", type=Path, default=HERE / "results.jsonl")
    parser.add_argument("--table", action="store_true", help="print what is finished")
    options = parser.parse_args()
    work = options.work.absolute() / f"{options.prompts}-prompts"
    work.mkdir(parents=True, exist_ok=True)
    asked, held_out = problems(options.prompts, options.held_out)
    teachers = list(dict.fromkeys(["perfect", *(ARMS[arm].teacher for arm in options.arms)]))
    if not options.table:
        gather(work, asked, teachers)
        train_arms(options.arms, options.seeds, options.steps, held_out, work, options.results)
    records = read_results(options.results, options.steps, len(held_out))
    print(table.results(records), table.runs(records), sep="\n\n")
    known = {name: read(work, name) for name in teachers if (work / f"{name}.jsonl").exists()}
    if known:
        print(f"\n{table.found(known)}")


if __name__ == "__main__":
    main()
