"""The event loop that a worker asks on."""

import asyncio
import gc
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Done = TypeVar("Done")


def run_loop(work: Coroutine[Any, Any, Done]) -> Done:
    """Run on uvloop where there is one."""
    with _rarely_collecting():
        if sys.platform == "linux":
            import uvloop

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(work)
        return asyncio.run(work)


@contextmanager
def _rarely_collecting() -> Iterator[None]:
    """Let cyclic garbage grow to 50,000 objects before it is looked for (tens of MB): a look after every 700 was a
    tenth of asking's CPU, and a request leaves next to none."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
