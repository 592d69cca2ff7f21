"""The conditions of a teacher's terms in words, for those whom they are passed on to (pure)."""

from datetime import datetime

from tasks.right.conditions import examine
from tasks.right.terms import Teacher


def conditions_of(teacher: Teacher, now: datetime) -> tuple[str, ...]:
    """What weights and route ask, one line each, as it reads where nothing is known of the student."""
    day = now.date()
    return tuple(finding.evidence for finding in examine(teacher.conditions, None, (), day, day))
