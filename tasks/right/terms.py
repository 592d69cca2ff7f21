"""The terms a teacher is asked under, who reviewed them, and the facts of the student they bear on (pure).

Two contracts govern every hosted call: the licence of the weights and the terms of the route. Nothing here decides.
"""

import hashlib
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Literal, cast

import rfc8785
from pydantic import Field, model_validator

from tasks.ask.continuing import Continues
from tasks.ask.providers import ChargeRule
from tasks.right.demands import Condition, ConditionId
from tasks.right.fields import Count, Country, Day, Frozen, Line, Sha256
from tasks.right.fields import Purpose as Purpose
from tasks.right.fields import TermsOf as TermsOf
from tasks.right.watermark import DeclaredWatermark

Trainable = Literal["yes", "conditional", "no", "unknown"]
EvidenceMark = Literal["primary", "secondary", "unverified"]
Reasoning = Literal["raw", "summary", "encrypted", "none", "unknown"]
ALL_PURPOSES: tuple[Purpose, ...] = ("ask", "publish", "train")

SELF_HOSTED = "self-hosted"
SIMULATED_ROUTE = "simulated"
SIMULATED_MODEL = "simulated-teacher"
NO_SECOND_CONTRACT = (SELF_HOSTED, SIMULATED_ROUTE)
"""Routes that are nobody else's service: only the licence of the weights governs."""


class Quota(Frozen):
    """Limits stated by the account; whatever is None is learned while asking."""

    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    """Of prompt and output together."""
    concurrency: Count | None = None
    input_tokens_per_minute: Count | None = None
    output_tokens_per_minute: Count | None = None
    requests_per_day: Count | None = None
    tokens_per_day: Count | None = None
    charge: ChargeRule | None = None
    """What a request takes of the limits on tokens, where the provider's own rule is not the one that holds."""


class Price(Frozen):
    """What a million tokens cost. `as_of` may be missing only for what costs nothing."""

    usd_per_million_input: float = Field(ge=0)
    usd_per_million_output: float = Field(ge=0)
    as_of: Day | None = None

    @model_validator(mode="after")
    def _dated(self) -> "Price":
        if self.as_of is None and (self.usd_per_million_input or self.usd_per_million_output):
            raise ValueError("as_of is missing: say on which day the price was read")
        return self

    def less(self, discount: float) -> "Price":
        """With a share of it saved, 0 to 1."""
        left = 1.0 - discount
        input_usd, output_usd = self.usd_per_million_input * left, self.usd_per_million_output * left
        return self.model_copy(update={"usd_per_million_input": input_usd, "usd_per_million_output": output_usd})


class AccountBudget(Frozen):
    """Ceilings on what an account is billed through one data root, ever and on one UTC day; null: none.

    Not a part of the terms: it may change at any time, and changes no answer that was bought.
    """

    usd: float | None = Field(default=None, gt=0)
    tokens: Count | None = None
    requests: Count | None = None
    usd_per_day: float | None = Field(default=None, gt=0)
    tokens_per_day: Count | None = None
    requests_per_day: Count | None = None

    def lowest(self, other: "AccountBudget") -> "AccountBudget":
        """Of each ceiling the lower one that is set."""
        both = {name: (getattr(self, name), getattr(other, name)) for name in AccountBudget.model_fields}
        return AccountBudget(
            **{name: min((one for one in pair if one is not None), default=None) for name, pair in both.items()}
        )


class BatchTerms(Frozen):
    """The provider's batch API, OpenAI-compatible, where it has one: `/files` and `/batches` beside the chat.

    Defaults are OpenAI's (API reference and guide, read 2026-11-21): half price, 50,000 requests and 200 MB a batch, a
    window of 24 hours.
    """

    endpoint: Line = "/v1/chat/completions"
    """What the lines of a batch are sent to, as the provider writes it."""
    discount: float = Field(default=0.5, ge=0, le=1)
    """Share of the price that a batch saves."""
    max_requests: Count = 50_000
    max_bytes: Count = 200_000_000
    window: Line = "24h"


class Evidence(Frozen):
    """Where a claim about terms comes from. `retrieved` is the day the text read was captured."""

    source: Line
    retrieved: Day
    mark: EvidenceMark
    """primary: the text itself was read; secondary: a page about it; unverified: denies."""
    quote: Line | None = None
    text_sha256: Sha256 | None = None
    """Of the text that was read, when a copy of it was at hand."""


class WeightsTerms(Frozen):
    """What the licence of a model version says of training on its outputs."""

    weights: Line
    """Name of the registry entry, or of what stands in for one."""
    license: Line
    outputs_trainable: Trainable
    conditions: tuple[Condition, ...] = ()
    evidence: Evidence | None = None
    basis: Line | None = None
    """Why `outputs_trainable` holds where there is no evidence of its own: the row of the licence table."""
    notes: Line | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "WeightsTerms":
        check_conditions(self.outputs_trainable, self.conditions)
        return self


class RouteTerms(Frozen):
    """What the contract for reaching a model says of training on its outputs."""

    route: Line
    provider: Line
    license: Line | None
    """None: there is no second contract, as with a server of one's own."""
    outputs_trainable: Trainable
    conditions: tuple[Condition, ...] = ()
    evidence: Evidence | None = None
    notes: Line | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "RouteTerms":
        check_conditions(self.outputs_trainable, self.conditions)
        return self


