"""How many requests may be in flight at once, where nobody says so (pure): doubled until the first loss or until
more in flight brings no more tokens, then one more a round, and fewer after each cascade of losses."""

from collections.abc import Sequence

FEWER = 0.75
"""An overloaded reply or a timeout multiplies the slots by this, once per cascade (DataDesigner's constant)."""
SLOWER = 0.9
"""What a queue at the server, or answers that slow down in proportion, multiply them by."""
START_CONCURRENCY = 32
"""Of a server that has no rates."""
SLOW_START = 4
"""Where nothing is known: the first responses may tell."""
MAX_CONCURRENCY = 1024
"""Where neither the account nor a rate bounds it."""
GREW = 1.25
"""So much more in flight is a step that can be judged by its effect."""
SATURATED = 0.8
"""A step of g that makes each token g^0.8 slower has brought less than g^0.2 more tokens a second: it is taken back."""
QUEUE_HIGH, QUEUE_LOW = 0.10, 0.05
"""Waiting requests per running one at the server: above the first there are too many, below the second more may come.
A short queue keeps a batching server busy; a longer one only adds to latency."""
QUEUE_S = 1.0
"""Between two decreases for the queue: as often as it is looked at."""


class Slots:
    """The adaptive limit of one pool. Not thread-safe: one owner calls it."""

    def __init__(self, stated: int | None, start: int = START_CONCURRENCY) -> None:
        self._stated = stated
        self._limit = float(stated or start)
        self._is_paced = False
        self._has_lost = False
        self._lost_at = self._queue_at = float("-inf")
        self._queue: float | None = None
        self._answers, self._seconds, self._tokens = 0, 0.0, 0
        self._mark: tuple[float, float] | None = None
        """Slots and seconds per output token when a step was last judged."""
        self._settling = 0.0
        """Answers that still belong to before the last step."""

    @property
    def limit(self) -> int:
        return max(1, int(self._limit))

    def set_stated(self, stated: int | None) -> None:
        """A limit that the account states; the lowest of several holds."""
        if stated is not None:
            self._stated = min(stated, self._stated or stated)
            self._limit = min(self._limit, float(self._stated))

    def set_paced(self) -> None:
        """A rate per minute is known now: it paces what is sent, so a slow start would only cost time."""
        if not self._is_paced:
            self._is_paced = True
            self._limit = float(self._stated or MAX_CONCURRENCY)

    def state(self) -> tuple[float, bool]:
        """What was learned, for a restart."""
        return self._limit, self._has_lost

    def restore(self, state: Sequence[float]) -> None:
        """Go on from there; a stated limit holds whatever was learned."""
        limit, self._has_lost = state[0], bool(state[1])
        self._limit = min(limit, float(self._stated or MAX_CONCURRENCY))

    def note_answers(self, answers: int, seconds: float, tokens: int, in_flight: int) -> None:
        """Answers came; their latencies and output tokens are sums. An idle teacher proves nothing about a higher
        limit."""
        if in_flight < self._limit / 2:
            return
        if self._queue is None:
            self._judge_step(answers, seconds, tokens)
        if self._queue is None or self._queue <= QUEUE_LOW:
            self._grow(answers)

    def note_loss(self, sent_at: float, now: float) -> None:
        """The teacher is overloaded; once for all that was sent before it was known."""
        if sent_at > self._lost_at:
            self._has_lost, self._lost_at = True, now
            self._limit = max(1.0, self._limit * FEWER)

    def note_queue(self, waiting: float, running: float, now: float) -> None:
        """What the server's own metrics say."""
        self._queue = waiting / max(running, 1.0)
        if self._queue > QUEUE_HIGH and now - self._queue_at >= QUEUE_S:
            self._has_lost, self._queue_at = True, now
            self._limit = max(1.0, self._limit * SLOWER)

    def _grow(self, answers: int) -> None:
        most = float(self._stated or MAX_CONCURRENCY)
        more = answers / self._limit if self._has_lost else float(answers)
        self._limit = min(most, self._limit + more)

    def _judge_step(self, answers: int, seconds: float, tokens: int) -> None:
        """Once a round of answers has come from the new number of slots, see what the step has brought."""
        if self._stated is not None or not tokens:
            return
        self._settling -= answers
        if self._settling > 0:
            return
        self._answers, self._seconds, self._tokens = (
            self._answers + answers,
            self._seconds + seconds,
            self._tokens + tokens,
        )
        if self._answers < self._limit:
            return
        pace, slots = self._seconds / self._tokens, self._limit
        self._answers, self._seconds, self._tokens, self._settling = 0, 0.0, 0, slots
        if self._mark is None or slots < self._mark[0]:
            self._mark = (slots, pace)
        elif slots >= GREW * self._mark[0]:
            if pace >= self._mark[1] * (slots / self._mark[0]) ** SATURATED:
                self._has_lost, self._limit = True, max(1.0, self._mark[0])
            else:
                self._mark = (slots, pace)
        elif pace > self._mark[1] * GREW:
            self._limit = max(1.0, slots * SLOWER)
