"""What terms may demand of a student, or of whoever trains it: the conditions that a registry file may list (pure)."""

from typing import Annotated, Literal

from pydantic import Field

from tasks.right.fields import Count, Country, Frozen, Line

Per = Literal["month", "year"]
ConditionId = Literal[
    "student_name_prefix",
    "attribution",
    "attribution_above",
    "noncommercial",
    "flow_down",
    "max_mau",
    "max_revenue",
    "geography",
    "agreement",
]


class StudentNamePrefix(Frozen):
    """The student's name must begin with `prefix`."""

    id: Literal["student_name_prefix"]
    prefix: Line


class Attribution(Frozen):
    """`text` must be shown with the student."""

    id: Literal["attribution"]
    text: Line
    or_text: Line | None = None
    """Another wording that the terms accept as well."""


class AttributionAbove(Frozen):
    """`text` must be shown by whoever has more users or more revenue than the terms say."""

    id: Literal["attribution_above"]
    text: Line
    users: Count
    """A month."""
    usd: Count
    per: Per
    """What `usd` of revenue are counted over; the users are always counted by month."""


class Noncommercial(Frozen):
    """The student must not be used commercially."""

    id: Literal["noncommercial"]


class FlowDown(Frozen):
    """`document` must be passed on with the student."""

    id: Literal["flow_down"]
    document: Line


class MaxMonthlyUsers(Frozen):
    """At most `users` people a month may use what the student is part of."""

    id: Literal["max_mau"]
    users: Count


class MaxRevenue(Frozen):
    """At most `usd` of revenue, by month or year, with what the student is part of."""

    id: Literal["max_revenue"]
    usd: Count
    per: Per


class Geography(Frozen):
    """The terms grant nothing to whoever is domiciled, or has the principal place of business, in `excluded`."""

    id: Literal["geography"]
    excluded: tuple[Country, ...] = Field(min_length=1)


class Agreement(Frozen):
    """A statement no program can check: only a named person's attestation meets it."""

    id: Literal["agreement"]
    statement: Line


Condition = Annotated[
    StudentNamePrefix
    | Attribution
    | AttributionAbove
    | Noncommercial
    | FlowDown
    | MaxMonthlyUsers
    | MaxRevenue
    | Geography
    | Agreement,
    Field(discriminator="id"),
]

_MEMBERS = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE"
EUROPEAN_UNION = frozenset((*_MEMBERS.split(), "EU"))
"""The 27 member states (european-union.europa.eu, list of countries), and the Union itself."""


def lies_in(country: str, places: tuple[str, ...]) -> bool:
    """Whether a country is among some places, `EU` standing for its members."""
    return country in places or ("EU" in places and country in EUROPEAN_UNION)
