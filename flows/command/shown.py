"""What a person sees: the terminal is ours, and what Prefect, Ray and their children print goes to a log file.

The redirection is at the level of file descriptors, since Ray's and Prefect's processes write to those directly, some
of them while this process is already exiting.
"""

import os
import sys
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.markup import escape

from warehouse.errors import StillhouseError


class _Streams:
    """The one piece of state this module owns: where the person is, and which file took the descriptors' place."""

    out = Console()
    err = Console(stderr=True)
    log: Path | None = None


def out() -> Console:
    """The person's own standard output."""
    return _Streams.out


def redirect_to(log: Path) -> Console:
    """From now on descriptors 1 and 2 write to `log`; only this module's consoles reach the person."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    _Streams.out = Console(file=os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8"))
    _Streams.err = Console(file=os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8"))
    _Streams.log = log
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.excepthook = _log_unforeseen
    return _Streams.out


def say(line: str) -> None:
    """One line on standard error, as plain text."""
    _Streams.err.print(f"still: {line}", markup=False, highlight=False, soft_wrap=True)


def say_error(error: StillhouseError) -> None:
    """One line: what happened and what to do; and the log, for a run that failed."""
    details = f" (details: {_Streams.log})" if _Streams.log and error.exit_code == 1 else ""
    _Streams.err.print(
        f"[red]still:[/red] {escape(' '.join(str(error).split()))}{details}", highlight=False, soft_wrap=True
    )


def _log_unforeseen(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An unforeseen error is a fault of ours: its traceback goes to the log, and one line names it and the file."""
    sys.__excepthook__(kind, error, trace)
    message = str(error).splitlines()[0] if str(error) else "no message"
    say(f"{kind.__name__}: {message} (a fault of Stillhouse; details: {_Streams.log})")
