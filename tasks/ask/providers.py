"""What differs between providers (pure): how each charges, what its headers and errors are called, as one table.

Facts, never behaviour: who paces, waits or stops reads them here. Every row names its source and the day it was
read; what rests on a second-hand page, or on nobody's word, says so. An entry of the registry names its provider;
one that names none is `unknown`, which is read in OpenAI's form, as most servers speak it.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from warehouse.errors import BadInput
from warehouse.records import Outcome

ChargeRule = Literal["max_of", "sum", "as_produced", "concurrency", "unknown"]
"""What a request takes of a limit on tokens.

max_of: max(max_tokens, an estimate of the prompt) when it arrives, nothing given back. sum: prompt and max_tokens
when it arrives, nothing given back. as_produced: the prompt when it arrives, the output while it is written.
concurrency: no rate at all, only requests at once. unknown: to be learned.
"""
MeterName = Literal["requests", "tokens", "input_tokens", "output_tokens", "requests_per_day", "tokens_per_day"]
"""A limit's dimension; those without a suffix are per minute."""

CHARGE_RULES: tuple[ChargeRule, ...] = get_args(ChargeRule)
METERS: tuple[MeterName, ...] = get_args(MeterName)


@dataclass(frozen=True)
class HeaderNames:
    """The headers that tell of one limit."""

    meter: MeterName
    limit: str
    remaining: str | None = None
    reset: str | None = None
    per_second: bool = False
    """The limit is stated per second; it is read as sixty times that per minute."""
    rounded_to: float = 0.0
    """`remaining` is rounded to the nearest multiple, so half of it may be missing: it is read so much lower."""
    daily: MeterName | None = None
    """What the limit is of where its reset is more than a minute away."""


@dataclass(frozen=True)
class ErrorRule:
    """What a provider means by a status and a label; the first rule that fits wins over what is common to all."""

    status: int
    outcome: Outcome
    label: str | None = None
    """One of the machine-readable words of the error, in lower case; None: whatever the words are."""
    about: MeterName | None = None
    """The limit that a 429 was about."""


@dataclass(frozen=True)
class Provider:
    """How one provider charges, and how its responses are read."""

    name: str
    charge: ChargeRule
    source: str
    """Where the row comes from, and when it was read."""
    burst_s: float = 1.0
    """Seconds of a rate that may be saved up. Providers enforce within quanta of 1 to 2 s, whatever they state per
    minute, so more than a second is a gamble."""
    ramp_s: float = 0.0
    """So long from the start the rate is raised evenly, where a sudden rise alone is refused; 0: at once."""
    headers: tuple[HeaderNames, ...] = ()
    errors: tuple[ErrorRule, ...] = ()
    windows_s: Mapping[MeterName, float] = field(default_factory=dict)
    """Limits that are counted in fixed windows of so many seconds, and not refilled all the time."""
    cached_free: bool = False
    """Prompt tokens read from a cache take nothing of the limits."""


def _x(meter: MeterName, of: str) -> HeaderNames:
    return HeaderNames(meter, f"x-ratelimit-limit-{of}", f"x-ratelimit-remaining-{of}", f"x-ratelimit-reset-{of}")


def _anthropic(meter: MeterName, of: str, rounded_to: float = 0.0) -> HeaderNames:
    limit, remaining, reset = (f"anthropic-ratelimit-{of}-{what}" for what in ("limit", "remaining", "reset"))
    return HeaderNames(meter, limit, remaining, reset, rounded_to=rounded_to)


OPENAI_HEADERS = (_x("requests", "requests"), _x("tokens", "tokens"), _x("tokens", "project-tokens"))
ANTHROPIC_HEADERS = (
    _anthropic("requests", "requests"),
    _anthropic("tokens", "tokens", 1000),
    _anthropic("input_tokens", "input-tokens", 1000),
    _anthropic("output_tokens", "output-tokens", 1000),
)
"""`anthropic-priority-*` is left out on purpose: it tells of committed capacity, and a request beyond it falls back
to the standard tier, whose limits are the ones above (platform.claude.com/docs/en/api/service-tiers, 2026-11)."""

