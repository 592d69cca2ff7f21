"""Each provider's policy, as its preset: the rule holds over any window, and headers and errors are the provider's."""

import math

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.simulated_teacher.headers import limit_headers
from infra.simulated_teacher.limits import Limits, Refusal, charge
from infra.simulated_teacher.refusals import out_of_credit, refused, server_error
from infra.simulated_teacher.switches import Switches, preset

Admitted = list[tuple[float, float]]
# A request: seconds since the last, prompt tokens, max_tokens, how many tokens it will really produce.
TRAFFIC = st.lists(
    st.tuples(st.floats(0, 8), st.integers(5, 300), st.integers(16, 1500), st.integers(1, 400)), min_size=1, max_size=80
)
WINDOWS = (1.0, 2.0, 10.0, 60.0, 75.0)


def drive(name: str, traffic: list[tuple[float, int, int, int]]) -> dict[str, Admitted]:
    """What a preset lets in, by dimension; answers take two seconds."""
    switches = preset(name)
    limits, now, over = Limits(switches, 0.0), 0.0, list[tuple[float, int]]()
    found: dict[str, Admitted] = {"requests": [], "tokens": [], "input_tokens": [], "in_flight": []}
    for gap, prompt, cap, produced in traffic:
        now += gap
        while over and over[0][0] <= now:
            at, late = over.pop(0)
            limits.release(late, at)
            if switches.charge == "actual":
                found["tokens"].append((at, late))
        tokens = charge(switches.charge, prompt, prompt * 4, cap)
        if limits.admit(tokens, now, prompt) is None:
            over.append((now + 2.0, produced if switches.charge == "actual" else 0))
            for dimension, amount in (("requests", 1), ("tokens", tokens), ("input_tokens", prompt)):
                found[dimension].append((now, amount))
    return found


def worst_excess(admitted: Admitted, rate: float, burst: float) -> float:
    """How far any window passes rate x length + burst."""
    admitted = sorted(admitted)
    sums = [
        sum(amount for at, amount in admitted if end - seconds < at <= end) - rate * seconds - burst
        for seconds in WINDOWS
        for end, _ in admitted
    ]
    return max(sums, default=0.0)


# Per preset and dimension: units a second, and units in a full bucket.
RULES = {
    "groq": {"requests": (30 / 60, 30), "tokens": (100, 6000)},
    "cerebras": {"requests": (30 / 60, 5), "tokens": (1000, 10_000)},
    "dynamic": {"tokens": (1000, 1000)},
    "anthropic-like": {"requests": (50 / 60, 1)},
}


@pytest.mark.parametrize("name", RULES)
@given(traffic=TRAFFIC)
@settings(max_examples=40, deadline=None)
def test_no_window_passes_the_rate_and_one_full_bucket(name: str, traffic: list[tuple[float, int, int, int]]) -> None:
    if name == "dynamic":
        # A client that never succeeds faster than its first limit never grows it.
        traffic = [(max(gap, 2.0), prompt, cap, produced) for gap, prompt, cap, produced in traffic]
    found = drive(name, traffic)
    for dimension, (rate, full) in RULES[name].items():
        # What was produced is charged when it is over, whatever is left: that much more may be in flight.
        late = 3 * 400 if preset(name).charge == "actual" and dimension == "tokens" else 0
        assert worst_excess(found[dimension], rate, full + late) <= 1e-6


@given(traffic=TRAFFIC)
@settings(max_examples=60, deadline=None)
def test_openai_admits_no_more_than_the_rate_and_one_quantum(traffic: list[tuple[float, int, int, int]]) -> None:
    found = drive("openai", traffic)
    assert worst_excess(found["requests"], 500 / 60, 500 / 60 * 2) <= 1e-6
    # One request larger than two seconds' tokens needs them all and leaves a debt.
    assert worst_excess(found["tokens"], 500, max(1000, *(tokens for _, _, tokens, _ in traffic), 1000)) <= 1e-6


@given(traffic=TRAFFIC)
@settings(max_examples=60, deadline=None)
def test_azure_counts_tokens_in_minutes_and_requests_in_ten_seconds(traffic: list[tuple[float, int, int, int]]) -> None:
    found = drive("azure", [(gap / 8, prompt, cap, produced) for gap, prompt, cap, produced in traffic])
    for dimension, length, allowed in (("tokens", 60, 60_000), ("requests", 10, 60)):
        held: dict[int, float] = {}
        for at, amount in found[dimension]:
            held[math.floor(at / length)] = held.get(math.floor(at / length), 0) + amount
        assert max(held.values()) <= allowed


def test_azure_forgets_at_the_turn_of_the_minute_and_not_before() -> None:
    limits = Limits(preset("azure"), 0.0)
    assert [limits.admit(20_000, at) is None for at in (0.0, 1.0, 2.0, 3.0, 59.9)] == [True, True, True, False, False]
    refusal = limits.admit(20_000, 50.0 + 9.95)
    assert refusal is not None and refusal.wait == pytest.approx(0.05, abs=1e-6)
    assert [limits.admit(20_000, at) is None for at in (60.0, 60.1, 60.2, 60.3)] == [True, True, True, False]


