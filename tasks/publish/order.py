"""What is to be published, as the flow says it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.ask.sampling import Ask
from tasks.publish.publication import Form, Publish
from tasks.right.gate import Admission


@dataclass(frozen=True)
class Order:
    """One publication of one dataset."""

    run_id: str
    dataset: str
    plan_id: str
    judge_run: str
    publish: Publish
    recipe: str
    """The recipe as JSON text; its `ask` says how prompts are worded."""
    recipe_sha256: str
    form: Form
    admissions: Sequence[Admission]
    now: datetime

    @property
    def target(self) -> int | None:
        """How many rows the version holds, where the recipe says so."""
        target = json.loads(self.recipe).get("target")
        return int(target["kept"]) if target else None

    @property
    def ask(self) -> Ask:
        """The recipe's wording, as every row of the plan was asked with it."""
        return Ask.model_validate(json.loads(self.recipe).get("ask") or {})
