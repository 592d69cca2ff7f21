"""A person's review of a teacher's terms: what they are shown, and the file that says they signed.

Reviews stand in files of their own, `reviews/<name>.yaml` in the folder of the user's entries, so that no program
rewrites what a person wrote (comments, lists of entries), and the history of the file is that of the signature alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import yaml

from tasks.right.conditions import examine
from tasks.right.demands import ConditionId
from tasks.right.documents import parse
from tasks.right.entries import ReviewFile
from tasks.right.registry import REVIEWS
from tasks.right.terms import Purpose, RouteTerms, Teacher, TermsOf, WeightsTerms
from warehouse.errors import BadInput

_HEAD = """\
# Written by `still teachers review`, on the word of {by}. Changed terms make it void: its hash is theirs.
"""


@dataclass(frozen=True)
class Signature:
    """What a person signs, and how they wish it."""

    by: str
    on: date
    expires_after_days: int
    scope: tuple[Purpose, ...]
    ticket: str | None
    attested: tuple[tuple[TermsOf, ConditionId], ...]
    """Conditions that they state are kept, with whose they are."""


def reviewable(teacher: Teacher, folder: Path) -> Path:
    """The file that a review of this teacher goes to.

    Raises:
        BadInput: it is shipped evidence, the simulated teacher, or signed in its entry already.
    """
    path = folder / REVIEWS / f"{teacher.name}.yaml"
    if "@" in teacher.name:
        raise BadInput(
            f"{teacher.name!r} is shipped as evidence and cannot be signed: make an entry of your own with"
            f" `still teachers new <name> --model {teacher.model}`, and review that"
        )
    if teacher.simulated:
        raise BadInput(f"{teacher.name!r} is the simulated teacher: there are no terms of others to review")
    if teacher.review is not None and not path.exists():
        raise BadInput(
            f"{teacher.name!r} is signed with `reviewed:` in its entry: remove that line, then review it here"
        )
    return path


def attested(words: Sequence[str], teacher: Teacher) -> tuple[tuple[TermsOf, ConditionId], ...]:
    """The conditions named as `weights:attribution`. BadInput lists those that the terms have."""
    known = {f"{of}:{condition.id}": (of, condition.id) for of, condition in teacher.conditions}
    for word in words:
        if word not in known:
            has = ", ".join(known) or "none"
            raise BadInput(f"--attest {word}: the terms of {teacher.name!r} have no such condition; theirs: {has}")
    return tuple(known[word] for word in dict.fromkeys(words))


def terms_lines(teacher: Teacher, now: datetime) -> Iterator[tuple[str, str]]:
    """What a reviewer has to read: labels and texts, of both contracts."""
    yield "teacher", f"{teacher.name}: {teacher.model} by route {teacher.route} at {teacher.base_url}"
    yield from _contract("licence of the weights", teacher.weights.weights, teacher.weights)
    yield from _contract("contract of the route", teacher.route_terms.route, teacher.route_terms)
    today = now.date()
    for finding in examine(teacher.conditions, None, teacher.attestations, today, today):
        yield f"condition {finding.of}:{finding.id}", finding.evidence
    yield "hash of these terms", teacher.terms_sha256


def _contract(label: str, name: str, terms: WeightsTerms | RouteTerms) -> Iterator[tuple[str, str]]:
    if terms.license is None:
        yield label, "none: nobody else's service"
        return
    yield label, f"{terms.license} ({name})"
    yield "  outputs trainable", terms.outputs_trainable
    if evidence := terms.evidence:
        if evidence.quote:
            yield "  quote", f'"{evidence.quote}"'
        yield "  source", f"{evidence.source} ({evidence.mark}, text of {evidence.retrieved})"
        if evidence.text_sha256:
            yield "  hash of that text", evidence.text_sha256
    if isinstance(terms, WeightsTerms) and terms.basis:
        yield "  because", terms.basis
    if terms.notes:
        yield "  note", terms.notes


def sign(teacher: Teacher, signature: Signature, path: Path) -> ReviewFile:
    """Write the review, in place of an earlier one. BadInput names a field that is not valid; nothing is written."""
    word = {
        "by": signature.by,
        "on": signature.on.isoformat(),
        "expires_after_days": signature.expires_after_days,
    }
    fields: dict[str, object] = {
        "teacher": teacher.name,
        **word,
        "scope": list(signature.scope),
        **({"ticket": signature.ticket} if signature.ticket is not None else {}),
        "terms_sha256": teacher.terms_sha256,
        "attestations": [{"of": of, "condition": id, **word} for of, id in signature.attested],
    }
    signed = parse(ReviewFile, fields, path)
    path.parent.mkdir(exist_ok=True)
    written = path.with_suffix(".tmp")
    written.write_text(_HEAD.format(by=signed.by) + _yaml(fields), encoding="utf-8")
    written.replace(path)
    return signed


def _yaml(fields: dict[str, object]) -> str:
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=10_000)
