"""Runs the line once for each teacher, judges its traces by each policy, and keeps what came out as JSON lines.

A teacher is the simulated one with faults in known shares. The line is the real one: `distill` asks, judges and
publishes; the other policies judge again what is stored, which asks nobody.
"""

import asyncio
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import httpx
import yaml

from flows.demo_problems import FAMILIES
from tasks.judge.policy import RuleName

SEED = 20261122
SAMPLES = 4
"""Answers asked of every teacher for each prompt: a prompt keeps a right one though 40 % of them are faulty."""

_WRONG, _LOOPS, _COPIES = 0.3, 0.1, 0.3
"""Shares of the degraded teacher's answers. A question has one fault, drawn in the order copies, loops, wrong; of four
samples with 0.3 copies each, 11 % of all answers are the second or later of one text."""
TEACHERS: Mapping[str, Mapping[str, float]] = {
    "perfect": {},
    "degraded": {
        "exact_repeats": _COPIES,
        "repeats": _LOOPS / (1 - _COPIES),
        "wrong_answers": _WRONG / (1 - _COPIES - _LOOPS),
    },
    "spoiled": {"spoiled_reasoning": 1.0},
}
STYLES = 216
"""All wordings that the simulated teacher has, so that two samples are seldom alike unless they are planted so."""

_ROWWISE = [rule for rule in get_args(RuleName) if rule != "duplicate"]
POLICIES: Mapping[str, Mapping[str, object]] = {
    "judged": {},
    "deduplicated": {"answer": "annotate", "annotate": _ROWWISE},
    "sft": {"preset": "sft"},
}
_ROWS = """
select t.trace_id, t.request_key, t.prompt_id, p.question, p.reference, p.family, t.reasoning, t.answer,
    v.outcome, v.reason, v.signals::varchar as signals
from verdicts v join traces t using (trace_id) join prompts p on p.prompt_id = t.prompt_id
where v.judge_run = ? order by t.trace_id
"""

Row = dict[str, Any]
Problem = Mapping[str, str]


def gather(folder: Path, prompts: Sequence[Problem], names: Sequence[str]) -> None:
    """Write `<folder>/<teacher>.jsonl` for each named teacher, unless it is there.

    A line is one trace with its prompt, what was planted in it (`planted`), and of each policy its outcome, its reason
    and what its rules found (`verdicts`).
    """
    for name in names:
        if not (path := folder / f"{name}.jsonl").exists():
            rows = _asked_and_judged(folder, prompts, name)
            unfinished = path.with_suffix(".unfinished")
            unfinished.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            unfinished.replace(path)


def read(folder: Path, teacher: str) -> list[Row]:
    """The traces of one teacher, in the order of their ids."""
    with (folder / f"{teacher}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _asked_and_judged(folder: Path, prompts: Sequence[Problem], name: str) -> list[Row]:
    from flows.demo import simulated_teacher
    from flows.settings import choose

    os.environ.setdefault("PREFECT_HOME", str(folder / "prefect"))
    place = folder / f"line-{name}"
    flags = ["--seed", str(SEED), "--styles", str(STYLES)]
    flags += [f"--{switch.replace('_', '-')}={share}" for switch, share in TEACHERS[name].items()]
    with simulated_teacher(*flags) as base_url:
        recipes = _write_line(place, base_url, prompts, f"lift-{name}")
        choose(place / "data", place / "teachers")
        runs = asyncio.run(_line(recipes))
        planted = _planted(base_url)
    return _joined(place / "data", runs, planted)


def _write_line(place: Path, base_url: str, prompts: Sequence[Problem], dataset: str) -> dict[str, Path]:
    """Prompts, registry entry and a recipe for each policy."""
    (place / "teachers").mkdir(parents=True, exist_ok=True)
    entry = {"name": "simulated", "base_url": base_url, "model": "simulated-teacher", "simulated": True}
    (place / "teachers" / "simulated.yaml").write_text(yaml.safe_dump(entry))
    (place / "problems.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    columns = {"prompt": "prompt", "reference": "reference", "family": "family"}
    source = {"source": "problems.jsonl", "columns": columns, "verifier": "numeric", "license": "CC0-1.0"}
    paths = {}
    for policy, rules in POLICIES.items():
        paths[policy] = place / f"{policy}.yaml"
        recipe = {
            "dataset": dataset, "prompts": source, "teachers": ["simulated"], "samples_per_prompt": SAMPLES,
            "sampling": {"max_tokens": 512}, "judge": dict(rules), "batch_rows": 1000,
        }  # fmt: skip
        paths[policy].write_text(yaml.safe_dump(recipe))
    return paths


async def _line(recipes: Mapping[str, Path]) -> dict[str, str]:
    """Run the line by the first recipe, and judge again by the others; each policy's judge run."""
    from flows.again import judge_again
    from flows.distill import distill
    from flows.recipe import load_recipe

    await distill(load_recipe(next(iter(recipes.values()))))
    return {policy: (await judge_again(load_recipe(path))).judge_run for policy, path in recipes.items()}


def _planted(base_url: str) -> dict[str, list[str]]:
    """What the referee planted, by request key; its pages are followed to the end."""
    found: dict[str, list[str]] = {}
    url = base_url.removesuffix("/v1") + "/referee/truth"
    for row in _pages(url):
        found[row["client_request_id"]] = list(row["planted"])
    return found


def _pages(url: str) -> Iterator[Row]:
    after = 0
    while True:
        page = httpx.get(url, params={"offset": after, "limit": 10_000}, timeout=60).json()
        rows = page["questions"]
        yield from rows
        after += len(rows)
        if not rows or after >= page["total"]:
            return


def _joined(data: Path, runs: Mapping[str, str], planted: Mapping[str, list[str]]) -> list[Row]:
    """One row a trace, with every policy's verdict on it."""
    from warehouse.catalog import connect
    from warehouse.layout import DataRoot

    rows: dict[str, Row] = {}
    with connect(DataRoot(data)) as warehouse:
        for policy, run in runs.items():
            answer = warehouse.execute(_ROWS, [run])
            names = [column[0] for column in answer.description]
            for values in answer.fetchall():
                row = dict(zip(names, values, strict=True))
                outcome, reason, signals = (row.pop(name) for name in ("outcome", "reason", "signals"))
                key = row.pop("request_key")
                known = rows.setdefault(row["trace_id"], row | {"planted": planted.get(key, []), "verdicts": {}})
                known["verdicts"][policy] = {"outcome": outcome, "reason": reason, "signals": json.loads(signals)}
    return [rows[trace] for trace in sorted(rows)]


def problems(prompts: int, held_out: int) -> tuple[list[Problem], list[Problem]]:
    """Different three-term sums of two-digit numbers: those that teachers are asked, and those that students are."""
    draws, found = random.Random(SEED), dict[str, int]()
    while len(found) < prompts + held_out:
        prompt, answer = FAMILIES["sums"](draws)
        found[prompt] = answer
    drawn = [{"prompt": prompt, "reference": str(answer), "family": "sums"} for prompt, answer in found.items()]
    return drawn[held_out:], drawn[:held_out]
