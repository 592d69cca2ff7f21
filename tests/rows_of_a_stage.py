"""Stages over a given number of rows, each called in a process of its own whose peak memory is looked at."""

import json
from datetime import datetime
from pathlib import Path

from warehouse.layout import DataRoot


def plan_rows(folder: Path, rows: int, now: datetime) -> None:
    """Plan a recipe over a JSONL file of this many prompts."""
    from tasks.ask.plan import plan_asking
    from tasks.ask.prompts import PromptSource
    from tasks.ask.sampling import Ask, Sampling
    from tasks.right.gate import admit
    from tasks.right.registry import load_teachers, shipped_teachers

    root = DataRoot(folder).create()
    with (folder / "prompts.jsonl").open("w") as lines:
        for number in range(rows):
            lines.write(
                json.dumps({"prompt": f"What is {number} + {number % 89}? Explain each step.", "reference": "1"}) + "\n"
            )
    teacher = load_teachers((shipped_teachers(),))["simulated"]
    source = PromptSource(source="prompts.jsonl", columns={"prompt": "prompt", "reference": "reference"}, license="MIT")
    admissions = admit(root, [teacher], "MIT", "ask", None, "run", now)
    plan = plan_asking.fn(
        root, "run", "many", "0", source, folder, Ask(), Sampling(), 1, {"simulated": 1.0}, admissions, 200, now
    )
    assert plan.to_ask == rows
