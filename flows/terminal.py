"""What a person sees: the terminal is ours, and what Prefect, Ray and their children print goes to a log file.

The redirection is at the level of file descriptors, since Ray's and Prefect's processes write to those directly, some
of them while this process is already exiting.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from rich.console import Console

from warehouse.errors import StillhouseError


@dataclass(frozen=True)
class Terminal:
    """The person's own output and error streams, and the file that took their place."""

    out: Console
    err: Console
    log: Path | None


def plain_terminal() -> Terminal:
    """Nothing redirected: for verbs that start neither Prefect nor Ray."""
    return Terminal(Console(soft_wrap=True), Console(stderr=True, soft_wrap=True), None)


def redirect_to(log: Path) -> Terminal:
    """From now on descriptors 1 and 2 write to `log`; only the returned consoles reach the person."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    err = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8")
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    return Terminal(Console(file=out, soft_wrap=True), Console(file=err, stderr=True, soft_wrap=True), log)


def say_error(terminal: Terminal, error: StillhouseError) -> None:
    """One line: what happened and what to do; and where the details are, once there are any."""
    details = f" (details: {terminal.log})" if terminal.log and error.exit_code == 1 else ""
    terminal.err.print(f"[red]still:[/red] {_escaped(error)}{details}", highlight=False)


def _escaped(error: StillhouseError) -> str:
    return " ".join(str(error).split()).replace("[", r"\[")


def install_excepthook(terminal: Terminal) -> None:
    """An unforeseen error is a fault of ours: its traceback goes to the log, and one line names it and the file."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        if terminal.log:
            terminal.err.print(
                f"[red]still:[/red] {kind.__name__}: {str(error).splitlines()[0] if str(error) else 'no message'} "
                f"(details: {terminal.log})".replace("[/red]", "[/red]"),
                highlight=False,
            )

    sys.excepthook = hook
