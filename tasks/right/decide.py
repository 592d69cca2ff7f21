"""May this teacher be asked, its rows be published, a student be trained on them? Closed by default (pure).

`decide` allows only if nothing at all speaks against: both contracts `yes`, or `conditional` with every
condition met or attested; read by someone (`evidence`), signed by a named person (`review`), not lapsed; the
prompts free to use. Whatever is missing, unknown, malformed, contradictory or out of date denies.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from typing import get_args
from urllib.parse import urlsplit

from tasks.right.conditions import Finding, examine
from tasks.right.licenses import OWN_PROMPTS, PROMPTS_FREE_TO_USE, why_listed
from tasks.right.recalled import Denial
from tasks.right.terms import (
    NO_SECOND_CONTRACT,
    SIMULATED_MODEL,
    SIMULATED_ROUTE,
    Attestation,
    Purpose,
    Review,
    RouteTerms,
    StudentFacts,
    Teacher,
    TermsOf,
    WeightsTerms,
    terms_sha256,
)

_CONTRACT: dict[TermsOf, str] = {"weights": "licence of the weights", "route": "contract of the route"}
_INSTEAD: dict[TermsOf, str] = {
    "weights": "use a teacher whose licence allows it",
    "route": "use a route whose terms allow it, or your own server",
}
_TO_KNOW: dict[TermsOf, str] = {
    "weights": "state `outputs_trainable` with `evidence` in its entry, or name a file with `weights:`",
    "route": "read its terms and record them in a file of the route, or use your own server",
}
_EARLIEST_ZONE = timedelta(hours=14)  # UTC+14: where a calendar day begins first


@dataclass(frozen=True)
class Reason:
    """Why the gate says no: a code for programs, the term at fault, and what to do about it."""

    code: str
    term: str
    remedy: str


@dataclass(frozen=True)
class Ruling:
    """What the gate says; `allow` is true only when there is no reason against."""

    allow: bool
    reasons: tuple[Reason, ...]
    findings: tuple[Finding, ...] = ()
    """How each condition of the terms stood: met, attested or unmet."""


def decide(
    teacher: Teacher,
    prompt_license: str | None,
    purpose: Purpose,
    student: StudentFacts | None,
    attestations: Sequence[Attestation],
    now: datetime,
    recalls: Sequence[Denial] = (),
) -> Ruling:
    """Rule on one teacher for one purpose at one time; `now` carries a time zone."""
    findings = tuple(examine(teacher.conditions, student, attestations, _day(now), _latest_day(now)))
    reasons = (
        *_recalled(teacher, recalls),
        *_purpose(purpose),
        *_identity(teacher),
        *_contract("weights", teacher.weights),
        *_contract("route", teacher.route_terms),
        *_unmet(findings),
        *_review(teacher, purpose, now),
        *_prompts(prompt_license),
    )
    return Ruling(allow=not reasons, reasons=reasons, findings=findings)


def is_loopback(base_url: str) -> bool:
    """Whether a URL names this machine itself, by address or as `localhost`."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _recalled(teacher: Teacher, recalls: Sequence[Denial]) -> Iterator[Reason]:
    for recall in recalls:
        if recall.names(teacher):
            yield Reason(
                "recalled",
                f"it was recalled on {_day(recall.begun_at)} ({recall.why}; recall {recall.recall_id[:12]})",
                "use another teacher, or other terms where its terms were recalled; a recall is not taken back",
            )


def _purpose(purpose: str) -> Iterator[Reason]:
    if purpose not in get_args(Purpose):
        yield Reason("purpose_unknown", f"the purpose {purpose!r} is none of ask, publish, train", "name one")


def _identity(teacher: Teacher) -> Iterator[Reason]:
    """A teacher is simulated in every respect or in none, and says the terms that its hash was taken of."""
    looks = (teacher.route == SIMULATED_ROUTE, teacher.model == SIMULATED_MODEL)
    if teacher.simulated and not (all(looks) and is_loopback(teacher.base_url)):
        yield Reason(
            "simulated_not_itself",
            f"simulated: true belongs to model {SIMULATED_MODEL} on this machine only, not to"
            f" {teacher.model} at {teacher.base_url}",
            "start it with `still simulate`, or remove simulated: true",
        )
    if not teacher.simulated and any(looks):
        yield Reason(
            "simulated_undeclared",
            f"model {teacher.model} on route {teacher.route} is the simulated teacher and does not say so",
            "set simulated: true in its entry",
        )
    hashed = terms_sha256(teacher.weights, teacher.route_terms)
    if teacher.terms_sha256 != hashed or teacher.route != teacher.route_terms.route:
        yield Reason(
            "terms_mismatch",
            f"terms {teacher.terms_id} are not the terms that its hash was taken of",
            "load it from the registry again",
        )


