"""What `still teachers` shows: each teacher, its terms, and what the gate would say today (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from tasks.right.decide import decide
from tasks.right.licenses import OWN_PROMPTS
from tasks.right.terms import Teacher


@dataclass(frozen=True)
class TeacherLine:
    """One line of the list."""

    name: str
    model: str
    route: str
    license: str
    """Of the weights, and of the route where it has one."""
    verdict: str
    """allow or deny: for asking, with prompts of one's own and no student declared."""
    reason: str
    """The first reason against; empty when allowed."""
    review_expires: date | None


def describe_teachers(teachers: Iterable[Teacher], now: datetime) -> list[TeacherLine]:
    """One line a teacher: the user's own and the simulated one first, then the shipped pairs."""
    ordered = sorted(teachers, key=lambda teacher: ("@" in teacher.name, teacher.name))
    return [_line(teacher, now) for teacher in ordered]


def _line(teacher: Teacher, now: datetime) -> TeacherLine:
    ruling = decide(teacher, OWN_PROMPTS, "ask", None, teacher.attestations, now)
    licenses = dict.fromkeys((teacher.weights.license, teacher.route_terms.license))
    return TeacherLine(
        name=teacher.name,
        model=teacher.model,
        route=teacher.route,
        license=" + ".join(license for license in licenses if license),
        verdict="allow" if ruling.allow else "deny",
        reason="" if ruling.allow else ruling.reasons[0].term,
        review_expires=teacher.review.expires_on if teacher.review else None,
    )
