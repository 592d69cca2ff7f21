"""What can become of a request (pure): the closed set of outcomes as one table, and what follows from each.

The table is the only place that says what is tried again, how, how often, what is billed and what is an
answer. A new kind of failure is a new row here or it does not exist.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from warehouse.records import Outcome

Billed = Literal["usage", "worst", "no"]
Again = Literal["never", "higher_cap", "other_cap", "next_plan"]
Wait = Literal["none", "hold", "jitter"]

RETRY_BASE_S = 0.5
RETRY_CAP_S = 30.0


@dataclass(frozen=True)
class Rule:
    """How one outcome is treated."""

    answer: bool
    """There is a trace, and the sample is answered."""
    billed: Billed
    """What it is taken to cost: what the server reported (the worst case if it reported nothing), the worst,
    or nothing."""
    tries: int | None
    """Requests of one sample that may end so within its batch; None: as many as the teacher's patience
    lasts."""
    wait: Wait
    """Before the next of those: `hold` as long as the pool says, at the head of the queue; `jitter`: back
    off alone."""
    again: Again
    """Whether a later plan asks again: if `max_tokens` is then higher, if it is another, or simply."""
    counts: bool = True
    """The teacher counts it against the limit on requests."""
    stops: bool = False
    """One of it ends the run: no other request would fare better."""


RULES: Mapping[Outcome, Rule] = {
    "ok": Rule(answer=True, billed="usage", tries=1, wait="none", again="never"),
    "truncated": Rule(answer=True, billed="usage", tries=1, wait="none", again="higher_cap"),
    "refused": Rule(answer=True, billed="usage", tries=1, wait="none", again="never"),
    "empty": Rule(answer=True, billed="usage", tries=1, wait="none", again="never"),
    # A 200 that cannot be read was produced, so it was billed: buying it twice in a row would double every
    # such bill.
    "malformed": Rule(answer=False, billed="usage", tries=1, wait="none", again="next_plan"),
    # Providers count refused requests too so each is a charge on the rate.
    "rate_limited": Rule(answer=False, billed="no", tries=None, wait="hold", again="next_plan"),
    "overloaded": Rule(answer=False, billed="no", tries=6, wait="jitter", again="next_plan"),
    # No provider has idempotency on chat completions: a blind retry of what may have been produced is a
    # second bill.
    "timeout": Rule(answer=False, billed="worst", tries=1, wait="none", again="next_plan"),
    # After sending, as a timeout. A connection that was never made (`Loss.sent` false) costs nothing and is
    # tried again.
    "connection": Rule(answer=False, billed="worst", tries=1, wait="none", again="next_plan"),
    "rejected": Rule(answer=False, billed="no", tries=1, wait="none", again="other_cap"),
    "over_budget": Rule(answer=False, billed="no", tries=0, wait="none", again="next_plan", counts=False),
    "unauthorised": Rule(answer=False, billed="no", tries=1, wait="none", again="next_plan", stops=True),
}  # fmt: skip

ANSWERS: tuple[Outcome, ...] = tuple(outcome for outcome, rule in RULES.items() if rule.answer)

UNSENT = Rule(answer=False, billed="no", tries=None, wait="jitter", again="next_plan", counts=False)
"""A connection that failed before anything was sent: tried again for as long as the pool has patience."""

_FATAL_429 = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "credit",
    "exceeded_current_quota",  # Moonshot
    "payment_required",
)
_AGAIN_4XX = (408, 409, 425, 499)  # the server, or a proxy (499), gave up waiting, or says that a moment later may do


def outcome_of_status(status: int, error_code: str | None = None) -> Outcome:
    """The outcome of a response that is not a success, from its status and its `error.code` or `error.type`.

    429 is the account's own limit; 503, 529 and other 5xx are the teacher's trouble; 402 and a 429 that says
    that the money is gone end the run, because waiting does not help.
    """
    if status in (401, 402, 403):
        return "unauthorised"
    if status == 429:
        spent = any(word in (error_code or "").lower() for word in _FATAL_429)
        return "unauthorised" if spent else "rate_limited"
    if status >= 500 or status in _AGAIN_4XX:
        return "overloaded"
    return "rejected"


def tried_again(outcome: Outcome, tries: int, storm: bool = False) -> bool:
    """Whether a sample whose `tries`-th request ended so is asked again within its batch.

    In a storm, while the teacher answers nobody, an overloaded reply says nothing about this sample, so it
    does not use up its tries: the run slows down instead of running out of rows.
    """
    rule = RULES[outcome]
    if outcome == "overloaded" and storm:
        return True
    return not rule.answer and not rule.stops and (rule.tries is None or tries < rule.tries)


def backoff(tries: int, rng: random.Random) -> float:
    """Seconds to wait before the next try: full jitter, U(0, min(cap, base 2^n)), as AWS found best
    (2015)."""
    return rng.uniform(0.0, min(RETRY_CAP_S, RETRY_BASE_S * 2.0 ** min(tries, 16)))


def asked_again(outcome: Outcome, max_tokens_then: int, max_tokens_now: int) -> bool:
    """Whether a later plan asks again for a sample whose best attempt so far ended so."""
    again = RULES[outcome].again
    if again == "higher_cap":
        return max_tokens_now > max_tokens_then
    if again == "other_cap":
        return max_tokens_now != max_tokens_then
    return again == "next_plan"
