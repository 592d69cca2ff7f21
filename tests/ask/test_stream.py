"""A stream reads as the answer that is not streamed; where it breaks off, its beginning is kept."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ask.batch_lines import request_line
from tasks.ask.outcomes import RULES
from tasks.ask.providers import PROVIDERS
from tasks.ask.reply import INTERRUPTED, Usage, read_reply
from tasks.ask.stream import assemble, is_stream

AT = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SSE = {"content-type": "text/event-stream; charset=utf-8"}


def event(chunk: Any) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def piece(finish: str | None = None, **delta: Any) -> bytes:
    return event({"id": "c-1", "model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


ROLE = piece(role="assistant", content="")
USAGE = event(
    {
        "id": "c-1",
        "model": "m-1",
        "choices": [],
        "usage": {"prompt_tokens": 9, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3}},
    }
)
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_pieces_become_the_document_that_is_not_streamed(name: str) -> None:
    """As vLLM streams (docs.vllm.ai, reasoning outputs), DeepSeek (`reasoning_content`), OpenRouter (`reasoning`)."""
    body = ROLE + piece(**{name: "6*"}) + piece(**{name: "7"}) + piece(content="4") + piece(content="2")
    reply = read_reply(200, SSE, body + piece("stop") + USAGE + DONE, AT)
    whole = {
        "id": "c-1",
        "model": "m-1",
        "choices": [{"message": {"content": "42", name: "6*7"}, "finish_reason": "stop"}],
        "usage": orjson.loads(USAGE[6:])["usage"],
    }
    assert reply == read_reply(200, {}, orjson.dumps(whole), AT)
    assert (reply.outcome, reply.reasoning, reply.answer, reply.usage) == ("ok", "6*7", "42", Usage(9, 5, 3))


@pytest.mark.parametrize(
    "noise",
    [
        b": keep-alive\n\n",
        b": OPENROUTER PROCESSING\n\n",
        b"\n\n\n",
        b'event: ping\ndata: {"type": "ping"}\n\n',
        b"retry: 3000\n\n",
        b"id: 7\n",
        b"\xef\xbb\xbf: a mark\n\n",
    ],
)
def test_signs_of_life_say_nothing(noise: bytes) -> None:
    body = noise + ROLE + noise + piece(content="42") + noise + piece("stop") + noise + USAGE + DONE
    reply = read_reply(200, SSE, body, AT)
    assert (reply.outcome, reply.answer, reply.usage) == ("ok", "42", Usage(9, 5, 3))


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_in_every_way_the_standard_allows(line_end: bytes) -> None:
    body = (ROLE + piece(content="42") + piece("stop") + DONE).replace(b"\n", line_end)
    assert read_reply(200, SSE, body, AT).answer == "42"


def test_data_over_several_lines_is_one_event() -> None:
    assert read_reply(200, SSE, b'data: {"choices":\ndata: [{"index": 0, "delta": {"content": "42"},\n'
                      b'data: "finish_reason": "stop"}]}\n\n', AT).answer == "42"  # fmt: skip


def test_details_of_reasoning_and_of_calls_are_put_together() -> None:
    call = {"index": 0, "id": "t", "function": {"name": "f", "arguments": '{"a"'}}
    body = (
        piece(reasoning_details=[{"type": "reasoning.text", "text": "6*"}])
        + piece(reasoning_details=[{"type": "reasoning.text", "text": "7"}])
        + piece(tool_calls=[call])
        + piece(tool_calls=[{"index": 0, "function": {"arguments": ": 1}"}}])
        + piece("tool_calls")
    )
    reply = read_reply(200, SSE, body + DONE, AT)
    assert (reply.reasoning, reply.finish_reason) == ("6*7", "tool_calls")
    (made,) = assemble(body).document["choices"][0]["message"]["tool_calls"]
    assert made["function"] == {"name": "f", "arguments": '{"a": 1}'}


def test_a_refusal_comes_in_pieces_too() -> None:
    reply = read_reply(200, SSE, ROLE + piece(refusal="I ") + piece(refusal="won't") + piece("stop") + DONE, AT)
    assert (reply.outcome, reply.answer) == ("refused", "I won't")


def test_usage_that_is_repeated_counts_as_last_said_and_groq_s_is_found() -> None:
    early = event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})
    assert read_reply(200, SSE, early + ROLE + piece(content="x") + piece("stop") + USAGE + DONE, AT).usage == Usage(
        9, 5, 3
    )
    groq = event({"choices": [], "x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 2}}})
    assert read_reply(200, SSE, piece(content="x") + piece("stop") + groq + DONE, AT).usage == Usage(9, 2)


def test_usage_that_never_comes_stays_unknown() -> None:
    reply = read_reply(200, SSE, ROLE + piece(content="42") + piece("stop") + DONE, AT)
    assert (reply.outcome, reply.usage) == ("ok", None)


def test_a_stream_cut_at_its_cap_is_truncated() -> None:
    assert read_reply(200, SSE, piece(content="4") + piece("length") + DONE, AT).outcome == "truncated"


def test_an_answer_whose_finish_has_come_is_whole_even_if_the_connection_then_breaks() -> None:
    reply = read_reply(200, SSE, piece(content="42") + piece("stop"), AT, broke="connection")
    assert (reply.outcome, reply.answer, reply.interrupted) == ("ok", "42", False)


@pytest.mark.parametrize(
    ("broke", "outcome"), [(None, "connection"), ("connection", "connection"), ("timeout", "timeout")]
)
def test_a_stream_that_ends_in_mid_answer_keeps_its_beginning(broke: Any, outcome: str) -> None:
    body = ROLE + piece(reasoning_content="6*7 = ") + piece(reasoning_content="42") + piece(content="The ans")
    reply = read_reply(200, SSE, body + USAGE[:20], AT, broke=broke)
    assert (reply.outcome, reply.finish_reason, reply.interrupted) == (outcome, INTERRUPTED, True)
    assert (reply.reasoning, reply.answer, reply.reasoning_source) == ("6*7 = 42", "The ans", "field")
    assert reply.usage is None and reply.error is not None and "after 15 characters" in reply.error


def test_an_error_in_mid_answer_keeps_what_came_before_it() -> None:
    """OpenRouter: HTTP 200, an `error`, and the finish reason `error` (openrouter.ai/docs, streaming)."""
    error = {"error": {"code": 502, "message": "Provider\ndisconnected"}, "choices": [
        {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}  # fmt: skip
    reply = read_reply(200, SSE, ROLE + piece(content="The ans") + event(error) + USAGE + DONE, AT)
    assert (reply.outcome, reply.answer, reply.interrupted, reply.usage) == ("connection", "The ans", True, None)
    assert reply.error is not None and reply.error.endswith("Provider disconnected")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ({"error": {"code": 429, "message": "slow down"}}, "rate_limited"),
        ({"error": {"code": 503, "message": "busy"}}, "overloaded"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "malformed"),
    ],
)
def test_an_error_before_the_first_word_is_an_error_response(error: dict[str, Any], outcome: str) -> None:
    reply = read_reply(200, SSE, b": keep-alive\n\n" + ROLE + event(error), AT)
    assert (reply.outcome, reply.interrupted) == (outcome, False)


def test_nothing_but_signs_of_life_may_have_been_paid_too() -> None:
    reply = read_reply(200, SSE, b": keep-alive\n\n" * 3, AT, broke="timeout")
    assert (reply.outcome, reply.interrupted, reply.content) == ("timeout", True, "")


def test_an_event_that_came_whole_and_is_no_json_spoils_the_answer() -> None:
    body = ROLE + piece(content="42") + b'data: {"choices": [{"del\n\n' + piece("stop") + DONE
    assert read_reply(200, SSE, body, AT).outcome == "malformed"


def test_only_the_response_says_whether_it_is_a_stream() -> None:
    assert is_stream(SSE) and is_stream({"content-type": "text/event-stream"})
    assert not is_stream({"content-type": "application/json"}) and not is_stream({})
    plain = orjson.dumps({"choices": [{"message": {"content": "42"}, "finish_reason": "stop"}]})
    assert read_reply(200, SSE, plain, AT).answer == "42", "called a stream, and none"


def test_an_error_response_that_is_called_a_stream_is_an_error_response() -> None:
    body = b'{"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}'
    assert read_reply(429, SSE, body, AT).outcome == "rate_limited"
    assert read_reply(429, SSE, b"data: " + body + b"\n\n", AT).about == "requests"


WORDS = ["6*7 ", "é\n", "→", '"data: x"', "[DONE]", "\r\n: no comment\n\n", "<think>", "42"]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), st.data())
def test_wherever_a_stream_is_cut_what_is_read_is_a_beginning_of_it(words: list[str], data: st.DataObject) -> None:
    body = ROLE + b"".join(piece(content=word) for word in words) + piece("stop") + USAGE + DONE
    cut = assemble(body[: data.draw(st.integers(0, len(body)))])
    message = cut.document["choices"][0]["message"] if cut.document.get("choices") else {}
    whole = "".join(words)
    assert whole.startswith(message.get("content") or "")
    assert cut.readable
    assert message.get("content") == whole if cut.done else True


def test_a_request_that_goes_by_batch_asks_for_no_stream() -> None:
    plain = {"model": "m", "messages": [], "max_tokens": 9}
    streamed = plain | {"stream": True, "stream_options": {"include_usage": True}}
    lines = [orjson.loads(request_line("k", "/v1/chat/completions", orjson.dumps(body))) for body in (plain, streamed)]
    assert lines[0] == lines[1] and lines[0]["body"] == plain


NAMES = st.sampled_from([
    "choices", "delta", "message", "content", "reasoning", "reasoning_details", "tool_calls", "function", "arguments",
    "text", "usage", "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "cost", "error",
    "code", "type", "metadata", "headers", "provider_code", "innererror", "finish_reason", "index", "x_groq", "id",
])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 600) | st.floats() | st.sampled_from(["", "stop", "error", "429", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(PROVIDERS)),
    st.sampled_from([200, 400, 404, 429, 500]),
    st.lists(st.dictionaries(NAMES, JSON, max_size=5), max_size=3),
    st.booleans(),
    st.dictionaries(st.sampled_from(["x-ratelimit-limit-tokens", "x-ratelimit-reset", "retry-after", "x-should-retry"]),
                    st.sampled_from(["", "-1", "nan", "1e400", "6m", "2026-13-41T", "Sat, 99", "true", "0"])),
)  # fmt: skip
def test_whatever_a_server_says_is_read_and_nothing_raises(
    provider: str, status: int, chunks: list[dict[str, Any]], streams: bool, headers: dict[str, str]
) -> None:
    bodies = [orjson.dumps(chunk) for chunk in chunks]
    body = b"".join(b"data: " + one + b"\n\n" for one in bodies) if streams else b"".join(bodies[:1])
    reply = read_reply(status, headers | (SSE if streams else {}), body, AT, provider)
    assert reply.outcome in RULES
    assert reply.error is None or "\n" not in reply.error
    assert (reply.error is None) == RULES[reply.outcome].answer or reply.outcome == "refused"
