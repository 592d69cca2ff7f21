"""Each provider's responses, in the shapes that it documents, read as what they mean."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from tasks.ask.headers import HeaderLimit, duration, exhausted, should_retry
from tasks.ask.providers import CHARGE_RULES, METERS, PROVIDERS, provider_named
from tasks.ask.reply import Usage, read_reply
from tasks.ask.spend import Rates
from warehouse.errors import BadInput

AT = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SHAPES = sorted((Path(__file__).parent / "shapes").glob("*.json"))
CASES = [(path.stem, case) for path in SHAPES for case in json.loads(path.read_text())["cases"]]


@pytest.mark.parametrize(("provider", "case"), CASES, ids=[f"{name}: {case['about']}" for name, case in CASES])
def test_a_recorded_response_reads_as_what_it_means(provider: str, case: dict[str, Any]) -> None:
    body = case.get("raw", "").encode() + orjson.dumps(case["body"])
    reply = read_reply(case["status"], case["headers"], body, AT, provider)
    expect = dict(case["expect"])
    if "limits" in expect:
        limits = {meter: HeaderLimit(**limit) for meter, limit in expect.pop("limits").items()}
        assert reply.limits.keys() == limits.keys()
        for meter, limit in limits.items():
            read = reply.limits[meter]
            assert (read.limit, read.remaining) == (limit.limit, limit.remaining)
            assert read.reset_s == pytest.approx(limit.reset_s)
    if "usage" in expect:
        usage = expect.pop("usage")
        assert reply.usage == (Usage(**usage) if usage else None)
    if "about_meter" in expect:
        assert reply.about == expect.pop("about_meter")
    for name, value in expect.items():
        assert getattr(reply, name) == value, name


def test_every_provider_with_headers_or_errors_of_its_own_has_recorded_shapes() -> None:
    special = {name for name, provider in PROVIDERS.items() if provider.errors or name not in OPENAI_ALIKE}
    assert special <= {path.stem for path in SHAPES}
    assert {path.stem for path in SHAPES} <= PROVIDERS.keys()
    assert all(json.loads(path.read_text())["source"] for path in SHAPES)


def test_the_documentation_names_every_provider_with_its_charge_rule() -> None:
    page = (Path(__file__).parents[2] / "docs" / "providers.md").read_text()
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `")]
    told = {name.strip(" `"): rule.strip(" `") for names, rule in rows for name in names.split(",")}
    assert told == {name: provider.charge for name, provider in PROVIDERS.items() if name != "unknown"}


OPENAI_ALIKE = {"llama.cpp", "self-hosted", "simulated"}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_states_its_facts_and_their_source(name: str) -> None:
    provider = PROVIDERS[name]
    assert provider.name == name and provider.source
    assert provider.charge in CHARGE_RULES
    assert 0 < provider.burst_s <= 2, "providers enforce within quanta of 1 to 2 s"
    assert provider.ramp_s >= 0
    assert all(names.meter in METERS and names.limit == names.limit.lower() for names in provider.headers)
    assert all(rule.label is None or rule.label == rule.label.lower() for rule in provider.errors)


@pytest.mark.parametrize(
    ("name", "charge", "burst_s", "ramp_s"),
    [
        ("openai", "max_of", 1.0, 0.0),
        ("azure", "sum", 0.5, 0.0),
        ("cerebras", "sum", 1.0, 0.0),
        ("anthropic", "as_produced", 1.0, 30.0),
        ("fireworks", "as_produced", 1.0, 30.0),
        ("together", "unknown", 0.5, 30.0),
        ("deepseek", "concurrency", 1.0, 0.0),
        ("vllm", "concurrency", 1.0, 0.0),
        ("sglang", "concurrency", 1.0, 0.0),
        ("unknown", "unknown", 1.0, 0.0),
    ],
)
def test_each_family_charges_in_its_own_way(name: str, charge: str, burst_s: float, ramp_s: float) -> None:
    provider = provider_named(name)
    assert (provider.charge, provider.burst_s, provider.ramp_s) == (charge, burst_s, ramp_s)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadInput) as refused:
        provider_named("antropic")
    assert "unknown provider 'antropic', did you mean 'anthropic'?" in str(refused.value)
    assert "openai, azure, anthropic" in str(refused.value)


def test_a_journal_of_a_provider_that_is_gone_still_reads() -> None:
    headers = {"x-ratelimit-limit-requests": "60"}
    reply = read_reply(429, headers, b"{}", AT, "renamed-since")
    assert (reply.outcome, reply.limits) == ("rate_limited", {"requests": HeaderLimit(60.0)})


def test_the_same_header_means_another_limit_at_another_provider() -> None:
    headers = {"x-ratelimit-limit-requests": "14400"}
    assert read_reply(200, headers, b"{}", AT, "groq").limits.keys() == {"requests_per_day"}
    assert read_reply(200, headers, b"{}", AT, "openai").limits.keys() == {"requests"}
    assert read_reply(200, headers, b"{}", AT, "deepseek").limits == {}


def test_what_is_left_is_read_no_lower_than_nothing() -> None:
    headers = {"anthropic-ratelimit-input-tokens-limit": "1000", "anthropic-ratelimit-input-tokens-remaining": "0"}
    assert read_reply(200, headers, b"{}", AT, "anthropic").limits == {"input_tokens": HeaderLimit(1000.0, 0.0)}


def test_two_empty_limits_do_not_say_which_one_it_was() -> None:
    empty, full = HeaderLimit(60, 0), HeaderLimit(60, 60)
    assert exhausted({"requests": empty, "tokens": full}) == "requests"
    assert exhausted({"requests": empty, "tokens": empty}) is None
    assert exhausted({"requests": HeaderLimit(60)}) is None


@pytest.mark.parametrize(("said", "read"), [("true", True), ("False", False), ("", None), ("maybe", None)])
def test_only_a_plain_word_says_whether_to_try_again(said: str, read: bool | None) -> None:
    assert should_retry({"x-should-retry": said}) is read


@pytest.mark.parametrize(
    ("text", "seconds"), [("1795262430", 30.0), ("1795262430000", 30.0), ("1795262370", 0.0), ("86400", 86400.0)]
)
def test_a_reset_in_unix_time_is_a_point_in_time(text: str, seconds: float) -> None:
    assert duration(text, AT) == pytest.approx(seconds)


def test_a_cost_that_the_provider_states_goes_before_the_registry_s_price() -> None:
    rates = Rates(1e-6, 1e-5)
    assert Usage(100, 10).cost_usd(rates) == pytest.approx(0.0002)
    assert Usage(100, 10).cost_usd(None) is None
    assert Usage(100, 10, usd=0.5).cost_usd(rates) == 0.5
