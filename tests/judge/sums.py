"""Sums of three numbers, and what the simulated teacher writes about them; without its server."""

import json
import random
from collections.abc import Iterator

from infra.simulated_teacher.faults import Reply, compose
from infra.simulated_teacher.question import parse_question
from infra.simulated_teacher.solver import solve
from infra.simulated_teacher.switches import Switches


def sums(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Question and right answer."""
    draws = random.Random(seed)
    for _ in range(count):
        left, right, last = (draws.randrange(100, 1000) for _ in range(3))
        yield f"What is {left} + {right} - {last}?", str(left + right - last)


def reply_to(text: str, key: str, switches: Switches, seed: int = 7, model: str = "m") -> Reply:
    """What it answers; another key is another sample."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 512}
    return compose(switches, seed, parse_question(json.dumps(body).encode(), key), solve(text), 1)
