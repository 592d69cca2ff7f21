"""The answers that are put aside because a screen fired on the window they came in, or before it (pure)."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from tasks.judge.screens.look import Firing
from tasks.judge.screens.policy import Screens

HELD_VERSION = 1
_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("teacher", pa.string()),
    ("from_at", pa.timestamp("us", tz="UTC")),
    ("reason", pa.string()),
    ("details", pa.string()),
]
HELD = pa.schema(_COLUMNS)


def held(screens: Screens, firings: Sequence[Firing]) -> pa.Table:
    """From when on which teacher's answers are put aside, and why; one row a firing."""
    first: dict[tuple[str, str], tuple[datetime, Firing]] = {}
    if screens.rows == "annotate":
        firings = ()
    for firing in firings:
        since = firing.look.from_at
        if firing.pauses and since is not None:
            first[firing.look.teacher, firing.look.screen] = since, firing
    rows = [
        {"teacher": teacher, "from_at": since, "reason": f"screen_{screen}", "details": _details(firing)}
        for (teacher, screen), (since, firing) in sorted(first.items())
    ]
    return pa.Table.from_pylist(rows, schema=HELD)


def _details(firing: Firing) -> str:
    return f"screen {firing.look.screen} fired on window {firing.look.window} (look {firing.look_id})"
