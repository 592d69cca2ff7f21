"""What an error response means (pure): whose trouble it is, and which limit it was about.

Only status, headers and the machine-readable words of the error decide; its prose is kept for people.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.ask.headers import HeaderLimit, exhausted, should_retry
from tasks.ask.outcomes import outcome_of_status
from tasks.ask.providers import PROVIDERS, UNKNOWN, MeterName
from warehouse.records import Outcome

_WORDS = ("code", "type", "error_type", "limit_source", "provider_code", "error_code")
_INNER = ("metadata", "innererror", "inner_error", "details")
_MODEL_IS_NOT_THERE = frozenset({"model_not_found", "deploymentnotfound", "model_not_available", "not_found_error"})
_ABOUT: Mapping[str, MeterName] = {
    "requests": "requests",
    "tokens": "tokens",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
}
"""OpenAI's and Groq's `error.type` of a 429."""
_DAILY: Mapping[MeterName, MeterName] = {"requests": "requests_per_day", "tokens": "tokens_per_day"}


@dataclass(frozen=True)
class Refusal:
    """What became of a request that brought an error, and the limit that turned it away, where that is said."""

    outcome: Outcome
    about: MeterName | None = None


def read_refusal(
    status: int,
    headers: Mapping[str, str],
    document: Mapping[str, Any],
    limits: Mapping[MeterName, HeaderLimit],
    provider: str = UNKNOWN.name,
) -> Refusal:
    """Classify an error response.

    What the provider's own rules say comes first. Then what is common: a 404 that says the model is not there ends
    the run, because no other request would fare better. `x-should-retry` is obeyed where it says something of this
    request: a 429 that is never to be retried is spent quota, not a limit on the rate; another 4xx is tried again,
    or is not, as it says. A 5xx keeps its few tries and stays due for a later plan: an outage must not lose rows.
    """
    words = frozenset(labels(document))
    for rule in PROVIDERS.get(provider, UNKNOWN).errors:
        if rule.status == status and (rule.label is None or rule.label in words):
            return Refusal(rule.outcome, rule.about or _about(rule.outcome, words, limits))
    outcome = outcome_of_status(status, " ".join(sorted(words)))
    if status == 404 and words & _MODEL_IS_NOT_THERE:
        outcome = "unauthorised"
    retry = should_retry(headers)
    if retry is False and outcome == "rate_limited":
        outcome = "unauthorised"
    elif retry is False and outcome == "overloaded" and status < 500:
        outcome = "rejected"
    elif retry is True and outcome == "rejected":
        outcome = "overloaded"
    return Refusal(outcome, _about(outcome, words, limits))


def problem_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The error object: under `error`, beside the first choice (OpenRouter), or the document itself (Cerebras, older
    vLLM); empty where there is none."""
    if isinstance(error := document.get("error"), dict):
        return error
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(choice, dict) and isinstance(inner := choice.get("error"), dict):
        return inner
    return document if choice is None and isinstance(document.get("message"), str) else {}


def labels(document: Mapping[str, Any]) -> Iterator[str]:
    """The machine-readable words of an error, in lower case, the outermost first."""
    problem = problem_of(document)
    inner = [problem.get(name) for name in _INNER]
    for place in (problem, *inner):
        if isinstance(place, dict):
            yield from (str(place[name]).lower() for name in _WORDS if isinstance(place.get(name), str | int))
            if place.get("flagged_input") is not None:
                yield "flagged_input"


def status_inside(document: Mapping[str, Any]) -> int | None:
    """The HTTP status that an error inside a 200 carries: its `code`, or that of the provider behind a gateway."""
    problem = problem_of(document)
    metadata = problem.get("metadata")
    behind = metadata.get("provider_code") if isinstance(metadata, dict) else None
    places = (problem.get("code"), problem.get("status"), behind)
    return next((status for place in places if (status := _status(place)) is not None), None)


def headers_inside(document: Mapping[str, Any]) -> dict[str, str]:
    """Response headers that a gateway passes on inside an error (OpenRouter's `metadata.headers`)."""
    metadata = problem_of(document).get("metadata")
    headers = metadata.get("headers") if isinstance(metadata, dict) else None
    return {str(name).lower(): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}


def _status(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599 else None


def _about(outcome: Outcome, words: frozenset[str], limits: Mapping[MeterName, HeaderLimit]) -> MeterName | None:
    """The limit that a 429 was about: as the error says, else the one whose headers say that nothing is left."""
    if outcome != "rate_limited":
        return None
    empty = exhausted(limits)
    said = next((meter for word, meter in _ABOUT.items() if word in words), None)
    if said is None:
        return empty
    return empty if empty is not None and _DAILY.get(said) == empty else said
