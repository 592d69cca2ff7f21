"""Whatever a server calls its fields, a reply reads the same."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from tasks.ask.reply import HeaderLimit, Usage, duration, header_limits, read_reply, retry_after

AT = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def body(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> bytes:
    return orjson.dumps({"model": "m-1", "choices": [{"message": message, "finish_reason": finish}], **more})


@pytest.mark.parametrize(
    ("message", "reasoning", "source", "answer"),
    [
        ({"content": "42", "reasoning": "6*7"}, "6*7", "field", "42"),
        ({"content": "\n\n42", "reasoning_content": "6*7\n"}, "6*7", "field", "42"),
        ({"content": "42", "reasoning": None, "reasoning_content": "6*7"}, "6*7", "field", "42"),
        (
            {"content": "42", "reasoning_details": [{"text": "6"}, {"text": "*7"}, {"data": "x"}]},
            "6*7",
            "field",
            "42",
        ),
        ({"content": "<think>\n6*7\n</think>\n\n42"}, "6*7", "tags", "42"),
        ({"content": "6*7</think>42"}, "6*7", "tags", "42"),
        ({"content": "<think>\n\n</think>\n\n42"}, "", "none", "42"),
        ({"content": "the tag <think> opens"}, "", "none", "the tag <think> opens"),
        ({"content": "42"}, "", "none", "42"),
        ({"content": [{"type": "text", "text": "4"}, {"type": "text", "text": "2"}]}, "", "none", "42"),
    ],
)
def test_reasoning_is_found_whatever_it_is_called(
    message: dict[str, Any], reasoning: str, source: str, answer: str
) -> None:
    reply = read_reply(200, {}, body(message), AT)
    assert (reply.outcome, reply.reasoning, reply.reasoning_source, reply.answer) == (
        "ok",
        reasoning,
        source,
        answer,
    )


@pytest.mark.parametrize(
    ("message", "finish", "outcome"),
    [
        ({"content": "<think>still going"}, "length", "truncated"),
        ({"content": "", "reasoning": "still going"}, "length", "truncated"),
        ({"content": "I cannot"}, "content_filter", "refused"),
        ({"content": None, "refusal": "I will not"}, "stop", "refused"),
        ({"content": ""}, "stop", "empty"),
        ({"content": None, "reasoning": "thought, and said nothing"}, "stop", "empty"),
        ({"content": "x"}, None, "ok"),
        ({"content": "x"}, "error", "malformed"),
    ],
)
def test_the_finish_reason_and_the_text_decide_the_outcome(
    message: dict[str, Any], finish: str | None, outcome: str
) -> None:
    assert read_reply(200, {}, body(message, finish), AT).outcome == outcome


def test_a_text_cut_off_while_thinking_is_all_reasoning() -> None:
    reply = read_reply(200, {}, body({"content": "<think>still going"}, "length"), AT)
    assert (reply.reasoning, reply.answer) == ("still going", "")


def test_a_refusal_keeps_its_text() -> None:
    assert read_reply(200, {}, body({"content": None, "refusal": "I will not"}), AT).answer == "I will not"


@pytest.mark.parametrize(
    ("status", "raw", "outcome"),
    [
        (200, b"", "malformed"),
        (200, b'{"choices": [{"mess', "malformed"),
        (200, b"[]", "malformed"),
        (200, b'{"choices": []}', "malformed"),
        (200, b'{"error": {"code": 503, "message": "upstream"}}', "overloaded"),
        (200, b'{"error": {"message": "odd"}}', "malformed"),
        (400, b'{"error": {"message": "context length"}}', "rejected"),
        (404, b"not here", "rejected"),
        (401, b'{"detail": "no key"}', "unauthorised"),
        (402, b"{}", "unauthorised"),
        (403, b"{}", "unauthorised"),
        (408, b"{}", "overloaded"),
        (429, b'{"error": {"code": "rate_limit_exceeded"}}', "rate_limited"),
        (429, b'{"error": {"code": "insufficient_quota"}}', "unauthorised"),
        (500, b"<html>", "overloaded"),
        (503, b"", "overloaded"),
        (529, b"", "overloaded"),
    ],
)
def test_every_failure_has_its_outcome_and_one_line(status: int, raw: bytes, outcome: str) -> None:
    reply = read_reply(status, {}, raw, AT)
    assert reply.outcome == outcome
    assert reply.error is not None and reply.error.startswith(f"{status}: ") and "\n" not in reply.error


def test_a_long_error_page_becomes_one_short_line() -> None:
    error = read_reply(500, {}, b"<html>\n" + b"x" * 100_000, AT).error
    assert error is not None and len(error) < 320


def test_blanks_sent_to_keep_the_connection_open_are_skipped() -> None:
    assert read_reply(200, {}, b"\n\n\n" + body({"content": "x"}), AT).outcome == "ok"


def test_usage_counts_reasoning_tokens_within_the_completion() -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 50,
        "completion_tokens_details": {"reasoning_tokens": 40},
    }
    assert read_reply(200, {}, body({"content": "x"}, usage=usage), AT).usage == Usage(9, 50, 40)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 3}, {"prompt_tokens": "3", "completion_tokens": -1}])
def test_usage_that_is_missing_or_odd_is_unknown(usage: object) -> None:
    assert read_reply(200, {}, body({"content": "x"}, usage=usage), AT).usage is None


def test_served_model_fingerprint_and_request_id_are_kept() -> None:
    reply = read_reply(200, {"x-request-id": "r-1"}, body({"content": "x"}, system_fingerprint="fp", id="c-1"), AT)
    assert (reply.served_model, reply.system_fingerprint, reply.request_id) == ("m-1", "fp", "r-1")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:07 GMT"}, 7.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:07 GMT", "date": "Sat, 21 Nov 2026 12:00:02 GMT"}, 5.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-4"}, 0.0),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_seconds_milliseconds_and_dates(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, AT) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360.0), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("2", 2.0), ("x1s", None), ("", None),
     ("2026-11-21T12:00:30Z", 30.0)],
)  # fmt: skip
def test_resets_are_read_in_every_form_seen(text: str, seconds: float | None) -> None:
    assert duration(text, AT) == pytest.approx(seconds)


def test_limits_are_read_from_both_families_of_headers() -> None:
    openai = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
    }
    other = {
        "anthropic-ratelimit-tokens-limit": "1000",
        "anthropic-ratelimit-tokens-reset": "2026-11-21T12:00:30Z",
    }
    assert header_limits(openai | other, AT) == {
        "requests": HeaderLimit(60.0, 59.0, 1.0),
        "tokens": HeaderLimit(1000.0, None, 30.0),
    }
