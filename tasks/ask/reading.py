"""What a response that has been read comes to in the warehouse (pure): an attempt's columns, and its trace."""

from collections.abc import Mapping
from typing import Any

from tasks.ask.continuing import Prefix
from tasks.ask.outcomes import RULES
from tasks.ask.reply import Reply
from warehouse.records import TRACES, content_id


def columns_of(reply: Reply) -> dict[str, Any]:
    """The columns of an attempt that a response alone decides; dollars need the price of the day too."""
    rule, usage = RULES[reply.outcome], reply.usage
    source = None if rule.billed == "no" else ("reported" if usage else "unknown")
    known = usage if source == "reported" else None
    return {
        "state": "paid" if rule.answer else "maybe_paid" if reply.interrupted else "failed",
        "outcome": reply.outcome,
        "error": reply.error,
        "usage_source": source,
        "prompt_tokens": known.prompt if known else None,
        "completion_tokens": known.completion if known else None,
        "reasoning_tokens": known.reasoning if known else None,
        "served_model": reply.served_model,
        "system_fingerprint": reply.system_fingerprint,
        "provider_request_id": reply.request_id,
    }


def is_kept(reply: Reply) -> bool:
    """Answers, and the beginnings of answers: what was received is never thrown away."""
    return RULES[reply.outcome].answer or (reply.interrupted and bool(reply.reasoning or reply.content))


def trace_of(attempt: Mapping[str, Any], reply: Reply, prefix: Prefix | None) -> dict[str, Any]:
    """One trace; of a continuation the texts are whole already, and its length and cost are made so here."""
    return {
        **{name: attempt.get(name) for name in TRACES.names},
        "trace_id": content_id(attempt["request_key"], reply.reasoning, reply.content, reply.finish_reason),
        "reasoning": reply.reasoning,
        "reasoning_source": reply.reasoning_source,
        "answer": reply.answer,
        "content": reply.content,
        "finish_reason": reply.finish_reason,
        "text_hash": content_id(" ".join(reply.reasoning.split()), " ".join(reply.answer.split())),
        "reading": 0,
        **(_whole(attempt, prefix) if prefix else {}),
    }


def _whole(attempt: Mapping[str, Any], prefix: Prefix) -> dict[str, Any]:
    before = {
        "completion_tokens": prefix.tokens,
        "reasoning_tokens": prefix.reasoning_tokens,
        "cost_usd": prefix.cost_usd,
    }
    return {
        name: None if tokens is None or attempt[name] is None else tokens + attempt[name]
        for name, tokens in before.items()
    }
