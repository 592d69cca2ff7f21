"""The simulated teacher speaks as each provider does, written by other hands from the same pages: both must agree."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from simulated import SimulatedTeacher

from tasks.ask.reply import Reply, read_reply


def replies(teacher: SimulatedTeacher, provider: str, count: int = 1, **fields: Any) -> list[Reply]:
    messages = [{"role": "user", "content": "What is 3 + 4?"}]
    body = {"model": "simulated-teacher", "messages": messages, "max_tokens": 64, **fields}
    read = []
    for _ in range(count):
        response = httpx.post(f"{teacher.base_url}/chat/completions", json=body, trust_env=False, timeout=10)
        headers = {name.lower(): value for name, value in response.headers.items()}
        read.append(read_reply(response.status_code, headers, response.content, datetime.now(UTC), provider))
    return read


LIMITS: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "openai": ({"rpm": 600.0, "tpm": 90_000.0}, {"requests": 600, "tokens": 90_000}),
    "azure": ({"rpm": 600.0, "tpm": 90_000.0}, {"requests": 600, "tokens": 90_000}),
    "anthropic": (
        {"rpm": 600.0, "itpm": 400_000.0, "otpm": 80_000.0, "charge": "actual"},
        {"requests": 600, "input_tokens": 400_000, "output_tokens": 80_000},
    ),
    "groq": ({"rpd": 14_400.0, "tpm": 90_000.0}, {"requests_per_day": 14_400, "tokens": 90_000}),
    "cerebras": ({"rpd": 14_400.0, "tpm": 90_000.0}, {"requests_per_day": 14_400, "tokens": 90_000}),
}


@pytest.mark.parametrize("provider", LIMITS)
def test_limits_are_read_with_their_units(teacher: SimulatedTeacher, provider: str) -> None:
    switches, limits = LIMITS[provider]
    teacher.switch(headers=provider, **switches)
    (reply,) = replies(teacher, provider)
    assert reply.outcome == "ok"
    assert {meter: limit.limit for meter, limit in reply.limits.items()} == limits
    for meter, limit in reply.limits.items():
        assert limit.remaining is not None and limit.reset_s is not None, meter
        assert 0 <= limit.remaining <= limit.limit and 0 <= limit.reset_s <= 86_400


@pytest.mark.parametrize(
    ("provider", "switches", "about"),
    [
        ("openai", {"rpm": 60.0}, "requests"),
        ("openai", {"tpm": 90.0, "burst_seconds": 60.0}, "tokens"),
        ("azure", {"rpm": 60.0}, "requests"),
        ("anthropic", {"rpm": 60.0}, "requests"),
        ("groq", {"rpd": 2.0}, "requests_per_day"),
        ("groq", {"tpm": 90.0, "burst_seconds": 60.0}, "tokens"),
        ("together", {"rpm": 60.0, "growth": 2.0, "headers": "none"}, "requests"),
        ("deepseek", {"headers": "none", "rpm": 60.0}, "requests"),
    ],
)
def test_a_429_says_which_limit_it_was_about(
    teacher: SimulatedTeacher, provider: str, switches: dict[str, Any], about: str
) -> None:
    teacher.switch(**({"headers": provider} | switches))
    refused = replies(teacher, provider, 4)[-1]
    assert (refused.outcome, refused.about) == ("rate_limited", about)
    if switches.get("headers") != "none":
        assert refused.retry_after_s is not None and refused.retry_after_s > 0


def test_a_date_to_wait_for_is_read_against_the_servers_clock(teacher: SimulatedTeacher) -> None:
    teacher.switch(headers="anthropic", retry_after_as="date", storm_count=1, retry_after=5.0)
    (refused,) = replies(teacher, "anthropic")
    assert refused.outcome == "rate_limited"
    assert refused.retry_after_s is not None and 3 <= refused.retry_after_s <= 7


@pytest.mark.parametrize("status", [402, 429])
def test_money_that_is_gone_ends_the_run(teacher: SimulatedTeacher, status: int) -> None:
    teacher.switch(credit_answers=1, credit_status=status)
    assert replies(teacher, "openai", 2)[-1].outcome == "unauthorised"


@pytest.mark.parametrize(("provider", "status"), [("anthropic", 529), ("openai", 503), ("together", 503)])
def test_the_servers_own_trouble_is_theirs(teacher: SimulatedTeacher, provider: str, status: int) -> None:
    headers = provider if provider != "together" else "none"
    teacher.switch(headers=headers, server_errors=1.0, server_error_status=status)
    assert [reply.outcome for reply in replies(teacher, provider)] == ["overloaded"]


def test_a_model_that_is_not_there_ends_the_run(teacher: SimulatedTeacher) -> None:
    assert [reply.outcome for reply in replies(teacher, "openai", model="gone")] == ["unauthorised"]


def test_blank_lines_before_a_late_body_are_skipped(teacher: SimulatedTeacher) -> None:
    teacher.switch(headers="none", latency=0.2, blank_line_seconds=0.05)
    (reply,) = replies(teacher, "deepseek")
    assert (reply.outcome, reply.limits) == ("ok", {}) and reply.usage is not None
