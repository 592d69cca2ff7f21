"""Going on with an answer that was cut off: its beginning is sent along, and the rest joined to it (pure).

Asking anew for what was cut off draws a fresh answer, which is shorter on average: the data then lacks its longest
traces. A server that continues from a beginning leaves the lengths as they are.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import orjson

Continues = Literal["continue_final_message", "prefix"]
"""How a server is told to go on with the last message, which is the assistant's. continue_final_message: vLLM and
SGLang, the fields `add_generation_prompt: false, continue_final_message: true`. prefix: DeepSeek's beta and Mistral,
`prefix: true` in the message (api-docs.deepseek.com/guides/chat_prefix_completion, 2026-11-21)."""

OPEN, CLOSE = "<think>", "</think>"
MESSAGE_BYTES = 16
"""More than a template writes around one message, for the bound of its tokens."""


@dataclass(frozen=True)
class Prefix:
    """What there is of an answer that was cut off."""

    attempt_id: str
    """Of the attempt that brought it."""
    reasoning: str
    content: str
    """As the server gave it."""
    is_field: bool
    """The reasoning came in a field of its own, and is no part of the content."""
    tokens: int
    """Of completion, so far."""
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    """So far."""

    @property
    def is_thinking(self) -> bool:
        """It was cut off before its answer began, as far as one can see."""
        if self.is_field:
            return not self.content.strip()
        return self.content.lstrip().startswith(OPEN) and CLOSE not in self.content

    @property
    def text(self) -> str:
        """As the model wrote it."""
        if not self.is_field:  # where the template opens the thought, the answer has its end alone
            opened = OPEN not in self.content and CLOSE in self.content
            return f"{OPEN}\n{self.content}" if opened else self.content
        thought = f"{OPEN}\n{self.reasoning}"
        return thought if self.is_thinking else f"{thought}\n{CLOSE}\n\n{self.content}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def can_continue(prefix: Prefix, how: Continues | None) -> bool:
    """Whether this server can be asked to go on with it: there is something to go on with, and, where only the
    answer can be sent along, the answer has begun."""
    if how is None or not prefix.text.strip() or (prefix.is_field and not (prefix.reasoning or prefix.content)):
        return False
    return how == "continue_final_message" or not (prefix.is_thinking or prefix.is_field)


def continued_body(body: bytes, prefix: Prefix, how: Continues, max_tokens: int, was: bool = False) -> bytes:
    """The request that goes on with an answer.

    Args: max_tokens: of the whole answer; what there is of it is taken off. was: the body goes on with an earlier
    beginning already, which this one replaces.
    """
    request = orjson.loads(whole_body(body, max_tokens) if was else body)
    last = {"role": "assistant", "content": prefix.text}
    if how == "prefix":
        request["messages"].append({**last, "prefix": True})
    else:
        request["messages"].append(last)
        request |= {"add_generation_prompt": False, "continue_final_message": True}
    request["max_tokens"] = max(1, max_tokens - prefix.tokens)
    return orjson.dumps(request, option=orjson.OPT_SORT_KEYS)


def whole_body(body: bytes, max_tokens: int) -> bytes:
    """The request for a whole answer, of one that went on with a beginning."""
    request = orjson.loads(body)
    flags = ("add_generation_prompt", "continue_final_message")
    request = {name: value for name, value in request.items() if name not in flags}
    return orjson.dumps(
        {**request, "messages": request["messages"][:-1], "max_tokens": max_tokens}, option=orjson.OPT_SORT_KEYS
    )


def capped_body(body: bytes, max_tokens: int) -> bytes:
    """The same request with another cap."""
    return orjson.dumps({**orjson.loads(body), "max_tokens": max_tokens}, option=orjson.OPT_SORT_KEYS)


def joined(
    prefix: Prefix, message: Mapping[str, Any], reasoning: str, content: str, is_cut: bool = False
) -> dict[str, Any]:
    """The message of the whole answer.

    Args: message: what the server said to the continuation, `reasoning` and `content` as it was in there, blanks
    kept. Parsers of reasoning look at the continuation alone: where the answer had begun, all of it is the answer; in
    mid-thought, text without the end of the thought is still the thought if it was cut off again (`is_cut`).
    """
    if not prefix.is_field:
        return {**message, **_no_reasoning(), "content": prefix.content + reasoning + content}
    if not prefix.is_thinking:
        return _split(message, prefix.reasoning, prefix.content + reasoning + content)
    if not reasoning and (CLOSE in content or is_cut):
        reasoning, _, content = content.partition(CLOSE)
    return _split(message, prefix.reasoning + reasoning, content)


def prefix_tokens_bound(prefix: Prefix) -> int:
    """A number of prompt tokens that its beginning will not exceed: a token is at least one byte."""
    return len(prefix.text.encode()) + MESSAGE_BYTES


def _split(message: Mapping[str, Any], reasoning: str, content: str) -> dict[str, Any]:
    return {**message, **_no_reasoning(), "reasoning": reasoning, "content": content}


def _no_reasoning() -> dict[str, None]:
    return dict.fromkeys(("reasoning", "reasoning_content", "reasoning_details"))
