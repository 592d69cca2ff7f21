"""The student: which model is trained and how, what is asked of it afterwards, and what its training came to.

Importing this module imports no training library: the recipe is read by every verb.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tasks.publish.template import template_of
from tasks.right.fields import Country
from tasks.right.terms import StudentFacts
from tasks.train.dialogue import TINY_TEMPLATE

TINY = "tiny"
Device = Literal["auto", "cpu", "gpu"]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Lora(Frozen):
    """Low-rank adapters on a model that stays as it is; they are merged into the checkpoint's weights at the end."""

    r: int = Field(default=16, ge=1, le=1024)
    """Rank of the adapters."""
    alpha: int = Field(default=32, ge=1)
    """Scale: the adapters' output is multiplied by alpha / r."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    target: str | tuple[str, ...] = "all-linear"
    """Names of the layers that get adapters; `all-linear` is every linear layer but the output's."""


class TinyShape(Frozen):
    """The model that `model: tiny` makes from a config; ignored for any other."""

    hidden_size: int = Field(default=128, ge=16, le=1024)
    layers: int = Field(default=2, ge=1, le=24)
    heads: int = Field(default=8, ge=1, le=32)
    vocabulary: int = Field(default=512, ge=300, le=32_000)
    """At most this many tokens; the 256 bytes are always among them, so no text is unknown."""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "TinyShape":
        if self.hidden_size % (2 * self.heads):
            raise ValueError(f"hidden_size {self.hidden_size} must be a multiple of twice heads {self.heads}")
        return self


class Student(Frozen):
    """A model to fine-tune and how; the same student on the same version is trained once."""

    model: str = Field(min_length=1)
    """`tiny` (made and trained from scratch), the folder of a model, or a hub id such as `Qwen/Qwen3-0.6B`."""
    revision: str | None = None
    """A hub model's commit, tag or branch; pin it to have a run mean the same model next year."""
    epochs: float = Field(default=1.0, gt=0)
    """How often every row is seen, unless `max_steps` says otherwise."""
    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps; overrides `epochs`."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Peak of a cosine schedule. None: 2e-5, the default of TRL's SFT; ten times that with LoRA, as TRL advises;
    1e-3 for `tiny`, which starts from nothing."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps in which the learning rate rises."""
    weight_decay: float = Field(default=0.0, ge=0)
    adam_beta2: float = Field(default=0.999, gt=0, lt=1)
    """How long AdamW remembers the size of gradients; lower for short trainings from nothing."""
    batch_size: int = Field(default=8, ge=1)
    """Rows in one forward pass."""
    gradient_accumulation: int = Field(default=1, ge=1)
    """Forward passes to one optimizer step."""
    max_length: int = Field(default=4096, ge=16)
    """Tokens of prompt and completion together; a longer row is cut at its end, and the metrics count such rows."""
    lora: Lora | None = None
    tiny: TinyShape = TinyShape()
    seed: int = Field(default=0, ge=0)
    checkpoint_every: int = Field(default=500, ge=1)
    """Steps between checkpoints; a training that was killed goes on from the last."""
    eval_prompts: int = Field(default=1000, ge=0)
    """Held-out prompts asked before and after training: the first so many of the version's; 0 asks none."""
    max_new_tokens: int = Field(default=1024, ge=1)
    """Tokens an answer to a held-out prompt may have; one that is cut off is wrong."""
    eval_batch_size: int = Field(default=64, ge=1)
    """Held-out prompts answered at once."""

    name: str | None = None
    """The name it will be released under; some licences ask for a prefix."""
    attributions: tuple[str, ...] | None = None
    """Acknowledgements its card will carry; some licences ask for one."""
    commercial: bool | None = None
    """Whether it will be used commercially; None is "not declared", never "no"."""
    documents: tuple[str, ...] | None = None
    """Documents that are passed on with it, such as a licence that flows down."""
    monthly_users: int | None = Field(default=None, ge=0)
    """Users a month of the products it will be in; some licences have a cap."""
    monthly_revenue_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Revenue a month with the products it will be in, in US dollars; some licences have a cap."""
    yearly_revenue_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """The same over twelve months."""
    country: Country | None = None
    """Where whoever trains it is domiciled or has the principal place of business, in two letters (ISO 3166-1, or EU);
    some licences grant nothing there."""

    @field_validator("model")
    @classmethod
    def _model_is_plain(cls, model: str) -> str:
        if model != model.strip() or "\n" in model:
            raise ValueError(f"model {model!r} has white space around it")
        return model

    @property
    def is_tiny(self) -> bool:
        return self.model == TINY

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate, with the default for what is trained."""
        return self.learning_rate or (1e-3 if self.is_tiny else 2e-4 if self.lora else 2e-5)

    @property
    def student_sha256(self) -> str:
        """Hash of everything that decides what is trained and measured; what is declared for the gate is no part."""
        return hashlib.sha256(self.model_dump_json(exclude=set(StudentFacts.model_fields)).encode()).hexdigest()


@dataclass(frozen=True)
class Scores:
    """Share of held-out prompts answered right, before and after training, with Wilson 95 % intervals."""

    prompts: int
    before: float
    after: float
    before_interval: tuple[float, float]
    after_interval: tuple[float, float]


@dataclass(frozen=True)
class StudentDone:
    """A finished student run."""

    student_run_id: str
    version: str
    is_new: bool
    """False when this student was trained on this version before: nothing was done."""
    accuracy_before: float | None
    accuracy_after: float | None
    """Over all held-out prompts; None when none could be asked or checked."""
    per_family: Mapping[str, Scores]
    overall: Scores | None
    checkpoint: str
    """Absolute path of the trained model with its tokenizer."""
    device: str
    metrics: Mapping[str, object]
    """Loss curve, tokens, seconds, and what is in the catalog's `metrics`."""


def student_facts(student: Student) -> StudentFacts:
    """What the gate may know of the student."""
    return StudentFacts(**student.model_dump(include=set(StudentFacts.model_fields)))


def chat_template(student: Student) -> str:
    """The template its tokenizer renders a conversation with; a hub model's is fetched unless it is in the cache.

    Raises:
        BadInput: there is no such model, or it has no chat template.
    """
    if student.is_tiny:
        return TINY_TEMPLATE
    if Path(student.model).is_dir():
        return template_of(Path(student.model))
    from tasks.train.models import hub_template  # imports transformers, which takes seconds

    return hub_template(student)
