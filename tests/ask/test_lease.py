"""A worker's side: no row is lost between its queues, and nothing is sent on a word that no longer holds."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tasks.ask.charge import Cost, Want
from tasks.ask.exchange import Charging, Failure, Grant, Report, Stop
from tasks.ask.headers import HeaderLimit
from tasks.ask.lease import EXCHANGE_S, LEAD_S, PATIENT, REFUSED, STALE_S, AuthorityLost, Lease
from tasks.ask.meter import LATE_S
from tasks.ask.reply import Reply, Usage
from tasks.ask.rows import Row
from tasks.ask.spend import Amount, Reserve, SpendReport

WORST = Amount(1, 500, 0.0)
COST = Cost(1, 300, 44, 256)


def granting(count: int, slots: int, metered: bool = False, due_s: float = 0.0, **more: Any) -> Grant:
    return Grant((COST,) * count, (due_s,) * count, slots, metered, **more)


class Authorities:
    """Says what a test tells it to say, and remembers what it was told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.grant = granting(10, 10)
        self.is_lost = False
        self.reserve: Reserve | None = None
        self.reports: list[Report] = []
        self.while_reserving: Any = None
        charging = Charging("as_produced")
        self.lease = Lease("w", "run-1", "teacher", self._quota, self._spend, lambda: self.now, charging)

    async def _quota(self, report: Report) -> Grant:
        if self.is_lost:
            raise AuthorityLost("killed")
        self.reports.append(report)
        count = len(report.wants)
        return replace(self.grant, charged=self.grant.charged[:count], due_s=self.grant.due_s[:count])

    async def _spend(self, report: SpendReport) -> Reserve:
        if self.while_reserving:
            self.while_reserving()
        return self.reserve or Reserve(len(report.wants), None)

    def queue(self, count: int) -> None:
        self.lease.waiting.extend(
            Row(f"key-{n}", f"p-{n}", 0, b"{}", 256, Want(44, 100, 256), WORST) for n in range(count)
        )

    def exchange(self) -> list[Row]:
        return asyncio.run(self.lease.exchange())

    def taken(self) -> list[str]:
        found = []
        while permit := self.lease.take():
            found.append(permit.row.request_key)
        return found

    def reply(self, reply: Reply, latency_s: float = 0.1) -> None:
        """The next row that may be sent is sent, and this comes back."""
        permit = self.lease.take()
        assert permit is not None
        self.lease.note_reply(permit, reply, latency_s)
        self.lease.finish(permit, Amount())


def test_rows_go_out_in_order_and_one_a_slot() -> None:
    there = Authorities()
    there.queue(8)
    there.grant = granting(5, 3)
    there.exchange()
    assert there.taken() == ["key-0", "key-1", "key-2"]
    there.lease.finish(there.lease._ready[0], Amount())
    assert there.taken() == ["key-3"]


def test_a_row_whose_money_is_being_asked_for_is_not_forgotten() -> None:
    there = Authorities()
    there.queue(3)
    seen: list[bool] = []
    there.while_reserving = lambda: seen.append(there.lease.idle)
    there.exchange()
    assert seen == [False]


def test_a_row_that_is_put_back_at_the_head_meanwhile_is_not_mistaken_for_a_funded_one() -> None:
    there = Authorities()
    there.queue(3)
    late = Row("late", "p", 0, b"{}", 256, Want(44, 100, 256), WORST)
    there.while_reserving = lambda: there.lease.waiting.appendleft(late)
    there.reserve = Reserve(2, None)
    there.exchange()
    assert there.taken() == ["key-0", "key-1"]
    assert [row.request_key for row in there.lease.waiting] == ["key-2", "late"]


def test_a_send_that_is_late_is_given_back_with_its_charge_and_keeps_its_place() -> None:
    there = Authorities()
    there.queue(4)
    there.grant = granting(4, 1, metered=True)
    there.exchange()
    assert there.taken() == ["key-0"]
    there.now += LATE_S + 0.01
    there.lease.in_flight = 0
    assert there.taken() == []
    there.exchange()
    assert there.reports[-1].back == Cost(3, 900, 132, 768)
    assert there.taken() == ["key-1"]