def _contract(of: TermsOf, terms: WeightsTerms | RouteTerms) -> Iterator[Reason]:
    name = terms.weights if isinstance(terms, WeightsTerms) else terms.route
    called = f"the {_CONTRACT[of]} ({name}: {terms.license})"
    says = f', "{terms.evidence.quote}"' if terms.evidence and terms.evidence.quote else ""
    if terms.outputs_trainable == "no":
        yield Reason(f"{of}_forbid", f"{called} forbids training on outputs{says}", _INSTEAD[of])
    elif terms.outputs_trainable == "conditional" and terms.conditions:
        pass  # the findings speak for each condition
    elif terms.outputs_trainable != "yes":
        yield Reason(f"{of}_unknown", f"{called} is not known to allow training on outputs{says}", _TO_KNOW[of])
    if terms.evidence and terms.evidence.mark not in ("primary", "secondary"):
        yield Reason(f"{of}_unverified", f"{called} has not been read by anyone", _TO_KNOW[of])
    if not terms.evidence and not _needs_no_evidence(terms):
        yield Reason(f"{of}_no_evidence", f"{called} comes without evidence", "state `evidence:` with it")


def _needs_no_evidence(terms: WeightsTerms | RouteTerms) -> bool:
    if isinstance(terms, WeightsTerms):
        return terms.basis is not None
    return terms.route in NO_SECOND_CONTRACT and terms.license is None


def _unmet(findings: Sequence[Finding]) -> Iterator[Reason]:
    for finding in findings:
        if finding.state not in ("met", "attested"):
            yield Reason(f"condition_unmet:{finding.id}", finding.evidence, finding.remedy)


def _review(teacher: Teacher, purpose: Purpose, now: datetime) -> Iterator[Reason]:
    """The simulated teacher is this project's own program: there are no terms of others to read."""
    if teacher.simulated:
        return
    review = teacher.review
    if review is None:
        yield Reason("review_missing", "nobody has signed for its terms", _how_to_sign(teacher))
        return
    yield from _dates(review, now)
    who, again = f"the review by {review.by} of {review.on}", f"read them again and sign: {_sign(teacher)}"
    if review.terms_sha256 not in (None, teacher.terms_sha256):
        yield Reason(
            "review_of_other_terms",
            f"{who} is of other terms ({str(review.terms_sha256)[:12]}) than are recorded now"
            f" ({teacher.terms_sha256[:12]})",
            again,
        )
    if purpose not in review.scope:
        yield Reason(
            "purpose_out_of_scope",
            f"{who} is for {', '.join(review.scope)} only, not to {purpose}",
            f"review its terms for that: {_sign(teacher)} --scope {purpose}",
        )
    read = [terms.evidence.retrieved for terms in (teacher.weights, teacher.route_terms) if terms.evidence]
    if read and review.on < max(read):
        yield Reason(
            "review_older_than_terms",
            f"{who} is older than the text of the terms, captured on {max(read)}",
            again,
        )


def _sign(teacher: Teacher) -> str:
    return f'`still teachers review {teacher.name} --by "<your name>"`'


def _dates(review: Review, now: datetime) -> Iterator[Reason]:
    if review.on > _latest_day(now):
        yield Reason(
            "review_in_future",
            f"the review by {review.by} is dated {review.on}, which has not come yet",
            "sign with the day on which the terms were read",
        )
    if _day(now) >= review.expires_on:
        yield Reason(
            "review_lapsed",
            f"the review by {review.by} of {review.on} lapsed on {review.expires_on}",
            "read the terms again and sign anew, with `still teachers review`",
        )


def _how_to_sign(teacher: Teacher) -> str:
    sources = [t.evidence.source for t in (teacher.weights, teacher.route_terms) if t.evidence]
    read = f"read them ({'; '.join(dict.fromkeys(sources))})" if sources else "read them"
    if "@" in teacher.name:
        new = f"still teachers new <name> --model {teacher.model}"
        route = "" if teacher.route in NO_SECOND_CONTRACT else f" --route {teacher.route}"
        return f"{read}, make an entry of your own with `{new}{route}`, and sign it with `still teachers review`"
    return f"{read} and sign: {_sign(teacher)}"


def _prompts(license: str | None) -> Iterator[Reason]:
    if not license or not license.strip():
        yield Reason(
            "prompts_license_missing",
            "the prompts have no licence",
            f"set prompts.license in the recipe to an SPDX id, or to {OWN_PROMPTS} if you wrote them",
        )
    elif why_listed(license, PROMPTS_FREE_TO_USE) is None:
        yield Reason(
            "prompts_license_not_free",
            f"the prompts' licence {license!r} {_fault(license)}",
            f"use prompts under one of {', '.join(list(PROMPTS_FREE_TO_USE)[:3])}, CC-BY-4.0, ..., or"
            f" {OWN_PROMPTS} if you wrote them",
        )


def _fault(license: str) -> str:
    parts = license.upper().replace(" ", "-").split("-")
    if "NC" in parts:
        return "forbids commercial use"
    return "forbids changed copies" if "ND" in parts else "is not known to be free"


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _latest_day(now: datetime) -> date:
    """The latest day begun anywhere: a review signed this morning in Auckland is not in the future."""
    return (now.astimezone(UTC) + _EARLIEST_ZONE).date()
