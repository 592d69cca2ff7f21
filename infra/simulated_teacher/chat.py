"""The life of one chat request: checked, counted, admitted, answered (or not) when it is due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from infra.simulated_teacher.book import look_up
from infra.simulated_teacher.draws import draw, spread
from infra.simulated_teacher.faults import Reply, attempt_fault, compose
from infra.simulated_teacher.limits import Limits, Refusal, charge
from infra.simulated_teacher.question import BadRequest, Question, parse_question
from infra.simulated_teacher.referee import Referee, Seen
from infra.simulated_teacher.server import Later, Reset
from infra.simulated_teacher.solver import solve
from infra.simulated_teacher.steps import Solution
from infra.simulated_teacher.switches import Switches
from infra.simulated_teacher.tokens import count_tokens
from infra.simulated_teacher.wire import Request, Response


def error_response(
    status: int,
    kind: str,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Response:
    """OpenAI's error object."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return Response(status, orjson.dumps({"error": error}), headers)


def _message(place: str, reply: Reply) -> dict[str, Any]:
    """The assistant's message, reasoning where the switch wants it. Cut while reasoning: content is null."""
    thinking_cut = not reply.complete and not reply.content
    message: dict[str, Any] = {"role": "assistant", "content": reply.content}
    if place in ("reasoning_content", "reasoning"):
        message["content"] = None if thinking_cut else reply.content
        message[place] = reply.reasoning or None
    elif place in ("think", "think-close"):
        opening = "<think>\n" if place == "think" else ""
        closing = "" if thinking_cut else f"\n</think>\n\n{reply.content}"
        message["content"] = f"{opening}{reply.reasoning}{closing}"
    return message


def _usage(question: Question, reply: Reply) -> tuple[int, int, int]:
    reasoning = count_tokens(reply.reasoning)
    return question.prompt_tokens, reasoning + count_tokens(reply.content), reasoning


@dataclass(slots=True)
class _Asked:
    """A request that was admitted and waits for its answer."""

    question: Question
    seen: Seen
    referee: Referee
    reply: Reply
    tokens: tuple[int, int, int]
    fault: str | None
    request_id: str
    seconds: float


