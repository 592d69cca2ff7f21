"""What the referee saw and counted. Pure; every method that needs the time is given it.

State is in memory: one record for each question (about 1 kB), and for the sliding minute one entry for each
10 ms in which something happened. Windows are therefore exact to 10 ms.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.simulated_teacher.budget import GRACE_SECONDS
from infra.simulated_teacher.limits import Refusal
from infra.simulated_teacher.question import Question
from infra.simulated_teacher.switches import Switches
from infra.simulated_teacher.timeline import FAILED, Changed, Refused, Timeline

WINDOW_SECONDS = 60.0
TOLD_SECONDS = 0.5 + GRACE_SECONDS
"""A 429 that says when to come back reaches every worker of a client within this: workers that renew their leases at
least twice a second, as a client of several processes should, and the delivery."""
_SLOTS_A_SECOND = 100
ALWAYS_COUNTED = ("requests", "tokens", "concurrency", "storm")
WINDOW_COUNTS = ("requests", "admitted", "tokens_charged", "tokens_billed")


@dataclass(slots=True)
class Seen:
    """One question as the referee saw it. An answer is billed whether or not it reached the client."""

    question: str
    client_request_id: str
    prompt: str
    received: int = 0
    admitted: int = 0
    answered: int = 0
    undelivered: int = 0
    deliveries: tuple[bool, ...] = ()
    answered_beyond_need: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    highest_cap: float = 0
    attempt_faults: list[str] = field(default_factory=list)
    kind: str = ""
    right_answer: str | None = None
    given_answer: str | None = None
    planted: tuple[str, ...] = ()
    finish_reason: str = ""
    text_hash: str = ""

    def counts(self) -> dict[str, object]:
        names = ("question", "client_request_id", "received", "admitted", "answered", "undelivered")
        more = ("answered_beyond_need", "prompt_tokens", "completion_tokens", "attempt_faults")
        return {name: getattr(self, name) for name in names + more}

    def payments(self) -> dict[str, object]:
        """Each answer was paid; `deliveries` says, in their order, which of them reached a connected client. Tokens are
        those of all answers together."""
        names = ("question", "client_request_id", "received", "answered", "deliveries", "answered_beyond_need")
        more = ("prompt_tokens", "completion_tokens", "attempt_faults")
        return {name: getattr(self, name) for name in names + more}

    def truth(self) -> dict[str, object]:
        names = ("question", "client_request_id", "prompt", "kind", "right_answer", "given_answer", "planted")
        return {name: getattr(self, name) for name in (*names, "finish_reason", "text_hash", "attempt_faults")}


@dataclass(slots=True)
class SlidingMinute:
    """The most that any 60 s held, for several counts at once."""

    slots: deque[list[int]] = field(default_factory=deque)
    sums: list[int] = field(default_factory=lambda: [0] * len(WINDOW_COUNTS))
    most: list[int] = field(default_factory=lambda: [0] * len(WINDOW_COUNTS))

    def add(self, now: float, count: int, amount: int) -> None:
        slot = int(now * _SLOTS_A_SECOND)
        while self.slots and self.slots[0][0] <= slot - WINDOW_SECONDS * _SLOTS_A_SECOND:
            for at, left in enumerate(self.slots.popleft()[1:]):
                self.sums[at] -= left
        if not self.slots or self.slots[-1][0] != slot:
            self.slots.append([slot] + [0] * len(WINDOW_COUNTS))
        self.slots[-1][count + 1] += amount
        self.sums[count] += amount
        self.most[count] = max(self.most[count], self.sums[count])


@dataclass(slots=True)
class Referee:
    """Counts since the start or the last reset."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    refused_503: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    questions: dict[str, Seen] = field(default_factory=dict)
    minute: SlidingMinute = field(default_factory=SlidingMinute)
    timeline: Timeline = field(default_factory=Timeline)
    max_in_flight: int = 0
    wait_until: float = 0.0
    told_to_wait_at: float = 0.0
    identity_of: dict[str, str] = field(default_factory=dict)

    def received(self, question: Question, now: float) -> Seen:
        self.counts["requests"] += 1
        self.minute.add(now, 0, 1)
        self.timeline.received.append(now)
        if self.told_to_wait_at + TOLD_SECONDS < now < self.wait_until:
            self.violations["before_retry_after"] += 1
        seen = self.questions.get(question.identity)
        if seen is None:
            seen = Seen(question.identity, question.client_request_id, question.prompt)
            self.questions[question.identity] = seen
            self._one_body(question)
        seen.received += 1
        self.counts["received_again"] += seen.received == 2
        return seen

    def _one_body(self, question: Question) -> None:
        if question.client_request_id:
            first = self.identity_of.setdefault(question.client_request_id, question.identity)
            if first != question.identity:
                self.violations["one_request_id_two_bodies"] += 1

    def refuse(self, refusal: Refusal, now: float) -> None:
        self.timeline.refused.append(Refused(now, refusal.kind, refusal.status))
        if refusal.status != 429:
            self.refused_503[refusal.kind] += 1
            return
        self.refused[refusal.kind] += 1
        if refusal.kind != "storm":
            self.violations[f"{refusal.kind}_over_limit"] += 1
        if refusal.kind != "concurrency" and now >= self.wait_until:
            self.told_to_wait_at, self.wait_until = now, now + refusal.wait

    def admit(self, seen: Seen, number: int, charged: int, prompt_tokens: int, in_flight: int, now: float) -> None:
        """Request `number` is let in, and charged by the provider's rule."""
        seen.admitted += 1
        self.timeline.admit(number, seen.question, charged, prompt_tokens, now)
        self.minute.add(now, 1, 1)
        self.minute.add(now, 2, charged)
        self.max_in_flight = max(self.max_in_flight, in_flight)

    def end(self, number: int, now: float, late: float = 0, output: float = 0, outcome: int = FAILED) -> None:
        """Request `number` is no longer in flight; see Timeline."""
        self.timeline.end(number, late, output, outcome, now)

    def broke(self, kind: str, number: int, seen: Seen, now: float) -> None:
        """The connection of request `number` broke while it was in flight."""
        self.timeline.broke(kind, number, seen.question, now)

    def changed(self, values: Mapping[str, object], before: Switches, in_flight: int, now: float) -> None:
        """Switches were changed."""
        pairs = {name: (getattr(before, name), value) for name, value in values.items()}
        self.timeline.changes.append(Changed(now, in_flight, pairs))

    def fault(self, seen: Seen, fault: str) -> None:
        """A fault of this attempt (not of the text)."""
        self.faults[fault] += 1
        seen.attempt_faults.append(fault)

    def answer(self, seen: Seen, cap: int | None, tokens: tuple[int, int, int], delivered: bool, now: float) -> None:
        """An answer is billed; `tokens`: of the prompt, the completion, and the reasoning in it."""
        reach = float("inf") if cap is None else float(cap)
        if seen.answered:
            self.counts["answered_again"] += seen.answered == 1
            self.counts["answers_beyond_first"] += 1
            if reach <= seen.highest_cap:
                self.counts["answers_beyond_need"] += 1
                seen.answered_beyond_need += 1
        seen.highest_cap = max(seen.highest_cap, reach)
        seen.answered += 1
        seen.deliveries += (delivered,)
        seen.prompt_tokens += tokens[0]
        seen.completion_tokens += tokens[1]
        self.counts["answered"] += 1
        for name, amount in zip(("prompt_tokens", "completion_tokens", "reasoning_tokens"), tokens, strict=True):
            self.counts[name] += amount
        self.minute.add(now, 3, tokens[0] + tokens[1])
        if not delivered:
            seen.undelivered += 1
            self.counts["undelivered"] += 1

    def plant(self, seen: Seen, planted: tuple[str, ...]) -> None:
        """The text's faults, counted once a question."""
        if seen.answered == 0:
            self.faults.update(planted)
        seen.planted = planted

    def report(self) -> dict[str, Any]:
        """The counts as JSON. `answered_again`: questions answered more than once; `answers_beyond_need`:
        answers
        given again although an earlier one had no lower max_tokens; `breaks`: see /referee/breaks."""
        names = (
            "requests",
            "answered",
            "undelivered",
            "aborted",
            "unsolved",
            "bad_requests",
            "unauthorized",
            "out_of_credit",
        )
        tokens = ("prompt_tokens", "completion_tokens", "reasoning_tokens")
        again = ("received_again", "answered_again", "answers_beyond_first", "answers_beyond_need")
        return {
            **{name: self.counts[name] for name in names + tokens + again},
            "refused_429": {**dict.fromkeys(ALWAYS_COUNTED, 0), **self.refused},
            "refused_503": dict(self.refused_503),
            "questions": len(self.questions),
            "breaks": len(self.timeline.breaks),
            "max_in_flight": self.max_in_flight,
            "most_in_60s": dict(zip(WINDOW_COUNTS, self.minute.most, strict=True)),
            "faults": dict(self.faults),
            "violations": dict(self.violations),
        }

    def select(self, client_request_id: str, again: bool, fault: str) -> Iterator[Seen]:
        """Questions in the order of their first arrival; each argument left empty selects all."""
        for seen in self.questions.values():
            if client_request_id and seen.client_request_id != client_request_id:
                continue
            if (again and seen.received < 2) or (fault and fault not in seen.planted):
                continue
            yield seen
