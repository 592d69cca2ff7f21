"""Every error a person can meet, in one small tree.

    StillhouseError
    ├── BadInput        the command, recipe, registry or data root is wrong: exit 2, nothing was changed
    │   ├── Denied      the gate refused a teacher: the message names the term and the remedy
    │   └── Busy        somebody else holds the lock: the message names the holder
    └── RunFailed       the input was right and the run could not finish: exit 1, everything received is kept

A message says what happened, with the value, and then what to do next; it is one line.
"""


class StillhouseError(Exception):
    """The root of every error that is shown to a person as one line."""

    exit_code = 1


class BadInput(StillhouseError):
    """What was given cannot be used; nothing was asked, written or published because of it."""

    exit_code = 2


class Denied(BadInput):
    """The right-to-train gate said no."""


class Busy(BadInput):
    """A lock of the data root is held by another process."""


class RunFailed(StillhouseError):
    """A run stopped before its end; running the same command again goes on where it stopped."""
