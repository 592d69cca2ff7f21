"""Which batches of one account are being sent (pure): at most so many at once, and each makes room for the next as
soon as its own rows are as good as sent, so that its last answers and the next one's start-up cost no budget."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

OVERLAP = 2
"""Batches in flight for each that is being sent: one that sends, one that waits for its last answers."""


class Turn:
    """One batch's permission to send."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free: asyncio.Semaphore | None = free
        self.segment_id = ""
        """Of the worker that asks for it now."""

    def end(self) -> None:
        """Make room for the next batch; once."""
        free, self._free = self._free, None
        if free:
            free.release()


class Turns:
    """The turns of one account."""

    def __init__(self, workers: int) -> None:
        self.takers = OVERLAP * workers
        self._free = asyncio.Semaphore(workers)
        self._taken: set[Turn] = set()

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Turn]:
        """Wait for a turn; it ends with the block, or when its batch runs dry."""
        await self._free.acquire()
        turn = Turn(self._free)
        self._taken.add(turn)
        try:
            yield turn
        finally:
            self._taken.discard(turn)
            turn.end()

    def make_room(self, dry: frozenset[str]) -> None:
        """End the turns of these segments."""
        for turn in self._taken:
            if turn.segment_id in dry:
                turn.end()
