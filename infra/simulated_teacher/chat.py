"""The life of one chat request: checked, counted, admitted, answered (or not) when it is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

import orjson

from infra.simulated_teacher.batching import Batch
from infra.simulated_teacher.book import look_up
from infra.simulated_teacher.clock import Clock
from infra.simulated_teacher.draws import draw, spread
from infra.simulated_teacher.faults import Reply, attempt_fault, compose
from infra.simulated_teacher.grader import grade
from infra.simulated_teacher.headers import limit_headers
from infra.simulated_teacher.limits import Limits, Refusal, charge
from infra.simulated_teacher.meters import Meter
from infra.simulated_teacher.question import BadRequest, Question, parse_question
from infra.simulated_teacher.referee import Referee, Seen
from infra.simulated_teacher.refusals import error_response, out_of_credit, refused, server_error
from infra.simulated_teacher.server import Later, Reset
from infra.simulated_teacher.solver import solve
from infra.simulated_teacher.sse import Pace, Stream, stream_fault
from infra.simulated_teacher.steps import Solution
from infra.simulated_teacher.switches import Switches
from infra.simulated_teacher.timeline import DELIVERED, FAILED, LOST
from infra.simulated_teacher.tokens import count_tokens
from infra.simulated_teacher.wire import Request, Response


def _message(place: str, reply: Reply) -> dict[str, Any]:
    """The assistant's message, reasoning where the switch wants it. Cut while reasoning: content is null."""
    thinking_cut = not reply.complete and not reply.content and reply.begun != "answer"
    message: dict[str, Any] = {"role": "assistant", "content": reply.content}
    if place in ("reasoning_content", "reasoning"):
        message["content"] = None if thinking_cut else reply.content
        message[place] = reply.reasoning or None
    elif place in ("think", "think-close"):
        if reply.begun == "answer":
            return message
        opening = "<think>\n" if place == "think" and not reply.begun else ""
        closing = "" if thinking_cut else f"\n</think>\n\n{reply.content}"
        message["content"] = f"{opening}{reply.reasoning}{closing}"
    return message


def _usage(question: Question, reply: Reply) -> tuple[int, int, int]:
    reasoning = count_tokens(reply.reasoning)
    return question.prompt_tokens, reasoning + count_tokens(reply.content), reasoning


@dataclass(slots=True)
class _Asked:
    """A request that was admitted and waits for its answer."""

    number: int
    question: Question
    seen: Seen
    referee: Referee
    reply: Reply
    tokens: tuple[int, int, int]
    fault: str | None
    request_id: str
    at: float
    seconds: float
    produced_a_second: float = 0.0
    meters: tuple[Meter, ...] = ()


