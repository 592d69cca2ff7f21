"""Read what a chat-completions server sent (pure): one `Reply`, whatever the server calls its fields.

Reads only status, headers and body as they were journaled, so that reading them again years later gives the
same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson

from tasks.ask.continuing import CLOSE, OPEN, Prefix, joined
from tasks.ask.headers import HeaderLimit, duration, header_limits, retry_after
from tasks.ask.outcomes import RULES
from tasks.ask.providers import UNKNOWN, MeterName
from tasks.ask.refusals import Refusal, headers_inside, problem_of, read_refusal, status_inside
from tasks.ask.spend import Amount, Rates
from tasks.ask.stream import Assembled, assemble, is_stream
from tasks.ask.usage import Usage, read_usage
from warehouse.records import Outcome

__all__ = [
    "PARSER",
    "Dimension",
    "HeaderLimit",
    "MeterName",
    "Reply",
    "Usage",
    "duration",
    "header_limits",
    "read_reply",
    "retry_after",
]

ReasoningSource = Literal["field", "tags", "none"]
Dimension = MeterName

Broke = Literal["timeout", "connection"]

PARSER = 1
"""The version of this reading, kept with every row: raised whenever a stored response is read otherwise than before, so
that one can see by which parser an answer was read. A test knows what each version makes of the same bodies."""

INTERRUPTED = "interrupted"
"""The finish reason of a stream that ended in mid-answer: what arrived is kept, and it is no answer."""
CUT_OFF = ("length", "max_tokens")
"""Finish reasons of an answer that reached its cap."""
_ERROR_CHARS = 300


@dataclass(frozen=True)
class Reply:
    """One response, normalised."""

    outcome: Outcome
    reasoning: str = ""
    reasoning_source: ReasoningSource = "none"
    answer: str = ""
    """Content less the reasoning."""
    content: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    """None: the server reported none."""
    served_model: str | None = None
    system_fingerprint: str | None = None
    request_id: str | None = None
    error: str | None = None
    """One line; None when there is an answer."""
    retry_after_s: float | None = None
    limits: Mapping[MeterName, HeaderLimit] = field(default_factory=dict)
    about: MeterName | None = None
    """Of a 429: the limit that turned it away, where the provider says."""

    @property
    def interrupted(self) -> bool:
        """A stream that ended in mid-answer, whose beginning is here: it may have been paid."""
        return self.finish_reason == INTERRUPTED

    def cost(self, worst: Amount, rates: Rates | None) -> Amount:
        """Billed: as reported; at its worst where the server does not say; a refused request is a request."""
        if RULES[self.outcome].billed == "no":
            return Amount(requests=1)
        if self.usage is None:
            return worst
        return Amount(1, self.usage.prompt + self.usage.completion, self.usage.cost_usd(rates) or 0.0)


def read_reply(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    received_at: datetime,
    provider: str = UNKNOWN.name,
    broke: Broke | None = None,
    prefix: Prefix | None = None,
) -> Reply:
    """Normalise a response, streamed or not.

    Args: headers: names in lower case. received_at: dates a Retry-After that is a date. provider: as the entry of
    the teacher names it, and the journal keeps it; a name that is not known reads as `unknown`. broke: what became
    of a stream that ended before the server ended it. prefix: the beginning that the request went on with; texts are
    then of the whole answer, and the usage still of this response alone.
    """
    stream = assemble(body) if is_stream(headers) else None
    document = stream.document if stream and stream.document else _document(body)
    told = {**headers_inside(document), **headers}
    limits = header_limits(told, received_at, provider)
    said: dict[str, Any] = {
        "served_model": _text(document, "model"),
        "system_fingerprint": _text(document, "system_fingerprint"),
        "request_id": headers.get("x-request-id") or headers.get("request-id") or _text(document, "id"),
        "retry_after_s": retry_after(told, received_at),
        "limits": limits,
        "usage": read_usage(document),
    }
    if not 200 <= status < 300:
        refusal = read_refusal(status, headers, document, limits, provider)
        finish = "content_filter" if refusal.outcome == "refused" else None
        error = _error_line(status, document, body)
        return Reply(refusal.outcome, finish_reason=finish, error=error, about=refusal.about, **said)
    if stream and (lost := _lost(stream, broke)):
        return _interrupted(document, lost, {**said, "usage": None}, prefix)
    if isinstance(document.get("error"), dict):  # gateways pass an upstream failure on inside a 200
        inner = status_inside(document)
        failed = read_refusal(inner, headers, document, limits, provider) if inner else Refusal("malformed")
        return Reply(failed.outcome, error=_error_line(status, document, body), about=failed.about, **said)
    message, finish = _choice(document)
    if message is None or finish == "error" or (stream and not stream.readable):
        return Reply("malformed", finish_reason=finish, error=_error_line(status, document, body), **said)
    return _answered(_whole(message, finish, prefix), finish, said)


def _lost(stream: Assembled, broke: Broke | None) -> Broke | None:
    """What became of a stream that did not reach its end; None where it did, or ended with an error before its first
    word."""
    is_over = stream.done and not stream.failed if stream.begun else stream.done or stream.failed
    return None if is_over else broke or "connection"


def _interrupted(document: Mapping[str, Any], outcome: Broke, said: dict[str, Any], prefix: Prefix | None) -> Reply:
    """A stream that ended in mid-answer: its beginning, and no usage, because what it cost is not known."""
    message = _whole(_choice(document)[0] or {}, CUT_OFF[0], prefix)
    content = _flat(message.get("content"))
    reasoning, source, answer = split_reasoning(message, content)
    problem = problem_of(document) if "error" in document else {}
    why = problem.get("message") or ("nothing came for too long" if outcome == "timeout" else "the connection ended")
    error = f"the stream stopped after {len(reasoning) + len(answer)} characters: {' '.join(str(why).split())}"
    return Reply(outcome, reasoning, source, answer, content, INTERRUPTED, error=error[:_ERROR_CHARS], **said)


def _whole(message: dict[str, Any], finish: str | None, prefix: Prefix | None) -> dict[str, Any]:
    """The message, with what it goes on with."""
    if prefix is None:
        return message
    return joined(prefix, message, reasoning_field(message), _flat(message.get("content")), finish in CUT_OFF)


def _answered(message: dict[str, Any], finish: str | None, said: dict[str, Any]) -> Reply:
    content = _flat(message.get("content"))
    reasoning, source, answer = split_reasoning(message, content)
    refusal = message.get("refusal")
    outcome: Outcome = "ok"
    if finish in CUT_OFF:
        outcome = "truncated"
    elif finish == "content_filter" or (isinstance(refusal, str) and refusal):
        outcome = "refused"
    elif not answer:
        outcome = "empty"
    if not answer and isinstance(refusal, str):
        answer = content = refusal
    return Reply(outcome, reasoning, source, answer, content, finish, **said)


def split_reasoning(message: Mapping[str, Any], content: str) -> tuple[str, ReasoningSource, str]:
    """Reasoning, where it was found, and the answer.

    A field wins (`reasoning`, vLLM and OpenRouter; `reasoning_content`, DeepSeek and SGLang;
    `reasoning_details`). Without one, `<think>` tags at the start of the content; some templates pre-fill
    the opening tag, so a closing tag alone counts, and a text cut off while thinking has only the opening
    one.
    """
    thought = reasoning_field(message)
    return (thought.strip(), "field", content.strip()) if thought else _split_tags(content)


def reasoning_field(message: Mapping[str, Any]) -> str:
    """The reasoning that came in a field of its own, blanks kept; empty where there is none."""
    for name in ("reasoning", "reasoning_content"):
        value = message.get(name)
        if isinstance(value, str) and value.strip():
            return value
    details = message.get("reasoning_details")
    if not isinstance(details, list):
        return ""
    text = "".join(part["text"] for part in details if isinstance(part, dict) and isinstance(part.get("text"), str))
    return text if text.strip() else ""


def _split_tags(content: str) -> tuple[str, ReasoningSource, str]:
    text = content.strip()
    if not text.startswith(OPEN) and CLOSE not in text:
        return "", "none", text
    thought, closed, answer = text.removeprefix(OPEN).partition(CLOSE)
    thought = thought.strip()
    return thought, ("tags" if thought else "none"), answer.strip() if closed else ""


def _document(body: bytes) -> dict[str, Any]:
    """The body as a JSON object; anything else reads as an empty one. Keep-alive blanks before it are
    allowed."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _choice(document: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return None, None
    message, finish = choice.get("message"), choice.get("finish_reason")
    return (message if isinstance(message, dict) else None), (finish if isinstance(finish, str) else None)


def _flat(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None


def _error_line(status: int, document: Mapping[str, Any], body: bytes) -> str:
    problem = document.get("error") or problem_of(document) or document
    said = problem if isinstance(problem, str) else None
    if isinstance(problem, Mapping):
        said = next((str(problem[name]) for name in ("message", "detail") if problem.get(name)), None)
    if said is None:
        said = body[: 4 * _ERROR_CHARS].decode("utf-8", "replace") or "an empty body"
    line = " ".join(said.split())
    return f"{status}: {line if len(line) <= _ERROR_CHARS else line[: _ERROR_CHARS - 1] + '…'}"
