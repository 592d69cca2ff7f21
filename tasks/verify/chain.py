"""The chain of decisions as what everything else relies on (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tasks.right.decisions import GENESIS, Decision, verify_chain
from tasks.right.terms import Purpose


@dataclass(frozen=True)
class Reliance:
    """What rows say they were let in by: a decision for a purpose, under the terms of a teacher."""

    decision_id: str | None
    teacher: str
    terms_sha256: str
    purpose: Purpose


@dataclass(frozen=True)
class Chain:
    """Every decision by its id, and its place counted from the first; places end where the chain is broken."""

    decisions: Mapping[str, Decision]
    places: Mapping[str, int]

    @classmethod
    def of(cls, rows: Iterable[Decision]) -> "Chain":
        decisions = {row.decision_id: row for row in rows}
        following = {row.prev_hash: row.decision_id for row in decisions.values()}
        places, at = {GENESIS: 0}, GENESIS
        while (at := following.get(at, GENESIS)) not in places:
            places[at] = len(places)
        return cls(decisions, places)

    def faults(self) -> list[str]:
        """What does not hold of the chain by itself."""
        return list(verify_chain(self.decisions.values()))

    def holds_head(self, head: str) -> bool:
        """Whether what was once the newest decision is still in the chain."""
        return head in self.places

    def lacks(self, reliance: Reliance) -> str | None:
        """Why a decision does not carry the rows that rely on it; None when it does."""
        if reliance.decision_id is None:
            return "name no decision"
        decision = self.decisions.get(reliance.decision_id)
        if decision is None:
            return f"rely on decision {reliance.decision_id}, which does not exist"
        said = (decision.verdict, decision.purpose, decision.teacher, decision.terms_sha256)
        wanted = ("allow", reliance.purpose, reliance.teacher, reliance.terms_sha256)
        for name, found, expected in zip(("verdict", "purpose", "teacher", "terms"), said, wanted, strict=True):
            if found != expected:
                return f"rely on decision {decision.decision_id}, whose {name} is {found} and not {expected}"
        return None
