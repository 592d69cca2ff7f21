"""What a check came to (pure)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """Counts of what was looked at; every fault on a line of its own, and what is no fault but must be said."""

    decisions: int
    chain_head: str
    """The newest decision: note it outside the data root."""
    versions: int
    shards: int
    rows: int
    parts: int
    faults: tuple[str, ...]
    said: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.faults


@dataclass(frozen=True)
class Checked:
    """What was looked at in one version."""

    shards: int = 0
    rows: int = 0
    faults: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