_OPENAI = Provider(
    name="openai",
    charge="max_of",
    source="developers.openai.com/api/docs/guides/rate-limits and help article 6891753, 2026-11-21",
    headers=OPENAI_HEADERS,
)
_AZURE = Provider(
    name="azure",
    charge="sum",
    burst_s=0.5,
    source="learn.microsoft.com, Azure OpenAI: manage quota, content filtering, billing of errors, 2026-11-21",
    windows_s={"requests": 10.0, "tokens": 60.0},
    headers=OPENAI_HEADERS,
    errors=(
        # The prompt was processed and is billed although the status is an error; so is a timeout.
        ErrorRule(400, "refused", "content_filter"),
        ErrorRule(400, "refused", "responsibleaipolicyviolation"),
        ErrorRule(408, "timeout"),
    ),
)
_ANTHROPIC = Provider(
    name="anthropic",
    charge="as_produced",
    ramp_s=30.0,
    source="platform.claude.com/docs/en/api/rate-limits, 2026-11-21; the ramp of 30 s"
    " is assumed; the label of a spend limit is second-hand",
    headers=ANTHROPIC_HEADERS,
    errors=(ErrorRule(429, "unauthorised", "enforced_spend_limit_reached"),),
    cached_free=True,
)
_OPENROUTER = Provider(
    name="openrouter",
    charge="unknown",
    source="openrouter.ai/docs: limits, errors and debugging, streaming, 2026-11-21",
    # Sent with errors only, in the response or inside error.metadata.headers; the reset is Unix time.
    headers=(
        HeaderNames(
            "requests", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", daily="requests_per_day"
        ),
    ),
    errors=(
        # Too much is in flight for the balance: it waits, unlike every other 402.
        ErrorRule(402, "rate_limited", "openrouter_in_flight_budget"),
        ErrorRule(403, "rejected", "flagged_input"),
        ErrorRule(403, "rejected", "content_policy_violation"),
    ),
)
_TOGETHER = Provider(
    name="together",
    charge="unknown",
    burst_s=0.5,
    ramp_s=30.0,
    source="docs.together.ai/docs/rate-limits, 2026-11-21, for the errors; the headers from an older copy of that page,"
    " second-hand and unverified; the ramp of 30 s is assumed",
    headers=(
        HeaderNames("requests", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", per_second=True),
        HeaderNames("requests", "x-ratelimit-limit-dynamic", per_second=True),
        HeaderNames("tokens", "x-tokenlimit-limit", "x-tokenlimit-remaining", per_second=True),
        HeaderNames("tokens", "x-tokenlimit-limit-dynamic", per_second=True),
    ),
    errors=(
        ErrorRule(429, "rate_limited", "dynamic_request_limited", "requests"),
        ErrorRule(429, "rate_limited", "dynamic_token_limited", "tokens"),
    ),
)
_FIREWORKS = Provider(
    name="fireworks",
    charge="as_produced",
    ramp_s=30.0,
    source="docs.fireworks.ai/serverless/rate-limits.md, 2026-11-21 (its headers are per second); the ramp of 30 s is"
    " assumed",
    # `remaining` is sent too, and no page says of which quantum, so it is not read.
    headers=(
        HeaderNames("input_tokens", "x-ratelimit-limit-tokens-prompt", per_second=True),
        HeaderNames("input_tokens", "x-ratelimit-limit-tokens-cache-adjusted-prompt", per_second=True),
        HeaderNames("output_tokens", "x-ratelimit-limit-tokens-generated", per_second=True),
    ),
)
_GROQ = Provider(
    name="groq",
    charge="unknown",
    source="console.groq.com/docs/rate-limits.md, 2026-11-21; the charge rule is not documented",
    headers=(_x("requests_per_day", "requests"), _x("tokens", "tokens")),
    errors=(ErrorRule(498, "overloaded"),),
    cached_free=True,
)
_CEREBRAS = Provider(
    name="cerebras",
    charge="sum",
    source="inference-docs.cerebras.ai/support/rate-limits, 2026-11-21; the labels of its 429s are second-hand",
    headers=(
        _x("requests", "requests-minute"),
        _x("requests_per_day", "requests-day"),
        _x("tokens", "tokens-minute"),
        _x("tokens_per_day", "tokens-day"),
    ),
    errors=(
        ErrorRule(429, "rate_limited", "request_quota_exceeded", "requests"),
        ErrorRule(429, "rate_limited", "token_quota_exceeded", "tokens"),
    ),
)
_DEEPSEEK = Provider(
    name="deepseek",
    charge="concurrency",
    source="api-docs.deepseek.com: rate limit and error codes, 2026-11-21",
)


def _own_server(name: str, source: str) -> Provider:
    """A server of one's own has no rates; a gateway in front of it may, and says so in OpenAI's form."""
    return Provider(name, "concurrency", source, headers=OPENAI_HEADERS)


UNKNOWN = Provider(
    name="unknown",
    charge="unknown",
    source="no provider was named: the most common forms, read as per minute",
    headers=OPENAI_HEADERS + ANTHROPIC_HEADERS,
)

PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider
    for provider in (
        _OPENAI,
        _AZURE,
        _ANTHROPIC,
        _OPENROUTER,
        _TOGETHER,
        _FIREWORKS,
        _GROQ,
        _CEREBRAS,
        _DEEPSEEK,
        _own_server("vllm", "vLLM's server, RFC 18826: an unbounded queue, no rate headers, 2026-11-21"),
        _own_server("sglang", "SGLang 0.5.23, scheduler.py: 503 when its queue is full, 2026-11-21"),
        _own_server("llama.cpp", "llama.cpp's server: slots and a queue, no rate headers; assumed"),
        _own_server("self-hosted", "a server of one's own whose software is not named"),
        Provider("simulated", "max_of", "infra/simulated_teacher, its defaults", headers=OPENAI_HEADERS),
        UNKNOWN,
    )
}


def provider_named(name: str) -> Provider:
    """The provider of that name. BadInput lists the known ones."""
    if name in PROVIDERS:
        return PROVIDERS[name]
    near = difflib.get_close_matches(name, PROVIDERS, n=1)
    guess = f", did you mean {near[0]!r}?" if near else ":"
    raise BadInput(f"unknown provider {name!r}{guess} known providers are {', '.join(PROVIDERS)}")
