"""One look of a screen at a teacher, and what it saw (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tasks.judge.screens.policy import ScreenName

Verdict = Literal["fired", "passed", "too_few", "unknown", "baseline"]


@dataclass(frozen=True)
class Seen:
    """What the screens know of one answer."""

    at: datetime
    """When it was complete."""
    prompt_id: str
    family: str
    """Of its prompt; empty where the source names none."""
    right: bool | None
    """None: no canary, or not to be decided."""
    style: tuple[float, ...]
    """Of `style.features`, and of `style.question_features`; empty where the style is not looked at."""


@dataclass(frozen=True)
class Look:
    """What a screen said of one window of a teacher's answers, and with which power it would have said otherwise."""

    teacher: str
    screen: ScreenName
    window: int
    """From 1, in the order in which answers came."""
    verdict: Verdict
    """baseline: nothing to compare with yet; too_few: not enough answers for a window; unknown: nothing can be
    said."""
    n: int
    """Answers, or canaries, in the window."""
    reference_n: int
    """Those it was compared with; 0: a stated rate."""
    statistic: str
    """What was compared, with its values."""
    p: float | None
    level: float
    """Fires where p is at most this; the levels of a run sum to no more than the screen's alpha."""
    power: str
    """Which change would have been seen, and with which probability."""
    from_at: datetime | None
    to_at: datetime | None
    counts: dict[str, tuple[int, int]]
    """Right answers and canaries, by family; of `trigger`, dissimilar rows and rows, by phrase; empty for screens that
    count none."""

    @property
    def line(self) -> str:
        """One line that a person reads."""
        p = "" if self.p is None else f"; p {self.p:.2g}, fires at {self.level:.2g}"
        power = f"; {self.power}" if self.power else ""
        return f"{self.teacher}: screen {self.screen} {self.verdict} (window {self.window}): {self.statistic}{p}{power}"


@dataclass(frozen=True)
class Firing:
    """A screen that has fired and that nobody has acknowledged."""

    look_id: str
    look: Look
    pauses: bool
    holds: Mapping[str, str] | None = None
    """By id the traces that are put aside because of what they say, and what that is; None: the screen looks at
    windows."""

    @property
    def line(self) -> str:
        """One line: what was seen, and what to do next."""
        what = f"{self.look.teacher} is paused" if self.pauses else f"of {self.look.teacher} a screen has fired"
        ack = f"judge.screens.acknowledged: [{self.look_id}]"
        return f"{what}: {self.look.line.partition(': ')[2]}. Look at its answers; {ack} lets it go on"
