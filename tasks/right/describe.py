"""What `still teachers` shows: each teacher with its terms and what the gate would say of asking it today (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from tasks.right.decide import decide
from tasks.right.licenses import OWN_PROMPTS
from tasks.right.terms import Teacher, Trainable


@dataclass(frozen=True)
class TeacherLine:
    """One line of the list."""

    name: str
    model: str
    route: str
    license: str
    """Of the weights."""
    route_license: str | None
    outputs_trainable: Trainable
    """The stricter of what both contracts say."""
    verdict: str
    """allow or deny, for asking, with prompts of one's own and no student declared"""
    reason: str
    """The first reason and its remedy; empty when allowed."""
    reviewed_by: str | None
    review_expires: date | None
    simulated: bool


def describe_teachers(teachers: Mapping[str, Teacher], now: datetime) -> list[TeacherLine]:
    """One line a teacher, by name: the user's own and the simulated one first, then the shipped pairs."""
    ordered = sorted(teachers.values(), key=lambda teacher: ("@" in teacher.name, teacher.name))
    return [_line(teacher, now) for teacher in ordered]


def _line(teacher: Teacher, now: datetime) -> TeacherLine:
    ruling = decide(teacher, OWN_PROMPTS, "ask", None, teacher.attestations, now)
    return TeacherLine(
        name=teacher.name,
        model=teacher.model,
        route=teacher.route,
        license=teacher.weights.license,
        route_license=teacher.route_terms.license,
        outputs_trainable=teacher.outputs_trainable,
        verdict="allow" if ruling.allow else "deny",
        reason="" if ruling.allow else f"{ruling.reasons[0].term}: {ruling.reasons[0].remedy}",
        reviewed_by=teacher.review.by if teacher.review else None,
        review_expires=teacher.review.expires_on if teacher.review else None,
        simulated=teacher.simulated,
    )
