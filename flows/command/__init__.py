"""`still`: each verb is one call that Python can make too. Exit 0 done, 1 the run failed, 2 bad usage or bad input."""

import sys

from flows.settings import quiet_dependencies


def main() -> None:
    """The console script. Every error of ours becomes one line and an exit code."""
    quiet_dependencies()
    from flows.command import shown  # after the switches are set: these modules read them at import
    from flows.command.app import app
    from warehouse.errors import StillhouseError

    try:
        app()
    except StillhouseError as error:
        shown.say_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        shown.say("stopped: everything received is kept; the same command goes on where this one stopped")
        sys.exit(130)
