"""Decision records: what the gate said, canonical JSON (RFC 8785) hashed with the record before it (pure).

    decision_id = SHA-256(prev_hash + canonical record)        the first prev_hash is 64 zeros

Changing, removing or inserting any record breaks every hash after it. Cutting off or rewriting the newest records
does not show in the chain alone: every version's manifest notes the chain's `head` as it was when it was published.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import cast

from tasks.right.decide import Ruling
from tasks.right.terms import Purpose, StudentFacts, Teacher, canonical

GENESIS = "0" * 64
SCHEMA = "decision/1"


@dataclass(frozen=True)
class Decision:
    """One row of the table of decisions; every column but the two hashes is also inside `record`."""

    decision_id: str
    prev_hash: str
    at: datetime
    verdict: str
    """allow or deny"""
    purpose: str
    teacher: str
    terms_id: str
    terms_sha256: str
    reasons: str
    """JSON: code, term and remedy of each"""
    record: str
    """Canonical JSON: all that the ruling was made of"""


def record_of(
    teacher: Teacher,
    prompt_license: str | None,
    purpose: Purpose,
    student: StudentFacts | None,
    run_id: str,
    ruling: Ruling,
    now: datetime,
) -> dict[str, object]:
    """All that the ruling was made of, so that an auditor can make it again from the record alone."""
    return {
        "schema": SCHEMA,
        "at": _instant(now),
        "run_id": run_id,
        "purpose": purpose,
        "verdict": "allow" if ruling.allow else "deny",
        "reasons": [asdict(reason) for reason in ruling.reasons],
        "conditions": [asdict(finding) for finding in ruling.findings],
        "prompts_license": prompt_license,
        "student": student.model_dump(mode="json") if student else None,
        "terms_id": teacher.terms_id,
        "terms_sha256": teacher.terms_sha256,
        "teacher": teacher.model_dump(mode="json", exclude={"quota", "price", "batch", "terms_id", "terms_sha256"}),
    }


def seal(record: Mapping[str, object], prev_hash: str) -> Decision:
    """Append a record to the chain that ends in `prev_hash`."""
    said = canonical(record)
    teacher = cast(Mapping[str, object], record["teacher"])
    return Decision(
        decision_id=_hash(prev_hash, said),
        prev_hash=prev_hash,
        at=datetime.fromisoformat(str(record["at"])),
        verdict=str(record["verdict"]),
        purpose=str(record["purpose"]),
        teacher=str(teacher["name"]),
        terms_id=str(record["terms_id"]),
        terms_sha256=str(record["terms_sha256"]),
        reasons=canonical(record["reasons"]).decode(),
        record=said.decode(),
    )


def verify_chain(decisions: Iterable[Decision]) -> tuple[str, ...]:
    """What does not hold of a chain, one line each; empty when all holds. The order given does not matter."""
    rows = list(decisions)
    faults = [fault for row in rows for fault in _row_faults(row)]
    known = {row.decision_id for row in rows} | {GENESIS}
    faults += [
        f"decision {row.decision_id}: the one before it, {row.prev_hash}, is missing"
        for row in rows
        if row.prev_hash not in known
    ]
    faults += [
        f"{count} decisions follow {prev}: a chain has one"
        for prev, count in Counter(row.prev_hash for row in rows).items()
        if count > 1
    ]
    return tuple(faults)


def head(decisions: Iterable[Decision]) -> str:
    """The newest hash of a chain that holds: what the next record is sealed with."""
    rows = list(decisions)
    followed = {row.prev_hash for row in rows}
    return next((row.decision_id for row in rows if row.decision_id not in followed), GENESIS)


def _row_faults(row: Decision) -> list[str]:
    if not (row.prev_hash and row.record) or row.decision_id != _hash(row.prev_hash, row.record.encode()):
        return [f"decision {row.decision_id}: its record is not the one that was hashed"]
    try:
        sealed = seal(json.loads(row.record), row.prev_hash)
    except (ValueError, KeyError, TypeError, AttributeError):  # hashed as it stands, and yet no record of the gate
        return [f"decision {row.decision_id}: its record is not one that the gate writes"]
    return [
        f"decision {row.decision_id}: column {field.name} says {getattr(row, field.name)},"
        f" its record {getattr(sealed, field.name)}"
        for field in fields(Decision)
        if getattr(row, field.name) != getattr(sealed, field.name)
    ]


def _hash(prev_hash: str, said: bytes) -> str:
    return hashlib.sha256(prev_hash.encode() + said).hexdigest()


def _instant(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="microseconds")