@given(traffic=TRAFFIC)
@settings(max_examples=60, deadline=None)
def test_anthropic_meters_input_and_output_apart(traffic: list[tuple[float, int, int, int]]) -> None:
    found = drive("anthropic", traffic)
    assert worst_excess(found["requests"], 50 / 60, 1.0) <= 1e-6, "one at once, then one each 1.2 s"
    assert worst_excess(found["input_tokens"], 500, 500) <= 1e-6


def test_anthropic_lets_nobody_in_while_output_is_overdrawn_and_max_tokens_does_not_matter() -> None:
    limits = Limits(preset("anthropic").changed({"rpm": 6000.0}), 0.0)
    (meter,) = limits.produce(60.0, 0.0)
    assert limits.admit(10, 0.0, prompt_tokens=10) is None
    limits.produce(600.0, 0.0)
    assert limits.admit(10, 0.1, prompt_tokens=10) is None
    over = limits.admit(10, 1.0, prompt_tokens=10)
    assert over is not None and over.kind == "output_tokens"
    meter.produce(-660.0, 1.0)
    assert limits.admit(10, 1.0 + over.wait, prompt_tokens=10) is None
    assert charge("actual", prompt_tokens=10, characters=40, cap=100_000) == 10


def test_a_refused_request_costs_where_the_provider_says_so_and_only_there() -> None:
    for name, cost in (("openai", 1.0), ("anthropic", 0.0)):
        limits = Limits(preset(name).changed({"rpm": 60.0, "burst_seconds": 1.0}), 0.0)
        assert limits.admit(10, 0.0, 10) is None
        before = limits.meters["requests"].level
        assert limits.admit(10, 0.0, 10) is not None
        assert before - limits.meters["requests"].level == cost


def succeed(limits: Limits, a_second: float, start: float, seconds: float) -> tuple[int, list[Refusal]]:
    """A steady client whose requests take no time."""
    refusals, admitted = [], 0
    for number in range(int(a_second * seconds)):
        now = start + number / a_second
        refusal = limits.admit(10, now, 10)
        if refusal:
            refusals.append(refusal)
        else:
            limits.release(10, now)
            admitted += 1
    return admitted, refusals


def test_a_dynamic_limit_grows_with_success_refuses_a_ramp_and_says_503_at_capacity() -> None:
    limits = Limits(preset("dynamic").changed({"tpm": 0.0, "capacity_rpm": 240.0}), 0.0)
    _, steep = succeed(limits, 4.0, 0.0, 5.0)
    assert steep and {one.kind for one in steep} == {"requests"}, "60 a minute is the first limit"
    _, gentle = succeed(limits, 0.95, 5.0, 180.0)
    assert not gentle
    assert limits.allowed["requests"] == pytest.approx(2 * 0.95 * 60, rel=0.1), "twice the successes of a minute"
    _, doubled = succeed(limits, 1.6, 185.0, 60.0)
    assert not doubled
    _, grown = succeed(limits, 2.6, 245.0, 120.0)
    assert not grown
    admitted, over = succeed(limits, 5.0, 365.0, 120.0)
    assert {(one.kind, one.status) for one in over} == {("capacity", 503)}
    assert admitted == pytest.approx(480, abs=8)


def test_success_that_ends_takes_the_limit_down_again() -> None:
    limits = Limits(preset("dynamic"), 0.0)
    succeed(limits, 0.9, 0.0, 120.0)
    high = limits.allowed["requests"]
    limits.settle(600.0)
    assert high > 90 and limits.allowed["requests"] == 60


def test_groq_counts_requests_by_the_day_in_its_headers() -> None:
    limits = Limits(preset("groq"), 0.0)
    assert limits.admit(100, 0.0, 50) is None
    assert limits.admit(100, 0.0, 50) is None
    assert dict(limit_headers(limits, 0.0, 0.0)) == {
        "x-ratelimit-limit-requests": "14400",
        "x-ratelimit-remaining-requests": "14398",
        "x-ratelimit-reset-requests": "12s",
        "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "5800",
        "x-ratelimit-reset-tokens": "2s",
    }


def test_a_day_that_is_used_up_refuses_by_the_day() -> None:
    limits = Limits(Switches(rpd=2.0), 0.0)
    assert [limits.admit(1, 0.0) is None for _ in range(3)] == [True, True, False]
    refusal = limits.admit(1, 3600.0)
    assert refusal is not None and refusal.kind == "requests_day"
    assert refusal.wait == pytest.approx(43200.0 - 3600.0)


