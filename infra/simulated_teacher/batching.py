"""An inference server of one's own as a batch model: so many answers are written at once, the others wait in line.

Each running answer gets `one` tokens a second, or its even part of what the whole batch makes. All running answers so
advance alike, and an answer is done when what each of them has made since it began reaches its work: one number and a
heap, whatever the batch. Latency before the first token counts as work at the speed of one. Pure but for the clock.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from infra.simulated_teacher.clock import Clock, Handle
from infra.simulated_teacher.switches import Switches

_DEFAULT_SPEED = 1e5  # tokens_per_second = 0 says at once
_ROUNDING = 1e-3  # of a token


@dataclass(slots=True, eq=False)
class Job:
    """One answer; `cancel` takes it out of the line or the batch."""

    batch: Batch
    order: int
    work: float
    prompt_tokens: int
    done: Callable[[], None] | None
    began_at: float = -1.0

    def cancel(self) -> None:
        self.batch.cancel(self)

    def __lt__(self, other: Job) -> bool:
        return self.order < other.order


class Batch:
    """The line and the batch of one server."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        self._clock = clock
        self._line: deque[Job] = deque()
        self._ends: list[tuple[float, Job]] = []
        self._made = 0.0
        self._at = clock.now()
        self._order = 0
        self._timer: Handle | None = None
        self.running = 0
        self.held_tokens = 0.0
        self.switches = switches

    @property
    def waiting(self) -> int:
        return len(self._line)

    def change(self, switches: Switches) -> None:
        """Other slots and speeds from now on."""
        self._advance()
        self.switches = switches
        self._fill()

    def work(self, latency: float, tokens: int) -> float:
        """Tokens of work: the answer's, and the latency's at full speed."""
        return tokens + latency * self._one()

    def start(self, work: float, prompt_tokens: int, done: Callable[[], None]) -> Handle:
        """`done` is called when the answer is written."""
        self._advance()
        self._order += 1
        job = Job(self, self._order, work, prompt_tokens, done)
        self._line.append(job)
        self._fill()
        return job

    def cancel(self, job: Job) -> None:
        if job.done is None:
            return
        self._advance()
        job.done = None
        if job.began_at < 0:
            self._line.remove(job)
        else:
            self._leave(job)
        self._fill()

    def _one(self) -> float:
        return self.switches.tokens_per_second or _DEFAULT_SPEED

    def _speed(self) -> float:
        """Tokens a second of each running answer."""
        whole = self.switches.batch_tokens_per_second
        return min(self._one(), whole / max(1, self.running)) if whole else self._one()

    def _advance(self) -> None:
        now = self._clock.now()
        made = (now - self._at) * self._speed()
        self._made += made
        self.held_tokens += made * self.running
        self._at = now

    def _leave(self, job: Job) -> None:
        self.running -= 1
        self.held_tokens -= job.prompt_tokens + self._made - job.began_at
        if not self.running:
            self._made = self.held_tokens = 0.0  # keeps the sums small and exact
            self._ends.clear()

    def _fill(self) -> None:
        """Takes from the line what fits, and waits for the next end."""
        while self._line and (not self.switches.slots or self.running < self.switches.slots):
            job = self._line.popleft()
            job.began_at = self._made
            self.running += 1
            self.held_tokens += job.prompt_tokens
            heapq.heappush(self._ends, (self._made + job.work, job))
        while self._ends and self._ends[0][1].done is None:
            heapq.heappop(self._ends)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ends:
            left = max(0.0, self._ends[0][0] - self._made) / self._speed()
            self._timer = self._clock.call_later(left, self._end)

    def _end(self) -> None:
        self._advance()
        self._timer = None
        over: list[Callable[[], None]] = []
        while self._ends and self._ends[0][0] <= self._made + _ROUNDING:
            job = heapq.heappop(self._ends)[1]
            if job.done is not None:
                over.append(job.done)
                job.done = None
                self._leave(job)
        self._fill()
        for done in over:
            done()

    def cache_used(self) -> float:
        """The part of the key-value cache that is in use, 0 to 1."""
        self._advance()
        switches = self.switches
        whole = switches.kv_cache_tokens
        used = self.held_tokens / whole if whole else self.running / max(1, switches.slots)
        return min(1.0, used)
