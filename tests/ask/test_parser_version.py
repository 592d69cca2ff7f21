"""What each version of the parser makes of the same bodies: a changed reading without a new version is a red test."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import orjson

from tasks.ask.reply import PARSER, read_reply

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3}}
READINGS = {1: "d86fc7c4223e3787193a88ece929968965f09c2a5ff7a375c0b9820cf1a78bdc"}
"""By version: the digest of `made`. A reading that changes gets the next number here and in `tasks/ask/reply.py`."""


def _choice(finish: str | None = "stop", usage: Any = USAGE, **message: Any) -> dict[str, Any]:
    return {"model": "m", "id": "r", "choices": [{"message": message, "finish_reason": finish}], "usage": usage}


FIELDS = ("reasoning", "reasoning_content", "thinking", "thought")
TEXTS = ("<think>2+2</think>4", "2+2</think>4", "<thinking>2+2</thinking>4", "", "4")
FINISHES = ("length", "max_tokens", "content_filter", "error", None, "safety")
BODIES: tuple[tuple[int, Any], ...] = (
    *((200, _choice(content="4", **{name: "2+2"})) for name in FIELDS),
    (200, _choice(content="4", reasoning_details=[{"text": "2+"}, {"text": "2"}])),
    *((200, _choice(content=text)) for text in TEXTS),
    (200, _choice(content=[{"type": "text", "text": "4"}])),
    *((200, _choice(finish, content="4")) for finish in FINISHES),
    (200, _choice(content=None, refusal="no")),
    (200, _choice(content="I cannot help with that.")),
    *((200, _choice(content="4", usage=usage)) for usage in (None, {}, {"input_tokens": 9, "output_tokens": 5})),
    (200, {"error": {"code": 502, "message": "upstream"}}),
    *((200, body) for body in ({}, [], "text", {"choices": []})),
    *((status, {"error": {"code": "content_filter", "type": "requests", "message": "x"}})
      for status in (400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503, 529)),
)  # fmt: skip


def made() -> str:
    """What is stored of each reading, for several providers."""
    digest = hashlib.sha256()
    for provider in ("unknown", "openai", "azure", "openrouter"):
        for status, body in BODIES:
            r = read_reply(status, {}, orjson.dumps(body), AT, provider)
            stored = (r.outcome, r.reasoning, r.reasoning_source, r.answer, r.content, r.finish_reason)
            usage = (r.usage.prompt, r.usage.completion, r.usage.reasoning) if r.usage else None
            digest.update(repr((*stored, usage, r.served_model, r.system_fingerprint, r.interrupted)).encode())
    return digest.hexdigest()


def test_a_changed_reading_has_a_new_version() -> None:
    found = made()
    assert READINGS[PARSER] == found, (
        f"stored responses are now read otherwise: raise PARSER in tasks/ask/reply.py to {PARSER + 1}, and add "
        f'{PARSER + 1}: "{found}" here'
    )


def test_every_version_has_read_otherwise_than_the_others() -> None:
    assert list(READINGS) == list(range(1, PARSER + 1))
    assert len(set(READINGS.values())) == PARSER