def test_cerebras_names_day_and_minute_in_its_headers() -> None:
    limits = Limits(preset("cerebras"), 0.0)
    limits.admit(1000, 0.0, 100)
    headers = dict(limit_headers(limits, 0.0, 0.0))
    assert headers["x-ratelimit-remaining-requests-day"] == "14399"
    assert headers["x-ratelimit-reset-tokens-minute"] == "1.000"


def test_anthropic_rounds_what_remains_and_writes_times() -> None:
    limits = Limits(preset("anthropic").changed({"burst_seconds": 60.0}), 0.0)
    limits.admit(1400, 0.0, 1400)
    headers = dict(limit_headers(limits, 0.0, 1_767_225_600.0))
    assert headers["anthropic-ratelimit-input-tokens-remaining"] == "29000"
    assert headers["anthropic-ratelimit-input-tokens-reset"] == "2026-01-01T00:00:03Z"
    assert headers["anthropic-ratelimit-output-tokens-limit"] == "8000"
    assert headers["anthropic-ratelimit-tokens-remaining"] == "8000", "the scarcer of the two"
    assert headers["anthropic-ratelimit-requests-remaining"] == "49"
    assert not any(name.startswith("x-ratelimit") for name in headers)


@pytest.mark.parametrize("name", ["deepseek", "vllm", "vllm-bounded", "sglang"])
def test_who_has_no_limits_a_minute_sends_no_headers(name: str) -> None:
    assert limit_headers(Limits(preset(name), 0.0), 0.0, 0.0) == ()


def test_deepseek_refuses_the_501st_in_flight() -> None:
    limits = Limits(preset("deepseek"), 0.0)
    assert all(limits.admit(1, 0.0) is None for _ in range(500))
    refusal = limits.admit(1, 0.0)
    assert refusal is not None and (refusal.kind, refusal.status) == ("concurrency", 429)


def test_a_factor_halves_every_limit_at_once() -> None:
    switches = preset("openai").changed({"concurrency": 10})
    limits = Limits(switches, 0.0)
    limits.change(switches.changed({"limit_factor": 0.5}), 1.0)
    assert (limits.allowed, limits.concurrency) == ({"requests": 250.0, "tokens": 15000.0}, 5)
    assert dict(limit_headers(limits, 1.0, 0.0))["x-ratelimit-limit-requests"] == "250"


REFUSAL = Refusal("tokens", 2.5, "over")


@pytest.mark.parametrize(
    ("changes", "headers", "error"),
    [
        ({}, {"retry-after": "3", "retry-after-ms": "2500"}, {"type": "tokens", "code": "rate_limit_exceeded"}),
        ({"headers": "azure"}, {"retry-after": "3", "retry-after-ms": "2500"}, {"type": "tokens", "code": "429"}),
        ({"headers": "groq"}, {"retry-after": "3"}, {"type": "tokens", "code": "rate_limit_exceeded"}),
        ({"headers": "anthropic"}, {"retry-after": "3"}, {"type": "rate_limit_error"}),
        ({"headers": "none"}, {}, {"type": "tokens"}),
        ({"growth": 2.0}, {"retry-after": "3"}, {"type": "dynamic_token_limited"}),
        ({"retry_after_as": "date"}, {"retry-after": "Thu, 01 Jan 2026 00:00:03 GMT"}, {"type": "tokens"}),
    ],
)
def test_a_429_says_it_as_the_provider_does(
    changes: dict[str, object], headers: dict[str, str], error: dict[str, str]
) -> None:
    response = refused(REFUSAL, Switches().changed(changes), "req_1", (), 1_767_225_600.0)
    told = dict(response.headers)
    assert response.status == 429 and told.pop("x-request-id") == "req_1"
    assert headers.items() <= told.items() and (headers or not told)
    assert error.items() <= orjson.loads(response.body)["error"].items()


def test_overload_and_an_empty_account_are_neither_of_them_a_limit() -> None:
    switches = Switches().changed({"headers": "anthropic", "server_error_status": 529})
    overloaded = server_error(switches, "req_1")
    assert (overloaded.status, orjson.loads(overloaded.body)["error"]["type"]) == (529, "overloaded_error")
    for status, code in ((402, None), (429, "insufficient_quota")):
        broke = out_of_credit(Switches(credit_answers=1, credit_status=status), "req_1")
        assert (broke.status, orjson.loads(broke.body)["error"]["code"]) == (status, code)
        assert "retry-after" not in dict(broke.headers)


def test_output_is_charged_wherever_a_limit_counts_it() -> None:
    switches = Switches(tpm=60_000, otpm=6000, burst_seconds=10.0)
    for rule, tokens, output in (("actual", 9600, 600), ("sum", 10_000, 600)):
        limits = Limits(switches.changed({"charge": rule}), 0.0)
        limits.admit(0, 0.0)
        limits.release(400, 0.0)
        assert (limits.meters["tokens"].level, limits.meters["output_tokens"].level) == (tokens, output)
