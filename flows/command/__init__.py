"""`still`: each verb is one call that Python can make too. Exit 0 done, 1 the run failed, 2 bad usage or bad input."""

import sys

from flows.command import shown
from flows.command.app import app
from warehouse.errors import StillhouseError


def main() -> None:
    """The console script. Every error of ours becomes one line and an exit code."""
    try:
        app()
    except StillhouseError as error:
        shown.say_error(error)
        sys.exit(error.exit_code)
