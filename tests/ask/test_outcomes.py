"""The table of outcomes is closed, and says what follows."""

import random
from typing import get_args

import pytest

from tasks.ask.outcomes import ANSWERS, RETRY_CAP_S, RULES, asked_again, backoff, outcome_of_status, tried_again
from warehouse.records import Outcome


def test_every_outcome_has_one_rule_and_there_are_no_others() -> None:
    assert set(RULES) == set(get_args(Outcome))


def test_an_answer_is_never_bought_again_unless_it_was_cut_off_at_a_lower_cap() -> None:
    for outcome in ANSWERS:
        assert not tried_again(outcome, 1)
        assert not asked_again(outcome, 256, 256)
        assert asked_again(outcome, 256, 512) == (outcome == "truncated")
        assert not asked_again(outcome, 256, 128)


@pytest.mark.parametrize("outcome", ["timeout", "connection", "malformed"])
def test_what_may_have_been_billed_is_left_to_a_later_plan(outcome: Outcome) -> None:
    assert not tried_again(outcome, 1)
    assert asked_again(outcome, 256, 256)


def test_a_bad_request_is_not_retried_as_if_it_were_an_overload() -> None:
    assert outcome_of_status(400) == outcome_of_status(422) == outcome_of_status(404) == "rejected"
    assert not tried_again("rejected", 1)
    assert not asked_again("rejected", 256, 256)
    assert asked_again("rejected", 4096, 256)


def test_a_429_waits_as_often_as_it_must_and_an_overload_a_few_times() -> None:
    assert tried_again("rate_limited", 10_000)
    tries = RULES["overloaded"].tries
    assert tries is not None
    assert tried_again("overloaded", tries - 1) and not tried_again("overloaded", tries)


def test_in_a_storm_an_overload_uses_up_no_tries() -> None:
    assert tried_again("overloaded", 10_000, storm=True)


def test_a_429_that_says_the_money_is_gone_ends_the_run() -> None:
    assert outcome_of_status(429, "insufficient_quota") == "unauthorised"
    assert outcome_of_status(429, "rate_limit_exceeded tokens") == "rate_limited"
    assert RULES["unauthorised"].stops


def test_backoff_is_full_jitter_under_a_growing_cap() -> None:
    rng = random.Random(1)
    for tries in range(40):
        waits = [backoff(tries, rng) for _ in range(200)]
        cap = min(RETRY_CAP_S, 0.5 * 2.0 ** min(tries, 16))
        assert 0.0 <= min(waits) < cap / 10 and cap * 0.9 < max(waits) <= cap
