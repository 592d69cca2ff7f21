"""What a person names to be recalled, and whom the gate refuses because of it (pure)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from warehouse.errors import BadInput
from warehouse.query import ID_LENGTH
from warehouse.records import content_id

_TRACE_ID = re.compile(f"[0-9a-f]{{{ID_LENGTH}}}")
_WORDS = {
    "teacher": "teacher",
    "route": "route",
    "terms": "terms",
    "since": "from",
    "until": "to",
    "decision": "decision",
    "prompt_source": "prompts of",
}


@dataclass(frozen=True)
class Selection:
    """All that is given holds together: a teacher and a time mean that teacher's answers of that time."""

    teacher: str | None = None
    route: str | None = None
    terms: str | None = None
    """Id of the terms, or their SHA-256."""
    since: datetime | None = None
    """From this time on, by when the answer came; UTC."""
    until: datetime | None = None
    """Before this time."""
    decision: str | None = None
    prompt_source: str | None = None
    """As the recipe names it; the end of a path is enough."""
    traces: tuple[str, ...] | None = None
    """Whole trace ids, sorted, each once."""

    @property
    def recall_id(self) -> str:
        """32 hex digits; the same selection is the same recall, so that the same command goes on."""
        return content_id("recall", *(repr(value) for value in self.as_dict().values()))

    @property
    def denies(self) -> bool:
        """Whether the gate refuses what is named from now on: not where only some answers are meant."""
        whom = (self.teacher, self.route, self.terms)
        only = (self.since, self.until, self.decision, self.prompt_source, self.traces)
        return any(whom) and not any(part is not None for part in only)

    @property
    def words(self) -> str:
        """One line that a person reads."""
        said = [f"{word} {value}" for name, word in _WORDS.items() if (value := self.as_dict()[name])]
        return ", ".join([*said, f"{len(self.traces):,} traces"] if self.traces is not None else said)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `from_dict` reads it."""
        times = {name: at.isoformat() if at else None for name, at in (("since", self.since), ("until", self.until))}
        return asdict(self) | times | {"traces": None if self.traces is None else list(self.traces)}


def from_dict(said: Mapping[str, Any]) -> Selection:
    """What `as_dict` gave."""
    times = {name: datetime.fromisoformat(said[name]) if said[name] else None for name in ("since", "until")}
    traces = None if said["traces"] is None else tuple(said["traces"])
    return Selection(**{**said, **times, "traces": traces})


def select(
    teacher: str | None = None,
    route: str | None = None,
    terms: str | None = None,
    since: str | None = None,
    until: str | None = None,
    decision: str | None = None,
    prompt_source: str | None = None,
    traces: Sequence[str] | None = None,
) -> Selection:
    """Read what was given.

    Raises:
        BadInput: nothing was given, a name is empty, a time is none, the times are the wrong way round, or a line is no
            trace id.
    """
    listed = None if traces is None else tuple(sorted({line.strip() for line in traces if line.strip()}))
    if listed == ():
        raise BadInput("--traces names a file without a trace id: write one id a line")
    for line in listed or ():
        if not _TRACE_ID.fullmatch(line):
            raise BadInput(
                f"--traces holds {line[:60]!r}, which is no trace id: "
                f"write whole ids of {ID_LENGTH} hex digits, one a line"
            )
    found = Selection(
        teacher, route, terms, _time("--from", since), _time("--to", until), decision, prompt_source, listed
    )
    for option, name in (("--teacher", teacher), ("--route", route), ("--terms", terms), ("--decision", decision),
                         ("--prompt-source", prompt_source)):  # fmt: skip
        if name is not None and not name.strip():
            raise BadInput(f"{option} is empty: name what is to be recalled")
    if found.since and found.until and found.since >= found.until:
        raise BadInput(f"--from {since} is not before --to {until}: no answer came in such a time")
    if found == Selection():
        raise BadInput(
            "nothing was named to be recalled: give --teacher, --route, --terms, --from, --to, --decision,"
            " --prompt-source or --traces"
        )
    return found


def _time(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{option} {text} is no time: write it as 2026-11-21 or 2026-11-21T12:00:00Z") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
