"""How the conditions of terms stand: met by the student's facts, attested, or unmet (pure).

A declared fact decides. An attestation speaks only where no fact is declared, so that it can never contradict
one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from tasks.right.demands import (
    Agreement,
    Attribution,
    AttributionAbove,
    Condition,
    FlowDown,
    Geography,
    MaxMonthlyUsers,
    MaxRevenue,
    Noncommercial,
    Per,
    StudentNamePrefix,
    lies_in,
)
from tasks.right.terms import Attestation, StudentFacts, TermsOf

State = Literal["met", "attested", "unmet"]


@dataclass(frozen=True)
class Finding:
    """How one condition stood, and on whose word."""

    of: TermsOf
    id: str
    state: State
    evidence: str
    remedy: str = ""


def examine(
    conditions: Sequence[tuple[TermsOf, Condition]],
    student: StudentFacts | None,
    attestations: Sequence[Attestation],
    day: date,
    latest_day: date,
) -> Iterator[Finding]:
    """Find how each condition stands on `day`; an attestation dated after `latest_day` is not there yet."""
    facts = student or StudentFacts()
    for of, condition in conditions:
        demand, met, fact = _demand(condition, facts)
        if met is not None:
            yield _declared(of, condition, demand, met, fact)
            continue
        holding = [
            attestation
            for attestation in attestations
            if attestation.of == of
            and attestation.condition == condition.id
            and attestation.on <= latest_day
            and day < attestation.expires_on
        ]
        if holding:
            last = max(holding, key=lambda attestation: attestation.on)
            word = f"{demand}: attested by {last.by} on {last.on} until {last.expires_on}"
            yield Finding(of, condition.id, "attested", word)
        else:
            demanded = f"the {of} terms ask that {demand}"
            yield Finding(of, condition.id, "unmet", demanded, _remedy(of, condition, fact))


def _declared(of: TermsOf, condition: Condition, demand: str, met: bool, fact: str) -> Finding:
    if met:
        return Finding(of, condition.id, "met", f"{demand}: {fact}")
    contradicted = f"the {of} terms ask that {demand}, but {fact}"
    return Finding(of, condition.id, "unmet", contradicted, "change the student, or the teacher")


def _remedy(of: TermsOf, condition: Condition, fact: str) -> str:
    attest = f"attest it with the review: `still teachers review ... --attest {of}:{condition.id}`"
    return f"{fact}, or {attest}" if fact else attest


def _demand(condition: Condition, student: StudentFacts) -> tuple[str, bool | None, str]:
    """What a condition asks; whether a fact meets it (None: no fact); that fact, or how to declare it."""
    match condition:
        case StudentNamePrefix(prefix=prefix):
            demand = f"the student's name begins with {prefix!r}"
            if student.name is None:
                return demand, None, "give the student such a name in the recipe"
            return demand, student.name.startswith(prefix), f"it is called {student.name!r}"
        case Attribution() | AttributionAbove():
            return _shown(condition, student)
        case Noncommercial():
            if student.commercial is None:
                return "the student is not used commercially", None, "say student.commercial in the recipe"
            use = "commercial" if student.commercial else "not commercial"
            return "the student is not used commercially", not student.commercial, f"its use is {use}"
        case FlowDown(document=document):
            demand = f"{document} is passed on with the student"
            if student.documents is None:
                return demand, None, "list it under student.documents in the recipe"
            return demand, document in student.documents, f"it carries {list(student.documents)}"
        case MaxMonthlyUsers() | MaxRevenue():
            return _capped(condition, student)
        case Geography(excluded=excluded):
            demand = f"whoever trains the student is not domiciled in {', '.join(excluded)}"
            if student.country is None:
                return demand, None, "say student.country in the recipe (two letters, ISO 3166-1)"
            return demand, not lies_in(student.country, excluded), f"it is {student.country}"
        case Agreement(statement=statement):
            return f"a named person states: {statement}", None, ""


def _shown(condition: Attribution | AttributionAbove, student: StudentFacts) -> tuple[str, bool | None, str]:
    """Attributions, from the first user on or above a size; below it in both respects they are not asked for."""
    demand, texts = f"{condition.text!r} is shown with the student", {condition.text}
    if isinstance(condition, Attribution) and condition.or_text:
        demand, texts = (
            f"{condition.text!r} or {condition.or_text!r} is shown with the student",
            {
                condition.text,
                condition.or_text,
            },
        )
    if isinstance(condition, AttributionAbove):
        demand += f" above {condition.users:,} users a month or {condition.usd:,} US dollars a {condition.per}"
        revenue = _revenue(condition.per, student)
        if _within(student.monthly_users, condition.users) and _within(revenue, condition.usd):
            return demand, True, f"{student.monthly_users:,} users and {revenue:,.0f} US dollars are not above that"
    if student.attributions is None:
        return demand, None, "list it under student.attributions in the recipe"
    return demand, not texts.isdisjoint(student.attributions), f"it shows {list(student.attributions)}"


def _capped(condition: MaxMonthlyUsers | MaxRevenue, student: StudentFacts) -> tuple[str, bool | None, str]:
    if isinstance(condition, MaxMonthlyUsers):
        demand = f"at most {condition.users:,} people a month use what the student is part of"
        if student.monthly_users is None:
            return demand, None, "say student.monthly_users in the recipe"
        return demand, student.monthly_users <= condition.users, f"{student.monthly_users:,} do"
    demand = f"what the student is part of earns at most {condition.usd:,} US dollars a {condition.per}"
    revenue = _revenue(condition.per, student)
    if revenue is None:
        return demand, None, f"say student.{condition.per}ly_revenue_usd in the recipe"
    return demand, revenue <= condition.usd, f"it earns {revenue:,.0f}"


def _revenue(per: Per, student: StudentFacts) -> float | None:
    return student.monthly_revenue_usd if per == "month" else student.yearly_revenue_usd


def _within(fact: float | None, cap: int) -> bool:
    return fact is not None and fact <= cap
