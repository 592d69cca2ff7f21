"""Read what a chat-completions server sent (pure): one `Reply`, whatever the server calls its fields.

Reads only status, headers and body as they were journaled, so that reading them again years later gives the
same.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import orjson

from tasks.ask.outcomes import outcome_of_status
from warehouse.records import Outcome

ReasoningSource = Literal["field", "tags", "none"]
Dimension = Literal["requests", "tokens"]

OPEN, CLOSE = "<think>", "</think>"
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")
_ERROR_CHARS = 300


@dataclass(frozen=True)
class Usage:
    """Tokens as the server reports them; `completion` includes `reasoning`."""

    prompt: int
    completion: int
    reasoning: int | None = None


@dataclass(frozen=True)
class HeaderLimit:
    """What rate-limit headers say of one dimension."""

    limit: float
    remaining: float | None = None
    reset_s: float | None = None
    """Until the limit is whole again."""


@dataclass(frozen=True)
class Reply:
    """One response, normalised."""

    outcome: Outcome
    reasoning: str = ""
    reasoning_source: ReasoningSource = "none"
    answer: str = ""
    """Content less the reasoning."""
    content: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    """None: the server reported none."""
    served_model: str | None = None
    system_fingerprint: str | None = None
    request_id: str | None = None
    error: str | None = None
    """One line; None when there is an answer."""
    retry_after_s: float | None = None
    limits: Mapping[Dimension, HeaderLimit] = field(default_factory=dict)


def read_reply(status: int, headers: Mapping[str, str], body: bytes, received_at: datetime) -> Reply:
    """Normalise a response. `headers` have lower-case names; `received_at` dates a Retry-After that is a
    date."""
    document = _document(body)
    said: dict[str, Any] = {
        "served_model": _text(document, "model"),
        "system_fingerprint": _text(document, "system_fingerprint"),
        "request_id": headers.get("x-request-id") or headers.get("request-id") or _text(document, "id"),
        "retry_after_s": retry_after(headers, received_at),
        "limits": header_limits(headers, received_at),
        "usage": _usage(document),
    }
    problem = document.get("error")
    if not 200 <= status < 300:
        return Reply(outcome_of_status(status, _code(document)), error=_error_line(status, document, body), **said)
    if isinstance(problem, dict):  # gateways pass an upstream failure on inside a 200
        code = problem.get("code")
        inner = outcome_of_status(code, _code(document)) if isinstance(code, int) and code >= 400 else "malformed"
        return Reply(inner, error=_error_line(status, document, body), **said)
    message, finish = _choice(document)
    if message is None or finish == "error":
        return Reply("malformed", finish_reason=finish, error=_error_line(status, document, body), **said)
    return _answered(message, finish, said)


def _answered(message: dict[str, Any], finish: str | None, said: dict[str, Any]) -> Reply:
    content = _flat(message.get("content"))
    reasoning, source, answer = split_reasoning(message, content)
    refusal = message.get("refusal")
    outcome: Outcome = "ok"
    if finish in ("length", "max_tokens"):
        outcome = "truncated"
    elif finish == "content_filter" or (isinstance(refusal, str) and refusal):
        outcome = "refused"
    elif not answer:
        outcome = "empty"
    if not answer and isinstance(refusal, str):
        answer = content = refusal
    return Reply(outcome, reasoning, source, answer, content, finish, **said)


def split_reasoning(message: Mapping[str, Any], content: str) -> tuple[str, ReasoningSource, str]:
    """Reasoning, where it was found, and the answer.

    A field wins (`reasoning`, vLLM and OpenRouter; `reasoning_content`, DeepSeek and SGLang;
    `reasoning_details`). Without one, `<think>` tags at the start of the content; some templates pre-fill
    the opening tag, so a closing tag alone counts, and a text cut off while thinking has only the opening
    one.
    """
    for name in ("reasoning", "reasoning_content"):
        value = message.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip(), "field", content.strip()
    details = message.get("reasoning_details")
    if isinstance(details, list):
        text = "".join(part["text"] for part in details if isinstance(part, dict) and isinstance(part.get("text"), str))
        if text.strip():
            return text.strip(), "field", content.strip()
    return _split_tags(content)


def _split_tags(content: str) -> tuple[str, ReasoningSource, str]:
    text = content.strip()
    if not text.startswith(OPEN) and CLOSE not in text:
        return "", "none", text
    thought, closed, answer = text.removeprefix(OPEN).partition(CLOSE)
    thought = thought.strip()
    return thought, ("tags" if thought else "none"), answer.strip() if closed else ""


def retry_after(headers: Mapping[str, str], received_at: datetime) -> float | None:
    """Seconds to wait, from `Retry-After-Ms` or `Retry-After` (seconds or an HTTP date); None if neither is
    usable.

    A date is taken against the response's own `Date`, because the two clocks need not agree.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000.0)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return max(0.0, seconds)
    until, since = _date(value), _date(headers.get("date")) or received_at
    return max(0.0, (until - since).total_seconds()) if until else None


def header_limits(headers: Mapping[str, str], received_at: datetime) -> dict[Dimension, HeaderLimit]:
    """Limits per dimension, from OpenAI's `x-ratelimit-limit-requests` form or Anthropic's."""
    found: dict[Dimension, HeaderLimit] = {}
    dimensions: tuple[Dimension, ...] = ("requests", "tokens")
    for dimension in dimensions:
        for pattern in ("x-ratelimit-{what}-{of}", "anthropic-ratelimit-{of}-{what}"):
            limit, remaining, reset = (
                headers.get(pattern.format(what=what, of=dimension)) for what in ("limit", "remaining", "reset")
            )
            number = _number(limit)
            if number:
                found[dimension] = HeaderLimit(number, _number(remaining), duration(reset, received_at))
                break
    return found


def duration(value: str | None, now: datetime) -> float | None:
    """Seconds in `6m0s`, `120ms`, `1.5` or until an RFC 3339 time; None for anything else."""
    if value is None:
        return None
    if (number := _number(value)) is not None:
        return max(0.0, number)
    if "T" in value:
        try:
            until = datetime.fromisoformat(value)
        except ValueError:
            return None
        return max(0.0, ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds())
    parts = _DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value.strip():
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _document(body: bytes) -> dict[str, Any]:
    """The body as a JSON object; anything else reads as an empty one. Keep-alive blanks before it are
    allowed."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _choice(document: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return None, None
    message, finish = choice.get("message"), choice.get("finish_reason")
    return (message if isinstance(message, dict) else None), (finish if isinstance(finish, str) else None)


def _flat(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None


def _usage(document: Mapping[str, Any]) -> Usage | None:
    usage = document.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = usage.get("completion_tokens_details")
    reasoning = details.get("reasoning_tokens") if isinstance(details, dict) else usage.get("reasoning_tokens")
    return Usage(prompt, completion, _count(reasoning))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _code(document: Mapping[str, Any]) -> str | None:
    problem = document.get("error")
    if not isinstance(problem, dict):
        return None
    return " ".join(str(problem[name]) for name in ("code", "type") if problem.get(name) is not None) or None


def _error_line(status: int, document: Mapping[str, Any], body: bytes) -> str:
    problem = document.get("error", document)
    said = problem if isinstance(problem, str) else None
    if isinstance(problem, dict):
        said = next((str(problem[name]) for name in ("message", "detail") if problem.get(name)), None)
    if said is None:
        said = body[: 4 * _ERROR_CHARS].decode("utf-8", "replace") or "an empty body"
    line = " ".join(said.split())
    return f"{status}: {line if len(line) <= _ERROR_CHARS else line[: _ERROR_CHARS - 1] + '…'}"