class Chat:
    """Answers chat requests. `limits`, `referee` and `switches` may be replaced between two requests."""

    def __init__(
        self,
        switches: Switches,
        seed: int,
        book: Mapping[str, Solution],
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.switches = switches
        self.referee = Referee()
        self.limits = Limits(switches, clock())
        self._seed = seed
        self._book = book
        self._clock = clock
        self._wall = wall
        self._number = 0

    def handle(self, request: Request) -> Response | Reset | Later:
        self._number += 1
        request_id = f"req_{self._seed:x}_{self._number:08d}"
        try:
            question = parse_question(request.body, request.headers.get("x-client-request-id", ""))
            self._check(question)
        except BadRequest as error:
            self.referee.counts["bad_requests"] += 1
            headers = (("x-request-id", request_id),)
            return error_response(
                error.status,
                "invalid_request_error",
                str(error),
                code=error.code,
                param=error.param,
                headers=headers,
            )
        return self._admit(question, request_id)

    def _check(self, question: Question) -> None:
        if question.model != self.switches.model:
            message = f"The model `{question.model}` does not exist: this server serves `{self.switches.model}`"
            raise BadRequest(message, "model", status=404, code="model_not_found")
        wanted = question.prompt_tokens + (question.cap or 0)
        if wanted > self.switches.context_tokens:
            message = (
                f"This model's maximum context length is {self.switches.context_tokens} tokens, and"
                f" {question.prompt_tokens} in the messages with max_tokens {question.cap or 0} make {wanted}"
            )
            raise BadRequest(message, "messages", code="context_length_exceeded")

    def _admit(self, question: Question, request_id: str) -> Response | Reset | Later:
        now, switches = self._clock(), self.switches
        seen = self.referee.received(question, now)
        tokens = charge(switches.charge, question.prompt_tokens, question.contents_length, question.cap)
        if switches.tpm and tokens > switches.tpm:
            refusal: Refusal | None = Refusal(
                "tokens",
                60.0,
                f"Request too large: Limit {switches.tpm:g} tokens per min, Requested {tokens}",
            )
        else:
            refusal = self.limits.admit(tokens, now)
        if refusal:
            self.referee.refuse(refusal, now)
            return self._refusal(refusal, request_id, now)
        self.referee.admit(seen, tokens, self.limits.in_flight, now)
        return self._think(question, seen, request_id)

    def _refusal(self, refusal: Refusal, request_id: str, now: float) -> Response:
        milliseconds = -(-refusal.wait * 1000 // 1)
        kind = "tokens" if refusal.kind == "tokens" else "requests"
        headers = (
            ("x-request-id", request_id),
            ("retry-after", f"{max(1, -(-milliseconds // 1000)):.0f}"),
            ("retry-after-ms", f"{milliseconds:.0f}"),
            *self.limits.headers(now),
        )
        message = f"{refusal.message}. Please try again in {milliseconds / 1000:g}s."
        return error_response(429, kind, message, code="rate_limit_exceeded", headers=headers)

    def _think(self, question: Question, seen: Seen, request_id: str) -> Response | Reset | Later:
        switches, seed = self.switches, self._seed
        fault = attempt_fault(switches, seed, question.identity, seen.admitted)
        if fault:
            self.referee.fault(seen, fault)
        if fault in ("resets_before", "server_errors"):
            self.limits.release(0, self._clock())
            if fault == "resets_before":
                return Reset()
            headers = (("x-request-id", request_id),)
            return error_response(
                switches.server_error_status, "server_error", "The server had an error", headers=headers
            )
        solution = look_up(self._book, question.text) or solve(question.text)
        reply = compose(switches, seed, question, solution, seen.admitted)
        self._remember(seen, solution, reply)
        tokens = _usage(question, reply)
        seconds = spread(switches.latency, switches.latency_distribution, draw(seed, "latency", question.identity))
        if switches.tokens_per_second:
            seconds += tokens[1] / switches.tokens_per_second
        if fault == "stalls":
            seconds += switches.stall_seconds
        asked = _Asked(question, seen, self.referee, reply, tokens, fault, request_id, seconds)
        return Later(
            seconds,
            finish=lambda connected: self._finish(asked, connected),
            abandon=lambda: self._abandon(asked),
            stop_on_disconnect=switches.on_disconnect == "abort",
        )

    def _remember(self, seen: Seen, solution: Solution | None, reply: Reply) -> None:
        self.referee.plant(seen, reply.planted)
        seen.kind = solution.kind if solution else "unsolved"
        seen.right_answer = solution.answer if solution else None
        seen.given_answer = reply.answer
        seen.finish_reason = "stop" if reply.complete else "length"
        seen.text_hash = blake2b(f"{reply.reasoning}\x1f{reply.content}".encode(), digest_size=8).hexdigest()

    def _abandon(self, asked: _Asked) -> None:
        self.limits.release(0, self._clock())
        asked.referee.counts["aborted"] += 1

    def _finish(self, asked: _Asked, connected: bool) -> Response | Reset:
        now = self._clock()
        self.limits.release(asked.tokens[1] if self.switches.charge == "actual" else 0, now)
        delivered = connected and asked.fault != "resets_after"
        asked.referee.answer(asked.seen, asked.question.cap, asked.tokens, delivered, now)
        if asked.seen.kind == "unsolved":
            asked.referee.counts["unsolved"] += 1
        if asked.fault == "resets_after":
            return Reset()
        body = orjson.dumps(self._completion(asked))
        if asked.fault == "malformed":
            body = body[: len(body) * 2 // 3]
        headers = (
            ("x-request-id", asked.request_id),
            ("x-simulated-service-ms", f"{asked.seconds * 1000:.3f}"),
            *self.limits.headers(now),
        )
        return Response(200, body, headers)

    def _completion(self, asked: _Asked) -> dict[str, Any]:
        reply, switches = asked.reply, self.switches
        prompt, completion, reasoning = asked.tokens
        finish_reason = "stop" if reply.complete else "length"
        choice = {
            "index": 0,
            "message": _message(switches.reasoning, reply),
            "logprobs": None,
            "finish_reason": finish_reason,
        }
        found: dict[str, Any] = {
            "id": f"chatcmpl-{asked.request_id[4:]}",
            "object": "chat.completion",
            "created": int(self._wall()),
            "model": switches.swapped_model if reply.swapped else switches.model,
            "system_fingerprint": f"fp_simulated_{self._seed}",
            "choices": [choice],
        }
        if reply.usage_shown:
            found["usage"] = {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
                "completion_tokens_details": {"reasoning_tokens": reasoning},
            }
        return found
