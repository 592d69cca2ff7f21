"""What a response says of the limits, in each provider's own words. Pure.

`remaining` is what the meter holds now, a second tenant's share already taken; `reset` is when the limit is back at its
initial state. Nothing is said of a dimension without a limit. Sources: OpenAI, Anthropic, Groq and Cerebras, their
pages on rate limits (2026).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

from infra.simulated_teacher.limits import Limits
from infra.simulated_teacher.meters import Meter

Headers = tuple[tuple[str, str], ...]
_ANTHROPIC_ROUNDS_TO = 1000


def go_duration(seconds: float) -> str:
    """`6m0s`, `1s`, `120ms`: how OpenAI writes the time until a reset."""
    milliseconds = math.ceil(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{text}s" if minutes else f"{text}s"


def rfc_3339(unix: float) -> str:
    """`2026-01-31T12:00:00Z`, rounded up to a whole second."""
    return datetime.fromtimestamp(math.ceil(unix), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _left(meter: Meter) -> int:
    return max(0, math.floor(meter.level))


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _x_ratelimit(limits: Limits, names: dict[str, str], reset: Callable[[float], str]) -> Headers:
    allowed, found = limits.allowed, []
    for name, theirs in names.items():
        meter = limits.meters.get(name)
        if meter is not None:
            found.append((f"x-ratelimit-limit-{theirs}", f"{allowed[name]:.0f}"))
            found.append((f"x-ratelimit-remaining-{theirs}", str(_left(meter))))
            found.append((f"x-ratelimit-reset-{theirs}", reset(meter.full_in())))
    return tuple(found)


def openai(limits: Limits, wall: float) -> Headers:
    """A minute's limits; resets as Go durations."""
    return _x_ratelimit(limits, {"requests": "requests", "tokens": "tokens"}, go_duration)


def groq(limits: Limits, wall: float) -> Headers:
    """The same names, but requests are those of a DAY and tokens those of a minute; the requests a minute are told
    nowhere."""
    return _x_ratelimit(limits, {"requests_day": "requests", "tokens": "tokens"}, go_duration)


def cerebras(limits: Limits, wall: float) -> Headers:
    """Requests of a day, tokens of a minute, by name; resets in seconds."""
    return _x_ratelimit(limits, {"requests_day": "requests-day", "tokens": "tokens-minute"}, _seconds)


def anthropic(limits: Limits, wall: float) -> Headers:
    """Input and output apart, and `tokens` for the scarcer of the two; what remains of tokens rounded to 1,000;
    resets as RFC 3339 times."""
    allowed, meters, found = dict(limits.allowed), dict(limits.meters), []
    split = [name for name in ("input_tokens", "output_tokens") if name in meters]
    if split and "tokens" not in meters:
        scarce = min(split, key=lambda name: meters[name].level)
        allowed["tokens"], meters["tokens"] = allowed[scarce], meters[scarce]
    for name in ("requests", "tokens", "input_tokens", "output_tokens"):
        if name in meters:
            left, start = _left(meters[name]), f"anthropic-ratelimit-{name.replace('_', '-')}"
            if name != "requests":
                left = round(left / _ANTHROPIC_ROUNDS_TO) * _ANTHROPIC_ROUNDS_TO
            found.append((f"{start}-limit", f"{allowed[name]:.0f}"))
            found.append((f"{start}-remaining", str(left)))
            found.append((f"{start}-reset", rfc_3339(wall + meters[name].full_in())))
    return tuple(found)


def none(limits: Limits, wall: float) -> Headers:
    """A server that says nothing of its limits."""
    return ()


_STYLES: dict[str, Callable[[Limits, float], Headers]] = {
    "openai": openai,
    "azure": openai,
    "anthropic": anthropic,
    "groq": groq,
    "cerebras": cerebras,
    "none": none,
}


def limit_headers(limits: Limits, now: float, wall: float) -> Headers:
    """In the style that the switch `headers` names; `wall` is Unix time."""
    if not limits.meters:
        return ()
    limits.settle(now)
    return _STYLES[limits.switches.headers](limits, wall)
