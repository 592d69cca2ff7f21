"""Asking for more of an answer that was cut off below the recipe's cap (pure)."""

from dataclasses import replace
from typing import TypeVar

from tasks.ask.charge import Want
from tasks.ask.continuing import (
    Continues,
    Prefix,
    can_continue,
    capped_body,
    continued_body,
    prefix_tokens_bound,
    whole_body,
)
from tasks.ask.lengths import next_cap
from tasks.ask.reply import Reply
from tasks.ask.rows import Row, worst_of
from tasks.ask.spend import Rates

N = TypeVar("N", int, float)


def ask_longer(
    row: Row, reply: Reply, attempt_id: str, cost_usd: float | None, how: Continues | None, rates: Rates | None
) -> Row | None:
    """The row to ask next after a reply; None if the reply is the row's last.

    An answer that was cut off below the recipe's cap is asked for with the next higher one: from where it was cut off
    where the server can go on, else anew. A continuation that the server will not have is asked for anew too.

    Args: attempt_id: of the reply. cost_usd: of that attempt.
    """
    if is_last(row, reply):
        return None
    if reply.outcome == "rejected":
        return _asked(row, row.max_tokens, None, how, rates)
    prefix = prefix_of(row, reply, attempt_id, cost_usd)
    return _asked(
        row, next_cap(row.max_tokens, row.most_tokens), prefix if can_continue(prefix, how) else None, how, rates
    )


def is_last(row: Row, reply: Reply) -> bool:
    """Whether nothing more is asked for after this reply."""
    if reply.outcome == "rejected":
        return row.prefix is None
    return reply.outcome != "truncated" or row.max_tokens >= row.most_tokens


def prefix_of(row: Row, reply: Reply, attempt_id: str, cost_usd: float | None) -> Prefix:
    """What a reply, whose texts are the whole answer's, leaves to go on with; without usage it is taken to have
    reached its cap."""
    usage, before = reply.usage, row.prefix
    thought = usage.reasoning if usage else None
    return Prefix(
        attempt_id=attempt_id,
        reasoning=reply.reasoning,
        content=reply.content,
        is_field=reply.reasoning_source == "field",
        tokens=(before.tokens if before else 0) + usage.completion if usage else row.max_tokens,
        reasoning_tokens=_plus(before.reasoning_tokens, thought) if before else thought,
        cost_usd=_plus(before.cost_usd, cost_usd) if before else cost_usd,
    )


def _asked(row: Row, cap: int, prefix: Prefix | None, how: Continues | None, rates: Rates | None) -> Row:
    before, want = row.prefix, row.want
    prompt, characters = want.prompt_tokens, want.characters
    bound = row.worst.tokens - want.max_tokens
    if before is not None:
        prompt, characters = prompt - before.tokens, characters - len(before.text)
        bound -= prefix_tokens_bound(before)
    if prefix is not None and how is not None:
        body, sent = continued_body(row.body, prefix, how, cap, was=before is not None), max(1, cap - prefix.tokens)
        prompt, characters = prompt + prefix.tokens, characters + len(prefix.text)
        bound += prefix_tokens_bound(prefix)
    else:
        body, sent = whole_body(row.body, cap) if before else capped_body(row.body, cap), cap
    return replace(
        row,
        body=body,
        max_tokens=cap,
        want=Want(prompt, characters, sent),
        worst=worst_of(bound, sent, rates),
        tries=0,
        resampled=row.resampled or prefix is None,
        prefix=prefix,
    )


def _plus(one: N | None, other: N | None) -> N | None:
    return None if one is None or other is None else one + other