class Review(Frozen):
    """A named person read both contracts on a day and stands for them until it expires.

    90 days by default, 365 at most: one provider's terms changed four times within nine months (xAI, 2025-12
    to 2026-08).
    """

    by: Line
    on: Day
    expires_after_days: int = Field(default=90, ge=1, le=365)
    scope: tuple[Purpose, ...] = Field(default=ALL_PURPOSES, min_length=1)
    """What was signed for; the gate denies every other purpose."""
    ticket: Line | None = None
    """Where the reviewer's organisation keeps its own record."""
    terms_sha256: Sha256 | None = None
    """Of the terms that were read; with other terms the review is void. None: signed by hand, without it."""

    @property
    def expires_on(self) -> date:
        """The first day on which the review no longer holds."""
        return self.on + timedelta(days=self.expires_after_days)


class Attestation(Frozen):
    """A named person states that one condition of the terms is kept; it expires as a review does."""

    of: TermsOf
    condition: ConditionId
    by: Line
    on: Day
    expires_after_days: int = Field(default=90, ge=1, le=365)

    @property
    def expires_on(self) -> date:
        """The first day on which the attestation no longer holds."""
        return self.on + timedelta(days=self.expires_after_days)


class StudentFacts(Frozen):
    """What is known of the student; None is "not declared", never "no"."""

    name: str | None = None
    attributions: tuple[str, ...] | None = None
    commercial: bool | None = None
    documents: tuple[str, ...] | None = None
    """Documents passed on with it, by the name the condition uses."""
    monthly_users: int | None = Field(default=None, ge=0)
    monthly_revenue_usd: float | None = Field(default=None, ge=0)
    yearly_revenue_usd: float | None = Field(default=None, ge=0)
    country: Country | None = None
    """Where whoever trains it is domiciled, or has the principal place of business."""


class Teacher(Frozen):
    """A model version asked over one route: endpoint, quota, price, and the terms it is asked under."""

    name: str
    model: str
    revision: str | None = None
    route: str
    provider: str = "unknown"
    """Whose rules of charging, headers and errors hold: a name in `tasks/ask/providers.py`. No part of the terms."""
    base_url: str
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; the key itself is never written down."""
    account: str
    pool: str
    quota: Quota = Quota()
    price: Price | None = None
    """None: unknown."""
    budget: AccountBudget = AccountBudget()
    """Of its account: where entries of one account state different ceilings, the lowest holds for all of them."""
    batch: BatchTerms | None = None
    """None: it has no batch API, or none that we may use."""
    continues: Continues | None = None
    """How it is asked to go on with the beginning of an answer; None: it cannot, or nobody has said so. No part of the
    terms."""
    expected_models: tuple[str, ...]
    watermark: DeclaredWatermark | None = None
    """None: whether it has one is unknown. No part of the terms."""
    reasoning: Reasoning = "unknown"
    simulated: bool = False
    weights: WeightsTerms
    route_terms: RouteTerms
    review: Review | None = None
    attestations: tuple[Attestation, ...] = ()
    terms_id: str
    terms_sha256: str

    @property
    def outputs_trainable(self) -> Trainable:
        """The stricter of what both contracts say."""
        order: tuple[Trainable, ...] = ("no", "unknown", "conditional", "yes")
        return min(self.weights.outputs_trainable, self.route_terms.outputs_trainable, key=order.index)

    @property
    def conditions(self) -> tuple[tuple[TermsOf, Condition], ...]:
        """Every condition, with whose it is."""
        return tuple(("weights", condition) for condition in self.weights.conditions) + tuple(
            ("route", condition) for condition in self.route_terms.conditions
        )

    def at_batch_price(self) -> "Teacher":
        """The same teacher at what its batch API costs; as it is where it has none, or no price."""
        if self.price is None or self.batch is None:
            return self
        return self.model_copy(update={"price": self.price.less(self.batch.discount)})


def canonical(value: object) -> bytes:
    """The one spelling of a JSON value (RFC 8785), so that its hash means the value, not its spelling."""
    return rfc8785.dumps(cast(Any, value))


def terms_sha256(weights: WeightsTerms, route: RouteTerms) -> str:
    """Hash what both contracts say: names, licences, outputs_trainable, conditions, hashes of the texts.

    A review is an act about terms, not a part of them: signing the same terms again keeps the hash, and with
    it every answer already bought. The decision's record carries the review as it stood.
    """
    said = {"weights": _said(weights.weights, weights), "route": _said(route.route, route)}
    return hashlib.sha256(canonical(said)).hexdigest()


def terms_id(teacher: str, sha256: str) -> str:
    """A name a person can read for one teacher's terms, e.g. `my-vllm.1f0c2d3e4a5b`."""
    return f"{teacher}.{sha256[:12]}"


def _said(name: str, terms: WeightsTerms | RouteTerms) -> dict[str, object]:
    return {
        "name": name,
        "license": terms.license,
        "outputs_trainable": terms.outputs_trainable,
        "conditions": [condition.model_dump(mode="json", exclude_none=True) for condition in terms.conditions],
        "text_sha256": terms.evidence.text_sha256 if terms.evidence else None,
    }


def check_conditions(trainable: Trainable, conditions: Iterable[Condition]) -> None:
    """ValueError unless conditions are listed exactly where there are some, each id once."""
    ids = [condition.id for condition in conditions]
    if (trainable == "conditional") != bool(ids):
        raise ValueError("conditions must be listed when outputs_trainable is conditional, and only then")
    if len(ids) != len(set(ids)):
        raise ValueError("conditions name the same id twice: an attestation could not say which one it means")
