"""The gate as a step of a run: rule on every teacher, record the decisions, stop if one is refused."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.right.chain import ENDS
from tasks.right.decide import Ruling, decide
from tasks.right.decisions import GENESIS, Decision, record_of, seal
from tasks.right.denials import DENYING
from tasks.right.recalled import Denial
from tasks.right.terms import Purpose, StudentFacts, Teacher
from warehouse.catalog import transaction
from warehouse.errors import Denied
from warehouse.layout import DataRoot
from warehouse.transaction import Transaction

_REFUSED = {
    "ask": "is not asked",
    "publish": "has rows that are not published",
    "train": "has rows that are not trained on",
}
_SIGNED = """
    update store.terms set reviewed_by = ?, reviewed_on = ?, expires_on = ?
    where terms_sha256 = ? and teacher = ?
"""


@dataclass(frozen=True)
class Admission:
    """A teacher that passed, and the decision that says so: its id goes on every row."""

    teacher: Teacher
    decision_id: str


@task(name="admit-teachers", task_run_name="admit teachers to {purpose}", cache_policy=NO_CACHE)
def admit_teachers(
    root: DataRoot,
    teachers: Sequence[Teacher],
    prompt_license: str | None,
    purpose: Purpose,
    student: StudentFacts | None,
    run_id: str,
    now: datetime,
) -> tuple[Admission, ...]:
    """Let every teacher through the gate, or none: Denied, after all decisions are recorded.

    Attestations come from each teacher's entry. Asked before the first call, at publication and at training;
    a decision is written each time, whatever it says.
    """
    return admit(root, teachers, prompt_license, purpose, student, run_id, now)


def admit(
    root: DataRoot,
    teachers: Sequence[Teacher],
    prompt_license: str | None,
    purpose: Purpose,
    student: StudentFacts | None,
    run_id: str,
    now: datetime,
) -> tuple[Admission, ...]:
    """What `admit_teachers` does, for callers outside a flow."""
    with transaction(root, now) as store:
        recalls = _denials(store)
        rulings = [
            (teacher, decide(teacher, prompt_license, purpose, student, teacher.attestations, now, recalls))
            for teacher in teachers
        ]
        decisions = [
            _append(store, record_of(teacher, prompt_license, purpose, student, run_id, ruling, now))
            for teacher, ruling in rulings
        ]
        for teacher in teachers:
            _remember(store, teacher, now)
    _refuse([(teacher, ruling) for teacher, ruling in rulings if not ruling.allow], purpose)
    return tuple(
        Admission(teacher, decision.decision_id) for (teacher, _), decision in zip(rulings, decisions, strict=True)
    )


def _denials(store: Transaction) -> tuple[Denial, ...]:
    """Whom recalls deny, as committed: a recall holds from its first moment."""
    return tuple(Denial(**row) for row in store.rows(DENYING))  # type: ignore[arg-type]


def _append(store: Transaction, record: dict[str, object]) -> Decision:
    """Seal a record onto the chain; the catalog's lock makes reading its head and appending one step."""
    newest = store.rows(ENDS)
    decision = seal(record, str(newest[0]["decision_id"]) if newest else GENESIS)
    store.insert("decision", [asdict(decision)])
    return decision


def _remember(store: Transaction, teacher: Teacher, now: datetime) -> None:
    """Keep terms and entry as they were seen. Signing the same terms again moves the dates on their row."""
    review = teacher.review
    signed = (review.by, review.on, review.expires_on) if review else (None, None, None)
    store.insert("terms", [_terms(teacher, *signed)])
    store.execute(_SIGNED, [*signed, teacher.terms_sha256, teacher.name])
    store.insert(
        "teacher",
        [
            {
                "teacher": teacher.name,
                "model": teacher.model,
                "revision": teacher.revision,
                "route": teacher.route,
                "account": teacher.account,
                "pool": teacher.pool,
                "base_url": teacher.base_url,
                "simulated": teacher.simulated,
                "entry": teacher.model_dump_json(),
                "seen_at": now,
            }
        ],
    )


def _terms(teacher: Teacher, by: str | None, on: object, expires_on: object) -> dict[str, object]:
    weights, route = teacher.weights, teacher.route_terms
    said = {"weights": weights.model_dump(mode="json"), "route": route.model_dump(mode="json")}
    return {
        "terms_id": teacher.terms_id,
        "terms_sha256": teacher.terms_sha256,
        "teacher": teacher.name,
        "weights_license": weights.license,
        "route": teacher.route,
        "route_license": route.license,
        "outputs_trainable": teacher.outputs_trainable,
        "conditions": json.dumps([{"of": of} | c.model_dump(mode="json") for of, c in teacher.conditions]),
        "reviewed_by": by,
        "reviewed_on": on,
        "expires_on": expires_on,
        "text": json.dumps(said),
    }


def _refuse(refused: Sequence[tuple[Teacher, Ruling]], purpose: Purpose) -> None:
    if not refused:
        return
    teacher, ruling = refused[0]
    first, *more = ruling.reasons
    also = f" ({len(more)} more reason{'s' * (len(more) > 1)})" if more else ""
    others = f". Also refused: {', '.join(other.name for other, _ in refused[1:])}" if refused[1:] else ""
    raise Denied(
        f"teacher {teacher.name!r} {_REFUSED.get(purpose, 'is refused')}: {first.term}. To change that,"
        f" {first.remedy}{also}{others}"
    )