def test_a_row_is_not_sent_before_its_time() -> None:
    there = Authorities()
    there.queue(4)
    there.grant = granting(4, 9, metered=True, due_s=LEAD_S + 0.1)
    there.exchange()
    assert there.taken() == [] and there.lease.next_take_s() == pytest.approx(0.1)
    there.now += 0.11
    permit = there.lease.take()
    assert permit is not None and there.lease.due_in_s(permit) == pytest.approx(LEAD_S - 0.01)


def test_a_row_whose_intent_was_durable_too_late_waits_for_its_turn_again_but_not_for_ever() -> None:
    there = Authorities()
    there.queue(1)
    there.grant = granting(1, 1, metered=True)
    for _ in range(PATIENT):
        there.exchange()
        permit = there.lease.take()
        assert permit is not None and there.lease.may_send(permit)
        there.now += LATE_S + 0.1
        assert not there.lease.may_send(permit)
        there.lease.give_back(permit)
        there.now += 0.1
    there.exchange()
    permit = there.lease.take()
    there.now += LATE_S + 0.1
    assert permit is not None and there.lease.may_send(permit)


def test_a_limit_that_is_learned_takes_back_what_was_let_through_without_one() -> None:
    there = Authorities()
    there.queue(10)
    there.grant = granting(10, 2)
    there.exchange()
    assert there.taken() == ["key-0", "key-1"]
    there.grant = granting(0, 10, metered=True)
    there.exchange()
    assert there.taken() == []
    there.grant = granting(2, 10, metered=True)
    there.exchange()
    assert there.taken() == ["key-2", "key-3"]
    assert there.reports[-1].back == Cost(), "it was never charged"


def test_what_was_charged_for_a_request_that_was_turned_away_comes_back_but_for_the_request() -> None:
    there = Authorities()
    there.queue(3)
    there.exchange()
    there.reply(Reply("ok", usage=Usage(50, 100)))
    there.exchange()
    assert there.reports[-1].back == Cost(), "the mean follows the answers; what went unused is gone"
    assert (there.reports[-1].prompt_tokens, there.reports[-1].answer_tokens) == ((44, 50), 100)
    there.reply(Reply("overloaded"))
    there.exchange()
    assert there.reports[-1].back == Cost(0, 300, 44, 256)


def test_a_limit_that_fell_is_told_at_once_and_holds_this_worker_until_then() -> None:
    there = Authorities()
    there.queue(9)
    there.exchange()
    there.reply(Reply("ok", limits={"requests": HeaderLimit(600.0)}))
    assert not there.lease.is_urgent
    there.reply(Reply("ok", limits={"requests": HeaderLimit(300.0)}))
    assert there.lease.is_urgent and there.taken() == []
    there.exchange()
    assert not there.lease.is_urgent
    assert there.reports[-1].limits["requests"].limit == 300.0


def test_of_two_responses_the_one_that_was_sent_last_tells_the_limits() -> None:
    there = Authorities()
    there.queue(9)
    there.exchange()
    there.reply(Reply("ok", limits={"requests": HeaderLimit(300.0)}), latency_s=0.1)
    there.reply(Reply("ok", limits={"requests": HeaderLimit(600.0)}), latency_s=5.0)
    there.exchange()
    assert there.reports[-1].limits["requests"].limit == 300.0


def test_without_its_authority_a_worker_goes_on_at_half_its_pace_for_two_seconds_and_then_stops() -> None:
    there = Authorities()
    there.queue(60)
    there.grant = granting(4, 100, metered=True)
    there.exchange()
    there.taken()
    there.is_lost = True
    sent = []
    for _ in range(30):
        there.now += 0.2
        with pytest.raises(AuthorityLost):
            there.exchange()
        there.lease.go_on_alone()
        there.now += 0.2
        sent.append(len(there.taken()))
    assert set(sent[:4]) == {2} and set(sent[6:]) == {0}
    there.is_lost = False
    there.exchange()
    assert there.reports[-1].back.requests < 0, "what it sent by itself is owed"
    assert len(there.taken()) == 4


