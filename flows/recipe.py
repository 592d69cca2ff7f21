"""The recipe: the frozen description of a run. It is the flow's one parameter, the form in Prefect, and a YAML file."""

import hashlib
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tasks.ask.prompts import PromptSource
from tasks.ask.sampling import Ask, Budget, Sampling
from tasks.ask.target import Target
from tasks.ask.ways import ByBatch, Way
from tasks.judge.policy import JudgePolicy
from tasks.publish.publication import Publish
from tasks.train.student import Student
from warehouse.errors import BadInput

DatasetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Recipe(BaseModel):
    """Prompts, teachers, sampling, budget, rules, dataset, student. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    dataset: DatasetName
    """Versions are `<dataset>@YYYY.MM.DD.N`."""
    prompts: PromptSource
    ask: Ask = Ask()
    teachers: tuple[str, ...] | dict[str, float]
    """Registry names with equal shares, or a mapping from name to share."""
    samples_per_prompt: int = Field(default=1, ge=1, le=1024)
    sampling: Sampling = Sampling()
    budget: Budget = Budget()
    ask_by: Way = "direct"
    """`batch`: by the provider's batch API, where a teacher's entry has one; `tail`: some directly, then by batch."""
    by_batch: ByBatch = ByBatch()
    target: Target | None = None
    """Ask in rounds until exactly so many rows are kept; without it, every sample is asked for once."""
    judge: JudgePolicy = JudgePolicy()
    publish: Publish = Publish()
    student: Student | None = None
    batch_rows: int = Field(default=200, ge=1, le=10_000)
    """Samples one Ray worker asks for in one task run; a killed worker's batch is resumed from its journal."""

    @field_validator("teachers")
    @classmethod
    def _shares_are_positive(cls, teachers: tuple[str, ...] | dict[str, float]) -> tuple[str, ...] | dict[str, float]:
        if not teachers:
            raise ValueError("name at least one teacher")
        if isinstance(teachers, dict) and any(share <= 0 for share in teachers.values()):
            raise ValueError("every share must be above 0")
        if isinstance(teachers, tuple) and len(set(teachers)) < len(teachers):
            raise ValueError("a teacher is named twice; use a mapping to give it a larger share")
        return teachers

    @model_validator(mode="after")
    def _caps_are_for_direct_requests(self) -> "Recipe":
        if self.sampling.caps != "off" and self.ask_by != "direct":
            raise ValueError(
                f"sampling.caps: {self.sampling.caps} speeds up requests that are made one at a time, and ask_by is"
                f" {self.ask_by}: write caps: off"
            )
        return self

    @model_validator(mode="after")
    def _further_samples_are_further(self) -> "Recipe":
        most = self.target.max_samples_per_prompt if self.target else None
        if most is not None and most < self.samples_per_prompt:
            raise ValueError(
                f"target.max_samples_per_prompt {most} is below samples_per_prompt {self.samples_per_prompt}: "
                "raise it, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _enough_samples_vote(self) -> "Recipe":
        if self.prompts.no_reference == "vote" and self.most_samples < self.judge.vote_samples:
            raise ValueError(
                f"prompts.no_reference is vote, and judge.vote_samples wants {self.judge.vote_samples} samples of a"
                f" prompt: samples_per_prompt is {self.most_samples}; raise it, or lower vote_samples"
            )
        return self

    @property
    def shares(self) -> dict[str, float]:
        """Each teacher's share of the samples; they sum to 1."""
        shares = self.teachers if isinstance(self.teachers, dict) else dict.fromkeys(self.teachers, 1.0)
        return {name: share / sum(shares.values()) for name, share in shares.items()}

    @property
    def most_samples(self) -> int:
        """Samples of one prompt that may be asked for."""
        return (self.target.max_samples_per_prompt if self.target else None) or self.samples_per_prompt

    def asks_alike(self, other: "Recipe") -> bool:
        """Whether both want the same samples in the same order, however many of them."""
        names = ("prompts", "ask", "teachers", "samples_per_prompt", "sampling", "most_samples")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    @property
    def sha256(self) -> str:
        """Hash of the recipe's content."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def parse_recipe(data: Any, where: str) -> Recipe:
    """Check a recipe's fields.

    Raises:
        BadInput: one line that names the first wrong field, its value, and how many more there are.
    """
    if not isinstance(data, dict):
        raise BadInput(
            f"{where}: a recipe is a mapping of fields, this is {type(data).__name__}: see README, 'A recipe'"
        )
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        first, *more = error.errors()
        field = ".".join(str(part) for part in first["loc"])
        value = "" if first["type"] in ("missing", "extra_forbidden") else f", not {first['input']!r:.80}"
        message = first["msg"].removeprefix("Value error, ")
        what = "unknown field" if first["type"] == "extra_forbidden" else message[:1].lower() + message[1:] + value
        rest = f" (and {len(more)} more)" if more else ""
        raise BadInput(f"{where}: {field}: {what}{rest}; correct the recipe and run again") from None


def load_recipe(path: Path) -> Recipe:
    """Read a YAML recipe; a relative prompt source is taken from the recipe's own folder."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such recipe; name a YAML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); name a YAML file") from None
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    recipe = parse_recipe(data, str(path))
    # An absolute path stays: joining to it gives it back.
    folder = path.parent.absolute()
    packs = {"eval_packs": tuple(folder / pack for pack in recipe.judge.eval_packs)}
    recipe = recipe.model_copy(update={"judge": recipe.judge.model_copy(update=packs)})
    if recipe.prompts.is_generator:
        return recipe
    source = {"source": str(folder / recipe.prompts.source)}
    return recipe.model_copy(update={"prompts": recipe.prompts.model_copy(update=source)})
