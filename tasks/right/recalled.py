"""Whom a recall denies: what the gate knows of it (pure)."""

from dataclasses import dataclass
from datetime import datetime

from tasks.right.terms import Teacher


@dataclass(frozen=True)
class Denial:
    """A recall by teacher, route or terms; of these, those that it names all hold together."""

    recall_id: str
    why: str
    begun_at: datetime
    teacher: str | None = None
    route: str | None = None
    terms: str | None = None
    """Id or SHA-256."""

    def names(self, teacher: Teacher) -> bool:
        """Whether this teacher is meant, by its name, its route and its terms as they are today."""
        return (
            self.teacher in (None, teacher.name)
            and self.route in (None, teacher.route)
            and self.terms in (None, teacher.terms_id, teacher.terms_sha256)
        )
