"""The simulated teacher as a process: `python -m infra.simulated_teacher --port 0 --preset demo --seed 1`.

Prints one line of JSON on stdout once it listens: `{"port": ..., "base_url": "http://127.0.0.1:PORT/v1",
...}`. Every switch is a flag too (`wrong_answers` is `--wrong-answers`). Exit 0 on SIGTERM or SIGINT, 2 on a
bad flag.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import orjson

from infra.simulated_teacher import budget, pages
from infra.simulated_teacher.app import Teacher
from infra.simulated_teacher.book import BadBook, read_book
from infra.simulated_teacher.clock import CallLater, RealClock, VirtualClock
from infra.simulated_teacher.server import Connection
from infra.simulated_teacher.switches import (
    SWITCHES,
    TYPES,
    BadSwitch,
    Change,
    Switches,
    parse_change,
    preset,
    presets,
    scenario,
    scenarios,
)

HOST = "127.0.0.1"
DEFAULT_PORT = 8909
_BACKLOG = 4096


def parser() -> argparse.ArgumentParser:
    """All flags; those of the switches come from the switches themselves."""
    found = argparse.ArgumentParser(
        prog="python -m infra.simulated_teacher",
        description=__doc__.split("\n")[0],
        epilog=f"{pages.__doc__}\n{budget.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--host", default=HOST, help=f"address to listen on (default {HOST})")
    found.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"0 picks a free one (default {DEFAULT_PORT})")
    found.add_argument("--seed", type=int, default=0, help="the same seed gives the same answers")
    found.add_argument("--preset", default="clean", help=f"one of {', '.join(presets())}; flags go over it")
    found.add_argument(
        "--scenario",
        action="append",
        default=[],
        help=f"goes over the preset: {', '.join(scenarios())}; may be repeated",
    )
    found.add_argument(
        "--clock", choices=("real", "virtual"), default="real", help="virtual: time moves by POST /referee/clock alone"
    )
    found.add_argument("--api-key", default="", help="asked of every client when given")
    found.add_argument("--answer-book", type=Path, help="JSONL with question and answer (ending in #### x)")
    found.add_argument("--parent-pid", type=int, help="exit when this process is gone")
    found.add_argument(
        "--change",
        action="append",
        default=[],
        metavar="JSON",
        help='{"after_requests": 100, "rpm": 60}, or after_first, after_seconds; may be given several times',
    )
    group = found.add_argument_group("switches")
    for name, switch in SWITCHES.items():
        text = f"{switch.metadata['help']} (default {switch.default})".replace("%", "%%")
        group.add_argument(f"--{name.replace('_', '-')}", type=TYPES[name], dest=name, help=text)
    return found


def teacher(flags: argparse.Namespace, clock: RealClock | VirtualClock) -> Teacher:
    """The teacher these flags describe. BadSwitch or BadBook where they cannot be followed."""
    given = {name: getattr(flags, name) for name in SWITCHES if getattr(flags, name) is not None}
    switches: Switches = preset(flags.preset)
    changes: list[Change] = []
    for name in flags.scenario:
        values, later = scenario(name)
        switches = switches.changed(values)
        changes += later
    switches = switches.changed(given)
    for text in flags.change:
        try:
            values = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise BadSwitch(f"--change {text!r} is not JSON: {error}") from error
        if not isinstance(values, dict):
            raise BadSwitch(f"--change {text!r} is not a JSON object")
        changes.append(parse_change(values))
    book = read_book(flags.answer_book) if flags.answer_book else {}
    return Teacher(switches, flags.seed, book, flags.api_key, tuple(changes), clock)


def _stop_with(pid: int, stop: asyncio.Event) -> None:
    """Sets `stop` when process `pid` is gone."""
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        stop.set()
        return
    except (OSError, AttributeError):  # no such system call here: look now and then instead
        loop.call_later(0.5, _look_for, pid, stop)
        return
    loop.add_reader(descriptor, stop.set)


def _look_for(pid: int, stop: asyncio.Event) -> None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        stop.set()
        return
    asyncio.get_running_loop().call_later(0.5, _look_for, pid, stop)


async def serve(
    application: Teacher, clock: RealClock | VirtualClock, host: str, port: int, parent_pid: int | None
) -> None:
    """Listens until told to stop. OSError where the address cannot be had."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    waits: CallLater = clock if isinstance(clock, VirtualClock) else loop
    if isinstance(clock, RealClock):
        clock.loop = loop
    application.start()
    server = await loop.create_server(lambda: Connection(application, waits), host, port, backlog=_BACKLOG)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if parent_pid is not None:
        _stop_with(parent_pid, stop)
    bound = server.sockets[0].getsockname()[1]
    line = {"port": bound, "base_url": f"http://{host}:{bound}/v1", "pid": os.getpid(), "simulated": True}
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


def _run(application: Teacher, clock: RealClock | VirtualClock, flags: argparse.Namespace) -> None:
    coroutine = serve(application, clock, flags.host, flags.port, flags.parent_pid)
    try:
        import uvloop
    except ImportError:
        asyncio.run(coroutine)
    else:
        uvloop.run(coroutine)


def main(arguments: Sequence[str] | None = None) -> int:
    flags = parser().parse_args(arguments)
    clock = VirtualClock() if flags.clock == "virtual" else RealClock()
    try:
        application = teacher(flags, clock)
    except (BadSwitch, BadBook) as error:
        sys.stderr.write(f"simulated teacher: {error}\n")
        return 2
    try:
        with suppress(KeyboardInterrupt):
            _run(application, clock, flags)
    except OSError as error:
        sys.stderr.write(f"simulated teacher: cannot listen on {flags.host}:{flags.port}: {error.strerror}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
