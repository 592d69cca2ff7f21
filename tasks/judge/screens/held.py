"""The answers that are put aside because a screen fired on the window they came in, or before it, or on what they say
(pure)."""

from collections.abc import Iterator, Sequence
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
    ("trace_id", pa.string()),
]
HELD = pa.schema(_COLUMNS)
"""Whose answers from when on; or, with a `trace_id`, that one."""


def held(screens: Screens, firings: Sequence[Firing]) -> pa.Table:
    """From when on which teacher's answers are put aside, and why: one row a firing, or a trace that it names."""
    first: dict[tuple[str, str], tuple[datetime, Firing]] = {}
    if screens.rows == "annotate":
        firings = ()
    for firing in firings:
        since = firing.look.from_at
        if firing.holds is None and firing.pauses and since is not None:
            first[firing.look.teacher, firing.look.screen] = since, firing
    rows: list[dict[str, object]] = [
        {"teacher": teacher, "from_at": since, "reason": f"screen_{screen}", "details": _details(firing)}
        for (teacher, screen), (since, firing) in sorted(first.items())
    ]
    return pa.Table.from_pylist(rows + [row for firing in firings for row in _traces(firing)], schema=HELD)


def _traces(firing: Firing) -> Iterator[dict[str, object]]:
    for trace_id, phrase in sorted((firing.holds or {}).items()):
        is_phrase = firing.look.screen == "trigger"
        what = f'"{phrase}" is said by {firing.look.teacher} alone' if is_phrase else phrase
        details = f"{what} (look {firing.look_id})"
        reason = f"screen_{firing.look.screen}"
        yield {"teacher": firing.look.teacher, "reason": reason, "details": details, "trace_id": trace_id}


def _details(firing: Firing) -> str:
    return f"screen {firing.look.screen} fired on window {firing.look.window} (look {firing.look_id})"