def test_nothing_is_sent_on_the_word_of_an_authority_that_has_gone_quiet() -> None:
    there = Authorities()
    there.queue(4)
    there.exchange()
    there.now += STALE_S + 0.1
    assert there.taken() == []


@pytest.mark.parametrize("grant", [granting(9, 9, hold_s=5.0), granting(9, 9, stop=Stop("cancelled", False))])
def test_a_hold_and_a_stop_take_effect_at_once(grant: Grant) -> None:
    there = Authorities()
    there.queue(4)
    there.grant = grant
    there.exchange()
    assert there.taken() == []


def test_a_429_holds_its_own_worker_before_the_pool_has_heard_of_it() -> None:
    there = Authorities()
    there.queue(4)
    there.exchange()
    there.reply(Reply("rate_limited", retry_after_s=3.0))
    assert there.taken() == []
    there.exchange()
    there.now += 1.5
    assert there.taken() == []


def test_an_age_keeps_growing_until_it_is_reported() -> None:
    there = Authorities()
    there.lease.note_failure(Failure("timeout", 2.0))
    there.now += 0.5
    there.exchange()
    assert there.reports[0].failures[0].age_s == 2.5


def test_rows_that_no_budget_lets_through_are_given_up_and_smaller_ones_stay() -> None:
    there = Authorities()
    there.queue(3)
    small = Row("small", "p", 0, b"{}", 16, Want(24, 100, 16), Amount(1, 50, 0.0))
    there.lease.waiting.append(small)
    there.reserve = Reserve(1, Amount(9, 100, 9.0))
    assert [row.request_key for row in there.exchange()] == ["key-1", "key-2"]
    assert list(there.lease.waiting) == [small]


def test_a_lost_spend_authority_is_noticed_by_a_worker_that_has_nothing_to_report() -> None:
    there = Authorities()
    there.queue(2)
    there.exchange()

    def lost() -> None:
        raise AuthorityLost("gone")

    there.while_reserving = lost
    there.now += 0.2
    there.exchange()
    there.now += 1.0
    with pytest.raises(AuthorityLost):
        there.exchange()


def test_a_worker_that_is_refused_connections_waits_for_the_pool_before_it_tries_all_its_rows() -> None:
    there = Authorities()
    there.queue(20)
    there.grant = granting(20, 20)
    there.exchange()
    tried = 0
    while permit := there.lease.take():
        tried += 1
        there.lease.note_failure(Failure("connection", 0.001, sent=False, error="refused"))
        there.lease.finish(permit, Amount())
    assert tried == REFUSED
    there.now += EXCHANGE_S[1]
    assert there.lease.take() is not None


def test_a_worker_that_meets_nothing_but_overloaded_replies_waits_for_the_pool_after_one_round_of_its_slots() -> None:
    overloaded = Reply("overloaded", error="503")
    there = Authorities()
    there.queue(16)
    there.grant = granting(16, 5)
    there.exchange()
    for _ in range(5):
        there.reply(overloaded)
    assert there.lease.take() is None
    there.now += EXCHANGE_S[1]
    there.reply(overloaded)
    assert there.lease.take() is None, "one more says that it is still so"
    there.now += EXCHANGE_S[1]
    there.reply(Reply("ok", usage=Usage(44, 10)))
    for _ in range(4):
        there.reply(overloaded)
    assert there.lease.take() is not None, "an answer between says that it is not"


def test_the_pool_is_asked_later_only_where_no_rate_is_limited_and_permission_outlasts_the_wait() -> None:
    there = Authorities()
    there.queue(40)
    assert not there.lease.is_calm, "nothing has been let through"
    there.grant = granting(30, 5)
    there.exchange()
    assert there.lease.is_calm
    there.taken()
    assert there.lease.is_calm, "5 went since the last exchange, 25 may still go"
    there.lease.in_flight = 0
    for _ in range(3):
        there.taken()
        there.lease.in_flight = 0
    assert not there.lease.is_calm, "20 went, 10 may still go"
    metered = Authorities()
    metered.queue(40)
    metered.grant = granting(30, 5, metered=True)
    metered.exchange()
    assert not metered.lease.is_calm
