"""A worker's side: no row is lost between its queues, and nothing is sent on a word that no longer holds."""

import asyncio
from typing import Any

import pytest

from tasks.ask.exchange import Failure, Grant, Report, Stop
from tasks.ask.lease import STALE_S, AuthorityLost, Lease, Row
from tasks.ask.quota import LEASE_S
from tasks.ask.reply import Reply
from tasks.ask.spend import Amount, Reserve, SpendReport

WORST = Amount(1, 500, 0.0)


class Authorities:
    """Says what a test tells it to say, and remembers what it was told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.grant = Grant(10, 10, None)
        self.reserve: Reserve | None = None
        self.reports: list[Report] = []
        self.while_reserving: Any = None
        self.lease = Lease("w", "run-1", "teacher", self._quota, self._spend, lambda: self.now)

    async def _quota(self, report: Report) -> Grant:
        self.reports.append(report)
        return Grant(min(self.grant.requests, len(report.wants)), *list(vars(self.grant).values())[1:])

    async def _spend(self, report: SpendReport) -> Reserve:
        if self.while_reserving:
            self.while_reserving()
        return self.reserve or Reserve(len(report.wants), None)

    def queue(self, count: int) -> None:
        self.lease.waiting.extend(Row(f"key-{n}", f"p-{n}", 0, b"{}", 256, 300, WORST) for n in range(count))

    def exchange(self) -> list[Row]:
        return asyncio.run(self.lease.exchange())

    def taken(self) -> list[str]:
        found = []
        while row := self.lease.take():
            found.append(row.request_key)
        return found


def test_rows_go_out_in_order_and_one_a_slot() -> None:
    there = Authorities()
    there.queue(8)
    there.grant = Grant(5, 3, None)
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
    late = Row("late", "p", 0, b"{}", 256, 300, WORST)
    there.while_reserving = lambda: there.lease.waiting.appendleft(late)
    there.reserve = Reserve(2, None)
    there.exchange()
    assert there.taken() == ["key-0", "key-1"]
    assert [row.request_key for row in there.lease.waiting] == ["key-2", "late"]


def test_permission_that_runs_out_is_returned_with_its_tokens() -> None:
    there = Authorities()
    there.queue(4)
    there.grant = Grant(4, 1, LEASE_S)
    there.exchange()
    assert there.taken() == ["key-0"]
    there.now += LEASE_S + 0.01
    there.lease.in_flight = 0
    assert there.taken() == []
    there.exchange()
    assert (there.reports[-1].unused_requests, there.reports[-1].unused_tokens) == (3, 900)
    assert there.taken() == ["key-1"]


def test_a_limit_that_is_learned_takes_back_what_was_let_through_without_one() -> None:
    there = Authorities()
    there.queue(10)
    there.grant = Grant(10, 2, None)
    there.exchange()
    assert there.taken() == ["key-0", "key-1"]
    there.grant = Grant(0, 10, LEASE_S)
    there.exchange()
    assert there.taken() == []
    there.grant = Grant(2, 10, LEASE_S)
    there.exchange()
    assert there.taken() == ["key-2", "key-3"]
    assert there.reports[-1].unused_requests == 0, "it was never charged"


def test_nothing_is_sent_on_the_word_of_an_authority_that_has_gone_quiet() -> None:
    there = Authorities()
    there.queue(4)
    there.exchange()
    there.now += STALE_S + 0.1
    assert there.taken() == []


@pytest.mark.parametrize("grant", [Grant(9, 9, None, hold_s=5.0), Grant(9, 9, None, stop=Stop("cancelled", False))])
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
    there.lease.note_reply(Reply("rate_limited", retry_after_s=3.0), 0.1)
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
    small = Row("small", "p", 0, b"{}", 16, 40, Amount(1, 50, 0.0))
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
