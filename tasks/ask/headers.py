"""What response headers say of limits and of waiting (pure)."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tasks.ask.providers import PROVIDERS, UNKNOWN, HeaderNames, MeterName

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")
_UNIX_TIME, _UNIX_TIME_MS = 1e9, 1e11  # no wait is so long: such a number is a point in time
_MINUTE_S = 60.0


@dataclass(frozen=True)
class HeaderLimit:
    """What headers say of one limit."""

    limit: float
    """Per minute, or per day for a meter of a day."""
    remaining: float | None = None
    """What may still be used now; the least that a rounded figure can mean."""
    reset_s: float | None = None
    """Until the limit is whole again."""


def header_limits(
    headers: Mapping[str, str], received_at: datetime, provider: str = UNKNOWN.name
) -> dict[MeterName, HeaderLimit]:
    """The limits that a provider's headers state, by meter. Of two about one meter the stricter of each counts.

    Headers that make no sense are left out. A provider that is not known is read as `unknown`, so that a journal
    can be read for ever.
    """
    found: dict[MeterName, HeaderLimit] = {}
    for names in PROVIDERS.get(provider, UNKNOWN).headers:
        limit = _limit(headers, names, received_at)
        if limit is not None:
            meter = names.daily if names.daily and (limit.reset_s or 0.0) > _MINUTE_S else names.meter
            found[meter] = _stricter(found[meter], limit) if meter in found else limit
    if _tells_again(found):
        del found["tokens"]
    return found


def _tells_again(found: Mapping[MeterName, HeaderLimit]) -> bool:
    """Anthropic's `tokens` are those of the most restrictive limit in effect (its page on rate limits, 2026-11): where
    that is the limit on input or on output, it is no limit on both together."""
    apart = [found[meter].limit for meter in ("input_tokens", "output_tokens") if meter in found]
    return "tokens" in found and found["tokens"].limit in apart


def _limit(headers: Mapping[str, str], names: HeaderNames, received_at: datetime) -> HeaderLimit | None:
    limit = _number(headers.get(names.limit))
    if limit is None or limit <= 0:
        return None
    remaining = _number(headers.get(names.remaining)) if names.remaining else None
    if remaining is not None:
        remaining = max(0.0, remaining - names.rounded_to / 2)
    reset_s = duration(headers.get(names.reset), received_at) if names.reset else None
    return HeaderLimit(limit * _MINUTE_S if names.per_second else limit, remaining, reset_s)


def _stricter(one: HeaderLimit, other: HeaderLimit) -> HeaderLimit:
    remaining = [limit.remaining for limit in (one, other) if limit.remaining is not None]
    resets = [limit.reset_s for limit in (one, other) if limit.reset_s is not None]
    return HeaderLimit(min(one.limit, other.limit), min(remaining, default=None), max(resets, default=None))


def exhausted(limits: Mapping[MeterName, HeaderLimit]) -> MeterName | None:
    """The one meter with nothing left; None where there is none, or more than one."""
    empty = [meter for meter, limit in limits.items() if limit.remaining is not None and limit.remaining < 1]
    return empty[0] if len(empty) == 1 else None


def retry_after(headers: Mapping[str, str], received_at: datetime) -> float | None:
    """Seconds to wait, from `Retry-After-Ms` or `Retry-After` (seconds or an HTTP date); None if neither is usable.

    A date is taken against the response's own `Date`, because the two clocks need not agree. What the error's prose
    says ("try again in 1.2s") is not read: prose is no interface.
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


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """What `x-should-retry` says: the server's own word on whether the same request may fare better."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())


def duration(value: str | None, now: datetime) -> float | None:
    """Seconds in `6m0s`, `120ms`, `1.5`, or until an RFC 3339 time or a Unix time (s or ms); None for anything
    else."""
    if value is None:
        return None
    if (number := _number(value)) is not None:
        if number >= _UNIX_TIME:
            number = number / (1000 if number >= _UNIX_TIME_MS else 1) - now.timestamp()
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
