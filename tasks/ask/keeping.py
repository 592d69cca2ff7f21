"""The keeper and its converter as Ray actors: one of each a run, on the driver's node, started when a worker first
needs them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import ActorUnavailableError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tasks.ask.call import WorkerDone
from warehouse.errors import RunFailed, StillhouseError
from warehouse.layout import DataRoot

if TYPE_CHECKING:
    from tasks.ask.segment import SegmentHeader

UNREACHABLE_S = 30.0
"""A keeper that cannot be reached for so long has gone. Nothing is sent meanwhile, since no intent is durable."""
TRY_AGAIN_S = 0.2


class KeeperGone(RunFailed):
    """A keeper is dead, or cannot be reached; whatever it held is free."""


@dataclass(frozen=True)
class Actors:
    """Handles, as workers get them."""

    keeper: Any
    converter: Any


class RemoteKeeper:
    """A keeper on another node. A call that may or may not have arrived is made again: it happens once."""

    def __init__(self, actors: Actors) -> None:
        self._keeper, self._converter = actors.keeper, actors.converter

    async def read(self, path: str) -> bytes:
        return bytes(await self._call(self._keeper.read, path))

    async def open(self, header: "SegmentHeader") -> int:
        return int(await self._call(self._keeper.open, header))

    async def append(self, segment_id: str, offset: int, group: bytes) -> None:
        await self._call(self._keeper.append, segment_id, offset, group)

    async def close(self, segment_id: str) -> None:
        await self._call(self._keeper.close, segment_id)

    async def convert(self, header: "SegmentHeader") -> WorkerDone:
        done: WorkerDone = await self._call(self._converter.convert, header)
        return done

    async def close_all(self) -> None:
        await self._call(self._keeper.close_all)

    async def _call(self, method: Any, *arguments: Any) -> Any:
        return await calling(lambda: method.remote(*arguments))


async def calling(call: Callable[[], Awaitable[Any]], unreachable_s: float = UNREACHABLE_S) -> Any:
    """Make a call of an actor until it has been made.

    Raises: KeeperGone: it is dead, or was not to be reached for so long. StillhouseError: as the actor raised it.
    """
    deadline = time.monotonic() + unreachable_s
    while True:
        try:
            return await call()
        except ActorUnavailableError as error:
            if time.monotonic() >= deadline:
                raise _gone(error) from error
        except RayError as error:
            if isinstance(error, RayTaskError) and isinstance(error.cause, StillhouseError):
                raise type(error.cause)(*error.cause.args) from None
            raise _gone(error) from error
        await asyncio.sleep(TRY_AGAIN_S)


def _gone(error: RayError) -> KeeperGone:
    said = str(error).strip().splitlines()[0]
    return KeeperGone(
        f"the keeper of the journals on the driver's node has gone ({said}), so nothing more was sent; run again"
    )


class Keeping:
    """A run's keeper, as its driver has it. It dies with the driver, and lets go of every journal."""

    def __init__(self, root: DataRoot) -> None:
        self._root = root
        self.actors: Actors | None = None
        """None where every worker so far sees the data root."""

    def start(self) -> Actors:
        """The keeper, which is started if there is none yet."""
        from tasks.ask.keeper import Converter, Keeper  # authorities import this module, and restart sooner without

        if self.actors is None:
            options = {"num_cpus": 0, "max_restarts": 0, "scheduling_strategy": on_this_node(soft=False)}
            kinds = (Keeper, Converter)
            self.actors = Actors(*(ray.remote(kind).options(**options).remote(self._root) for kind in kinds))
        return self.actors

    async def give_up(self, segment_id: str) -> None:
        """A worker is gone: let go of its journal, and accept nothing more from it."""
        if self.actors is not None:
            with suppress(KeeperGone):  # then nobody holds anything
                await RemoteKeeper(self.actors).close(segment_id)

    async def close(self) -> None:
        """End the keeper, and with it whoever still asks through it."""
        if self.actors is not None:
            with suppress(KeeperGone):
                await RemoteKeeper(self.actors).close_all()
            ray.kill(self.actors.keeper)
            ray.kill(self.actors.converter)


def on_this_node(soft: bool) -> NodeAffinitySchedulingStrategy:
    """Ray's way to say: where the driver is, which sees the data root; `soft`: elsewhere if that node has gone."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=soft)
