"""Charges over time, asked for any span and any window, against the slow and plain way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.simulated_teacher.budget import Budget
from infra.simulated_teacher.limits import Limits, Refusal
from infra.simulated_teacher.question import parse_question
from infra.simulated_teacher.referee import Referee
from infra.simulated_teacher.switches import Switches
from infra.simulated_teacher.timeline import DELIVERED, Charges

JUMPS = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 50)), max_size=40)
RAMPS = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 100), st.integers(1, 50)), max_size=10)
SPANS = st.tuples(st.integers(0, 400), st.integers(1, 400))


def plain_sum(parts: list[tuple[float, float, float]], start: float, end: float) -> float:
    total = 0.0
    for begun, ended, units in parts:
        if begun == ended:
            total += units if start < begun <= end else 0
        else:
            total += units * max(0.0, min(end, ended) - max(start, begun)) / (ended - begun)
    return total


@given(jumps=JUMPS, ramps=RAMPS, span=SPANS)
@settings(max_examples=300, deadline=None)
def test_a_span_holds_what_was_charged_in_it(
    jumps: list[tuple[int, int]], ramps: list[tuple[int, int, int]], span: tuple[int, int]
) -> None:
    parts = [(at / 4, at / 4, float(units)) for at, units in jumps]
    parts += [(at / 4, (at + length) / 4, float(units)) for at, length, units in ramps]
    start, end = span[0] / 4, (span[0] + span[1]) / 4
    assert Charges(parts).within(start, end) == pytest.approx(plain_sum(parts, start, end), abs=1e-3)


@given(jumps=JUMPS, ramps=RAMPS, window=st.integers(1, 120))
@settings(max_examples=60, deadline=None)
def test_the_fullest_window_is_found(
    jumps: list[tuple[int, int]], ramps: list[tuple[int, int, int]], window: int
) -> None:
    parts = [(at / 4, at / 4, float(units)) for at, units in jumps]
    parts += [(at / 4, (at + length) / 4, float(units)) for at, length, units in ramps]
    # Everything is in quarters, and a window holds most where one of its ends meets something: either end left out.
    ends = [number / 4 for number in range(640)]
    shifts = (0.0, -1e-5)
    plainly = max(plain_sum(parts, end - window / 4 + shift, end + shift) for end in ends for shift in shifts)
    assert Charges(parts).most(window / 4, 0.0, 200.0) == pytest.approx(plainly, abs=1e-3)


def test_two_requests_a_whole_window_apart_are_not_in_one() -> None:
    tenths = Charges((number * 0.1, number * 0.1, 1.0) for number in range(2000))
    assert tenths.most(60.0, 0.0, 200.0) == 600


class Account:
    """A referee and limits that are driven by hand."""

    def __init__(self, switches: Switches) -> None:
        self.limits, self.referee, self.number, self.now = Limits(switches, 0.0), Referee(), 0, 0.0

    def ask(self, now: float, tokens: int = 1, takes: float = 0.0) -> Refusal | None:
        """One request; its answer, where there is one, is produced evenly until now + takes."""
        self.now, self.number = now, self.number + 1
        body = b'{"model": "m", "messages": [{"role": "user", "content": "%d"}]}' % self.number
        seen = self.referee.received(parse_question(body, ""), now)
        refusal = self.limits.admit(tokens, now, 10)
        if refusal:
            self.referee.refuse(refusal, now)
            return refusal
        self.referee.admit(seen, self.number, tokens, 10, self.limits.in_flight, now)
        if not takes:
            self.end(self.number, now)
        return None

    def end(self, number: int, now: float) -> None:
        self.now = now
        self.limits.release(0, now)
        self.referee.end(number, now, 0, 5, DELIVERED)

    def change(self, now: float, switches: Switches, **values: object) -> None:
        self.limits.change(switches.changed(values), now, frozenset(values))
        self.referee.changed(values, switches, self.limits.in_flight, now)

    def figures(self, start: float, end: float, at: float | None = None) -> dict[str, object]:
        budget = Budget(self.referee.timeline, self.limits, max(self.now, end))
        return budget.report(start, end, (), at)


def test_a_patient_client_uses_the_whole_budget_and_none_is_idle() -> None:
    account = Account(Switches(rpm=600, tpm=600_000, burst_seconds=2.0))
    for number in range(1200):
        account.ask(number * 0.1, tokens=100)
    found = account.figures(10.0, 110.0)
    assert found["binding"] == "requests" and found["used"] == pytest.approx(1.0)
    assert found["idle_s"] == pytest.approx(0.0, abs=1e-3)
    tokens = found["dimensions"]["tokens"]  # type: ignore[index]
    assert tokens["used"] == pytest.approx(0.1) and tokens["idle"] == pytest.approx(900_000, rel=0.01)


def test_a_pause_longer_than_the_quantum_is_idle_budget() -> None:
    account = Account(Switches(rpm=600, burst_seconds=2.0))
    for number in range(300):
        account.ask(number * 0.1 + (10.0 if number >= 100 else 0.0))
    found = account.figures(5.0, 35.0)
    # 10 s of pause; the bucket was full when it began, so that all of it ran over.
    assert found["idle_s"] == pytest.approx(10.0, abs=0.2)
    assert found["used"] == pytest.approx(20 / 30, abs=0.01)


def test_charged_and_idle_make_up_what_was_allowed() -> None:
    account = Account(Switches(tpm=60_000, burst_seconds=1.0, tenant_share=0.25))
    for number in range(200):
        account.ask(number * 0.37, tokens=200 if number % 3 else 700)
    found = account.figures(0.0, 70.0)
    tokens = found["dimensions"]["tokens"]  # type: ignore[index]
    assert tokens["allowed"] == pytest.approx(0.75 * 70_000)
    meter = account.limits.meters["tokens"]
    assert tokens["charged"] + tokens["idle"] == pytest.approx(tokens["allowed"] + 1000 - meter.level, rel=0.02)


def test_slots_are_used_while_a_request_is_in_flight() -> None:
    account = Account(Switches(concurrency=4))
    account.ask(0.0, takes=9.0)
    account.ask(0.0, takes=9.0)
    account.end(1, 5.0)
    found = account.figures(0.0, 10.0)
    # Five seconds of one, and ten of the one that is not over yet, of four times ten.
    assert found["binding"] == "concurrency" and found["used"] == pytest.approx(15 / 40)
    assert found["answered"] == found["delivered"] == 1 and found["output_tokens"] == 5


def test_refusals_are_counted_before_and_after_a_time() -> None:
    account = Account(Switches(rpm=60, burst_seconds=1.0, refused_cost=0.0))
    for now in (0.0, 0.1, 0.2, 5.0, 5.1):
        account.ask(now)
    found = account.figures(0.0, 10.0, at=1.0)
    assert (found["refused_before"], found["refused_after"]) == (2, 1)
    assert found["refused_429"] == {"requests": 3} and found["refused_503"] == {}
    assert account.figures(1.0, 10.0)["refused_429"] == {"requests": 1}


def changes(account: Account, end: float) -> dict[str, object]:
    (change,) = account.figures(0.0, end)["changes"]  # type: ignore[misc]
    return dict(change)


def test_a_halved_limit_excuses_what_came_before_the_first_response() -> None:
    switches = Switches(rpm=600, burst_seconds=1.0, refused_cost=0.0)
    account = Account(switches)
    for number in range(300):
        account.ask(number * 0.1)
    account.change(30.0, switches, rpm=60.0)
    for now in (30.05, 30.1, 30.15, 30.2, 31.5, 31.6, 33.0):
        account.ask(now)
    change = changes(account, 40.0)
    assert change["at"] == 30.0 and change["switches"] == {"rpm": [600.0, 60.0]}
    assert change["first_request"] == change["first_response"] == pytest.approx(0.05)
    assert (change["refused"], change["refused_untold"], change["refused_told"]) == (4, 3, 1)
    assert change["last_refused"] == pytest.approx(1.6)


def test_a_doubled_limit_is_used_from_when_the_client_is_faster() -> None:
    switches = Switches(rpm=600, burst_seconds=2.0)
    account = Account(switches)
    for number in range(300):
        account.ask(number * 0.1)
    account.change(30.0, switches, limit_factor=2.0)
    for number in range(30):
        account.ask(30.0 + number * 0.1)
    assert changes(account, 32.0)["used_after"] is None
    for number in range(200):
        account.ask(33.0 + number * 0.05)
    used_after = changes(account, 43.0)["used_after"]
    assert used_after == pytest.approx(2.5, abs=0.3), "three slow seconds, less what 5 s may lack"


@pytest.mark.parametrize("kind", ["resets_after", "hung_up"])
def test_a_break_names_all_that_was_in_flight(kind: str) -> None:
    account = Account(Switches())
    account.ask(0.0, takes=1.0)
    account.ask(0.1, takes=1.0)
    first, second = account.referee.questions.values()
    account.referee.broke(kind, 2, second, 0.5)
    (broken,) = account.referee.timeline.breaks
    assert (broken.kind, broken.question) == (kind, second.question)
    assert broken.in_flight == (second.question, first.question)
