"""The demo's problems, and the student that learns them: sums, sequences and word problems, seeded, never one twice.

Numbers have two digits wherever they can: a model this small reads a number by the places of its digits, and learns in
a minute what takes it several where the places move.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

_PEOPLE = (("Mia", "She"), ("Tom", "He"), ("Ada", "She"), ("Ben", "He"), ("Zoe", "She"), ("Max", "He"))
_THINGS = ("pears", "coins", "books", "cards", "shells", "beads")
_PATIENCE = 1_000
"""Draws in a row that may be repeats; a family that has none left to give would otherwise be drawn from for ever."""

DEMO_STUDENT: Mapping[str, Any] = {
    "model": "tiny",
    "max_steps": 2000,
    "batch_size": 16,
    "learning_rate": 2e-3,
    "weight_decay": 0.01,
    "adam_beta2": 0.98,
    "max_length": 96,
    "checkpoint_every": 600,
    "eval_batch_size": 200,
    "max_new_tokens": 48,
}
"""The recipe's student: 380,000 parameters, some 80 s of CPU time on about 4,000 rows."""


def _sum(rng: random.Random) -> tuple[str, int]:
    a, b = rng.randint(10, 44), rng.randint(10, 44)
    c = rng.randint(10, 99 - a - b)
    return f"What is {a} + {b} + {c}?", a + b + c


def _sequence(rng: random.Random) -> tuple[str, int]:
    step = rng.randint(8, 40)
    first = rng.randint(10, 99 - 2 * step)
    return f"What comes next? {first}, {first + step}, {first + 2 * step}", first + 3 * step


def _word_problem(rng: random.Random) -> tuple[str, int]:
    (name, pronoun), thing = rng.choice(_PEOPLE), rng.choice(_THINGS)
    had, bought = rng.randint(10, 59), rng.randint(10, 40)
    gave = rng.randint(10, had + bought - 10)
    story = f"{name} has {had} {thing}. {pronoun} buys {bought} more. {pronoun} gives away {gave}."
    return f"{story} How many {thing} does {name} have now?", had + bought - gave


FAMILIES: Mapping[str, Callable[[random.Random], tuple[str, int]]] = {
    "sums": _sum,
    "sequences": _sequence,
    "word problems": _word_problem,
}
_MIX = ("sums", "word problems", "sequences", "sums", "word problems")
"""Of every five problems; there are 1,386 different sequences, and many more of the others."""


def demo_problems(count: int, seed: int) -> Iterator[dict[str, str]]:
    """Draw `count` different problems with `prompt`, `reference` and `family`; the same seed gives the same ones.

    Raises:
        ValueError: a family has not so many different problems.
    """
    rng, seen = random.Random(seed), set[str]()
    for number in range(count):
        family = _MIX[number % len(_MIX)]
        prompt, answer = _fresh(FAMILIES[family], rng, seen)
        yield {"prompt": prompt, "reference": str(answer), "family": family}


def _fresh(draw: Callable[[random.Random], tuple[str, int]], rng: random.Random, seen: set[str]) -> tuple[str, int]:
    for _ in range(_PATIENCE):
        prompt, answer = draw(rng)
        if prompt not in seen:
            seen.add(prompt)
            return prompt, answer
    raise ValueError(f"{_PATIENCE} draws in a row were repeats: ask for fewer than {len(seen)} problems")


def write_demo_problems(path: Path, count: int, seed: int) -> None:
    """Write the problems as JSONL, one a line."""
    lines = (json.dumps(problem) + "\n" for problem in demo_problems(count, seed))
    path.write_text("".join(lines), encoding="utf-8")
