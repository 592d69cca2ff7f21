"""What `still teachers` shows: each teacher, its terms, and what the gate would say today (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from tasks.right.decide import Reason, Ruling, decide
from tasks.right.entries import DataFile
from tasks.right.licenses import OWN_PROMPTS
from tasks.right.recalled import Denial
from tasks.right.terms import Review, Teacher

Kind = Literal["entry", "shipped", "dataset"]
Signed = Literal["allow", "conditions", "deny"]


@dataclass(frozen=True)
class TeacherLine:
    """One line of the list."""

    kind: Kind
    """entry: can be asked; shipped: evidence about a pair of model and route; dataset: an agreement about data."""
    name: str
    model: str
    route: str
    license: str
    """Of the weights, and of the route where it has one."""
    outputs_trainable: str
    """The stricter of what both contracts say."""
    verdict: str
    """allow or deny: for asking, with prompts of one's own and no student declared."""
    once_signed: Signed
    """What a person's review alone would lead to; conditions: some have to be met, or attested, besides."""
    reason: str
    """The first reason against; empty when allowed."""
    reasons: tuple[Reason, ...]
    """All reasons against."""
    review_expires: date | None
    reasoning: str
    """What the registry knows of the reasoning that comes with answers."""
    watermark: str
    """declared, where an entry states one with its key; otherwise unknown, never absent."""


def describe_teachers(teachers: Iterable[Teacher], now: datetime, recalls: Sequence[Denial] = ()) -> list[TeacherLine]:
    """One line a teacher: the user's own and the simulated one first, then the shipped pairs."""
    ordered = sorted(teachers, key=lambda teacher: ("@" in teacher.name, teacher.name))
    return [_line(teacher, now, recalls) for teacher in ordered]


def describe_datasets(files: Iterable[DataFile], simulated: Teacher, now: datetime) -> list[TeacherLine]:
    """One line an agreement about data: what the gate says of prompts under it, asked of a teacher that passes."""
    return [_dataset(file, decide(simulated, file.license, "publish", None, (), now)) for file in files]


def _line(teacher: Teacher, now: datetime, recalls: Sequence[Denial]) -> TeacherLine:
    ruling = decide(teacher, OWN_PROMPTS, "ask", None, teacher.attestations, now, recalls)
    licenses = dict.fromkeys((teacher.weights.license, teacher.route_terms.license))
    return TeacherLine(
        kind="shipped" if "@" in teacher.name else "entry",
        name=teacher.name,
        model=teacher.model,
        route=teacher.route,
        license=" + ".join(license for license in licenses if license),
        outputs_trainable=teacher.outputs_trainable,
        verdict="allow" if ruling.allow else "deny",
        once_signed=once_signed(teacher, now, recalls),
        reason="" if ruling.allow else ruling.reasons[0].term,
        reasons=ruling.reasons,
        review_expires=teacher.review.expires_on if teacher.review else None,
        reasoning=teacher.reasoning,
        watermark="declared" if teacher.watermark else "unknown",
    )


def once_signed(teacher: Teacher, now: datetime, recalls: Sequence[Denial] = ()) -> Signed:
    """What the gate would say if somebody had signed for these terms just now."""
    supposed = teacher.model_copy(update={"review": Review(by="somebody", on=now.date())})
    ruling = decide(supposed, OWN_PROMPTS, "ask", None, teacher.attestations, now, recalls)
    if ruling.allow:
        return "allow"
    only_conditions = all(reason.code.startswith("condition_unmet:") for reason in ruling.reasons)
    return "conditions" if only_conditions else "deny"


def _dataset(file: DataFile, ruling: Ruling) -> TeacherLine:
    return TeacherLine(
        kind="dataset",
        name=file.dataset,
        model=", ".join(file.sources),
        route="",
        license=file.license,
        outputs_trainable=file.use,
        verdict="allow" if ruling.allow else "deny",
        once_signed="allow" if ruling.allow else "deny",
        reason="" if ruling.allow else ruling.reasons[0].term,
        reasons=ruling.reasons,
        review_expires=None,
        reasoning="",
        watermark="",
    )
