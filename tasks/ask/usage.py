"""What a response says it cost (pure), whatever the server calls it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.ask.spend import Rates


@dataclass(frozen=True)
class Usage:
    """Tokens as the server reports them; `completion` includes `reasoning`, `prompt` includes `cached`."""

    prompt: int
    completion: int
    reasoning: int | None = None
    cached: int | None = None
    """Of the prompt, read from the provider's cache; None: not said."""
    cache_write: int | None = None
    """Of the prompt, written to it."""
    usd: float | None = None
    """What the provider says it billed in dollars; None: it does not say, or not all of it."""

    def cost_usd(self, rates: Rates | None) -> float | None:
        """Dollars: what the provider says it billed, else by the registry's price; None where neither is known."""
        if self.usd is not None:
            return self.usd
        return rates.usd(self.prompt, self.completion) if rates else None


def read_usage(document: Mapping[str, Any]) -> Usage | None:
    """The usage of a chat completion; None where the prompt's or the completion's tokens are missing or odd.

    `total_tokens` above their sum is thinking that the server leaves out of the completion (xAI and Gemini do);
    it is billed as output, so it counts as completion.
    """
    usage = document.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    total = _count(usage.get("total_tokens")) or 0
    read, written = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    return Usage(
        prompt=prompt,
        completion=max(completion, total - prompt),
        reasoning=_first((written, "reasoning_tokens"), (usage, "reasoning_tokens")),
        cached=_first((read, "cached_tokens"), (usage, "prompt_cache_hit_tokens"), (usage, "cached_tokens")),
        cache_write=_first((read, "cache_write_tokens"), (read, "cache_creation_tokens")),
        usd=_billed(usage),
    )


def _first(*places: tuple[object, str]) -> int | None:
    counts = (_count(place.get(name)) for place, name in places if isinstance(place, dict))
    return next((count for count in counts if count is not None), None)


def _billed(usage: Mapping[str, Any]) -> float | None:
    """OpenRouter's `cost`; with a key of one's own (`is_byok`) it leaves out what the upstream provider bills."""
    cost = usage.get("cost")
    if usage.get("is_byok") or isinstance(cost, bool) or not isinstance(cost, int | float):
        return None
    return float(cost) if cost >= 0 else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None
