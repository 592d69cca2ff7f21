"""What a provider charges a request against its limits, and when (pure): one rule per provider family.

A limiter that does not charge as the provider does is wrong on all of them: it refunds what is not refunded,
or waits for what was never charged. An unknown rule is taken for `sum`, which no other charges more than.
"""

from typing import NamedTuple

from tasks.ask.providers import ChargeRule, MeterName

WINDOW_S: dict[MeterName, float] = {
    "requests": 60.0,
    "tokens": 60.0,
    "input_tokens": 60.0,
    "output_tokens": 60.0,
    "requests_per_day": 86_400.0,
    "tokens_per_day": 86_400.0,
}
"""The meters a provider may keep, and the seconds over which each is stated."""
CHARACTERS_PER_TOKEN = 4
"""OpenAI's own estimate of a prompt's length."""


class Want(NamedTuple):
    """What is known of a request before it is sent."""

    prompt_tokens: int
    """By estimate."""
    characters: int
    """Of its messages."""
    max_tokens: int


class Cost(NamedTuple):
    """A charge on every meter; negative parts take a charge back."""

    requests: int = 0
    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def on(self, meter: MeterName) -> int:
        """The part that a meter counts."""
        if meter == "input_tokens":
            return self.input_tokens
        if meter == "output_tokens":
            return self.output_tokens
        return self.requests if meter in ("requests", "requests_per_day") else self.tokens

    def plus(self, other: "Cost") -> "Cost":
        return Cost(*(mine + its for mine, its in zip(self, other, strict=True)))

    def minus(self, other: "Cost") -> "Cost":
        return Cost(*(mine - its for mine, its in zip(self, other, strict=True)))


def charge(rule: ChargeRule, want: Want, prompt_scale: float, mean_completion: float) -> Cost:
    """What sending this request is charged at its start.

    Args:
        prompt_scale: the provider's prompt tokens per estimated one, as its answers have shown.
        mean_completion: tokens of this teacher's answers so far; only `as_produced` looks at it: over many requests
            their mean is what is produced.
    """
    prompt = -(-want.prompt_tokens * prompt_scale // 1)
    if rule == "max_of":
        tokens = max(want.max_tokens, -(-want.characters // CHARACTERS_PER_TOKEN))
        return Cost(1, tokens, int(prompt), want.max_tokens)
    output = min(want.max_tokens, round(mean_completion)) if rule == "as_produced" else want.max_tokens
    return Cost(1, int(prompt) + output, int(prompt), output)


def refund(rule: ChargeRule, charged: Cost) -> Cost:
    """What comes back of the charge for a request that was turned away: of what is charged as it is produced, nothing
    was. An answer of another length than the mean needs no settling: the mean already follows it, and a limit that
    went unused at one time cannot be used at another."""
    return Cost(0, charged.tokens, charged.input_tokens, charged.output_tokens) if rule == "as_produced" else Cost()