class Chat:
    """Answers chat requests. `limits`, `referee` and `switches` may be replaced between two requests."""

    def __init__(
        self,
        switches: Switches,
        seed: int,
        book: Mapping[str, Solution],
        clock: Clock,
    ) -> None:
        self.switches = switches
        self.referee = Referee()
        self.limits = Limits(switches, clock.now())
        self.batch = Batch(switches, clock)
        self._seed = seed
        self._book = book
        self._clock = clock
        self._number = 0

    def reset(self) -> None:
        """The counts start again at zero; limits and what is in flight stay."""
        self.referee = Referee()
        self.referee.timeline.began = self._clock.now()

    def change(self, values: Mapping[str, object]) -> None:
        """Other switches from now on. BadSwitch where they cannot be."""
        now, before = self._clock.now(), self.switches
        self.switches = before.changed(values)
        self.limits.change(self.switches, now, frozenset(values))
        self.batch.change(self.switches)
        self.referee.changed(values, before, self.limits.in_flight, now)

    def handle(self, request: Request) -> Response | Reset | Later:
        self._number += 1
        request_id = f"req_{self._seed:x}_{self._number:08d}"
        try:
            question = parse_question(request.body, request.headers.get("x-client-request-id", ""))
            self._check(question)
        except BadRequest as error:
            self.referee.counts["bad_requests"] += 1
            # Some clients ask something that is no question to read their limits, and take the answer's headers.
            limits = limit_headers(self.limits, self._clock.now(), self._clock.wall())
            headers = (("x-request-id", request_id), *limits)
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
        if question.prefix is not None and question.prefix_way != self.switches.continues:
            message = f"this server does not go on with a message by {question.prefix_way}"
            raise BadRequest(message, "messages", code="unsupported_value")
        wanted = question.prompt_tokens + (question.cap or 0)
        if wanted > self.switches.context_tokens:
            message = (
                f"This model's maximum context length is {self.switches.context_tokens} tokens, and"
                f" {question.prompt_tokens} in the messages with max_tokens {question.cap or 0} make {wanted}"
            )
            raise BadRequest(message, "messages", code="context_length_exceeded")

    def _admit(self, question: Question, request_id: str) -> Response | Reset | Later:
        now, switches = self._clock.now(), self.switches
        seen = self.referee.received(question, now)
        if switches.credit_answers and self.referee.counts["answered"] >= switches.credit_answers:
            self.referee.counts["out_of_credit"] += 1
            return out_of_credit(switches, request_id)
        tokens = charge(switches.charge, question.prompt_tokens, question.contents_length, question.cap)
        refusal = (
            self.limits.too_large(tokens, question.prompt_tokens)
            or self._queue_full()
            or self.limits.admit(tokens, now, question.prompt_tokens)
        )
        if refusal:
            self.referee.refuse(refusal, now)
            wall = self._clock.wall()
            return refused(refusal, switches, request_id, limit_headers(self.limits, now, wall), wall)
        self.referee.admit(seen, self._number, tokens, question.prompt_tokens, self.limits.in_flight, now)
        return self._think(question, seen, request_id, now)

    def _queue_full(self) -> Refusal | None:
        bound = self.switches.queue_bound
        if not bound:
            return None
        counted = self.batch.waiting + (self.batch.running if self.switches.queue_bound_counts == "all" else 0)
        if counted < bound:
            return None
        return Refusal("queue", self.switches.retry_after, "The request queue is full.", status=503)

    def _think(self, question: Question, seen: Seen, request_id: str, now: float) -> Response | Reset | Later:
        switches, seed = self.switches, self._seed
        fault = attempt_fault(switches, seed, question.identity, seen.admitted)
        if fault is None and question.stream:
            fault = stream_fault(switches, seed, question.identity, seen.admitted)
        if fault:
            self.referee.fault(seen, fault)
        if fault in ("resets_before", "server_errors"):
            self.limits.release(0, now, succeeded=False)
            if fault == "resets_before":
                self.referee.broke(fault, self._number, seen, now)
            self.referee.end(self._number, now)
            return Reset() if fault == "resets_before" else server_error(switches, request_id)
        solution = look_up(self._book, question.text) or grade(question.text) or solve(question.text)
        reply = compose(switches, seed, question, solution, seen.admitted)
        self._remember(seen, solution, reply)
        tokens = _usage(question, reply)
        seconds = self._latency(question)
        extra = switches.stall_seconds if fault in ("stalls", "stream_stalls") else 0.0
        asked = _Asked(
            self._number, question, seen, self.referee, reply, tokens, fault, request_id, now, seconds + extra
        )
        return self._later(asked, seconds, extra)

    def _latency(self, question: Question) -> float:
        """Seconds before the first token."""
        switches = self.switches
        who = question.prompt if switches.filler_drawn_per == "prompt" else question.identity
        return spread(switches.latency, switches.latency_distribution, draw(self._seed, "latency", who))

    def _later(self, asked: _Asked, latency: float, extra: float) -> Later:
        """When the answer is due: after a time known now, or when the batch has written it."""
        switches, start = self.switches, None
        if switches.slots or switches.batch_tokens_per_second:
            work = self.batch.work(latency + extra, asked.tokens[1])
            start = partial(self.batch.start, work, asked.question.prompt_tokens)
        elif switches.tokens_per_second:
            asked.seconds += asked.tokens[1] / switches.tokens_per_second
        stream = self._stream(asked) if asked.question.stream else None
        if switches.output_charged == "as_produced" and start is None and asked.seconds > 0:
            asked.produced_a_second = asked.tokens[1] / asked.seconds
            asked.meters = self.limits.produce(asked.produced_a_second, asked.at)
        return Later(
            asked.seconds,
            finish=lambda connected: self._finish(asked, connected),
            abandon=lambda: self._abandon(asked),
            stop_on_disconnect=switches.on_disconnect == "abort",
            start=start,
            hung_up=lambda: asked.referee.broke("hung_up", asked.number, asked.seen, self._clock.now()),
            blank_line_seconds=switches.blank_line_seconds,
            stream=stream,
        )

    def _stream(self, asked: _Asked) -> Stream:
        """The answer in pieces, over the time it takes. One that breaks off does so halfway, in half the time."""
        switches = self.switches
        silent = switches.stall_seconds if asked.fault == "stream_stalls" else 0.0
        said = asked.seconds - silent
        if asked.fault == "stream_breaks":
            asked.seconds = said / 2
        wait = said - asked.tokens[1] / switches.tokens_per_second if switches.tokens_per_second else said / 2
        pace = Pace(
            wait=max(0.0, wait),
            span=said - max(0.0, wait),
            comment_seconds=switches.stream_comment_seconds,
            silent_seconds=silent,
            share=0.5 if asked.fault == "stream_breaks" else 1.0,
        )
        now = self._clock.now()
        headers = (("x-request-id", asked.request_id), *limit_headers(self.limits, now, self._clock.wall()))
        usage, malformed = asked.question.stream_usage, asked.fault == "malformed"
        return Stream(self._completion(asked), pace, headers, usage, malformed)

    def _release(self, asked: _Asked, produced: float, now: float, delivered: bool | None) -> None:
        """The request is over, after so many tokens; charges what was not charged all along. Delivered: None is not
        answered."""
        charged = 0.0
        for meter in asked.meters:
            meter.produce(-asked.produced_a_second, now)
            charged = asked.produced_a_second * (now - asked.at)
        self.limits.release(produced - charged, now, succeeded=delivered is not None)
        late = produced if self.switches.charge == "actual" else 0
        outcome = FAILED if delivered is None else DELIVERED if delivered else LOST
        asked.referee.end(asked.number, now, late, produced, outcome)

    def _remember(self, seen: Seen, solution: Solution | None, reply: Reply) -> None:
        self.referee.plant(seen, reply.planted)
        seen.kind = solution.kind if solution else "unsolved"
        seen.right_answer = solution.answer if solution else None
        seen.given_answer = reply.answer
        seen.finish_reason = "stop" if reply.complete else "length"
        seen.text_hash = blake2b(f"{reply.reasoning}\x1f{reply.content}".encode(), digest_size=8).hexdigest()

    def _abandon(self, asked: _Asked) -> None:
        now = self._clock.now()
        produced = asked.produced_a_second * (now - asked.at)
        asked.referee.broke("hung_up", asked.number, asked.seen, now)
        self._release(asked, produced, now, delivered=None)
        asked.referee.counts["aborted"] += 1

    def _finish(self, asked: _Asked, connected: bool) -> Response | Reset:
        now = self._clock.now()
        breaks = asked.fault in ("resets_after", "stream_breaks")
        delivered = connected and not breaks
        if breaks and asked.fault:
            asked.referee.broke(asked.fault, asked.number, asked.seen, now)
        self._release(asked, asked.tokens[1], now, delivered)
        asked.referee.answer(asked.seen, asked.question.reach, asked.tokens, delivered, now)
        if asked.seen.kind == "unsolved":
            asked.referee.counts["unsolved"] += 1
        if breaks:
            return Reset()
        body = orjson.dumps(self._completion(asked))
        if asked.fault == "malformed":
            body = body[: len(body) * 2 // 3]
        headers = (
            ("x-request-id", asked.request_id),
            ("x-simulated-service-ms", f"{max(asked.seconds, now - asked.at) * 1000:.3f}"),
            *limit_headers(self.limits, now, self._clock.wall()),
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
            "created": int(self._clock.wall()),
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
