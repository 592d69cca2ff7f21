"""How the conditions of terms stand: met by the student's facts, attested, or unmet (pure).

A declared fact decides. An attestation speaks only where no fact is declared, so that it can never contradict
one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from tasks.right.terms import (
    Agreement,
    Attestation,
    Attribution,
    Condition,
    FlowDown,
    MaxMonthlyUsers,
    Noncommercial,
    StudentFacts,
    StudentNamePrefix,
    TermsOf,
)

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
    attestation = f"{{of: {of}, condition: {condition.id}, by: <name>, on: <date>}}"
    attest = f"add `attestations: [{attestation}]` to the teacher's entry"
    return f"{fact}, or {attest}" if fact else attest


def _demand(condition: Condition, student: StudentFacts) -> tuple[str, bool | None, str]:
    """What a condition asks; whether a fact meets it (None: no fact); that fact, or how to declare it."""
    match condition:
        case StudentNamePrefix(prefix=prefix):
            demand = f"the student's name begins with {prefix!r}"
            if student.name is None:
                return demand, None, "give the student such a name in the recipe"
            return demand, student.name.startswith(prefix), f"it is called {student.name!r}"
        case Attribution(text=text):
            demand = f"{text!r} is shown with the student"
            if student.attributions is None:
                return demand, None, ""
            return demand, text in student.attributions, f"it shows {list(student.attributions)}"
        case Noncommercial():
            if student.commercial is None:
                return "the student is not used commercially", None, ""
            use = "commercial" if student.commercial else "not commercial"
            return "the student is not used commercially", not student.commercial, f"its use is {use}"
        case FlowDown(document=document):
            demand = f"{document} is passed on with the student"
            if student.documents is None:
                return demand, None, ""
            return demand, document in student.documents, f"it carries {list(student.documents)}"
        case MaxMonthlyUsers(users=users):
            demand = f"at most {users:,} people a month use what the student is part of"
            if student.monthly_users is None:
                return demand, None, ""
            return demand, student.monthly_users <= users, f"{student.monthly_users:,} do"
        case Agreement(statement=statement):
            return f"a named person states: {statement}", None, ""
