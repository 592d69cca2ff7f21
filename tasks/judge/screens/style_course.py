"""The style of a teacher's traces as they come, cut into windows, each looked at once (pure).

Fed and gone on with as the course of `accuracy_course.py`; holds a window of numbers, and at most KEPT_WINDOWS for
reference.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from tasks.judge.screens import smirnov, style
from tasks.judge.screens.look import Look, Seen, Verdict
from tasks.judge.screens.policy import StyleScreen
from tasks.judge.screens.smirnov import Values
from tasks.judge.screens.spending import Risk

KEPT_WINDOWS = 5
"""In the reference; more would sharpen the test little, as the window's own error stays, and cost memory."""
FEWEST_MATCHED = 50
"""Traces of a window whose families the reference has, below which nothing is said."""
POWER = 0.9

Row = tuple[str, Values]
"""Family, and the numbers of `style.features` and `style.question_features`."""


@dataclass
class StyleCourse:
    """The traces of one teacher."""

    teacher: str
    settings: StyleScreen
    planned: int
    """Answers that the plan wants of it."""
    known: Mapping[int, Look] = field(default_factory=dict)
    acknowledged: Collection[int] = ()

    def __post_init__(self) -> None:
        size = self.settings.window
        tested = max(0, self.planned // size - 1) * size
        self._risk = Risk(self.settings.spending, self.settings.alpha, tested)
        self._window, self._rows, self._seen = 1, list[Row](), list[Seen]()
        self._reference: list[Row] = []
        self._prompts = set[str]()
        self.firing: Look | None = None

    @property
    def is_read(self) -> bool:
        """Whether the next trace's numbers are needed: for a look, or for the reference."""
        is_known = self._window in self.known and self._window not in self.acknowledged
        return not is_known or len(self._reference) < KEPT_WINDOWS * self.settings.window

    def add(self, seen: Seen) -> Look | None:
        """A look, if this answer completes a window that nobody has looked at yet."""
        if self.firing is not None or not seen.style or seen.prompt_id in self._prompts:
            return None
        self._prompts.add(seen.prompt_id)
        self._seen.append(seen)
        self._rows.append((seen.family, np.array(seen.style, np.float64)))
        return self._look() if len(self._rows) == self.settings.window else None

    def end(self) -> Look | None:
        """What to say of the answers that make no whole window: too few."""
        if self.firing is not None or not self._rows:
            return None
        said = f"{len(self._rows):,} of the {self.settings.window:,} traces of a window"
        return self._record("too_few", 0, said, None, 0.0, "too few traces to say")

    def _look(self) -> Look | None:
        known, window, n = self.known.get(self._window), self._window, len(self._rows)
        look = known or self._test()
        if look.verdict == "fired" and window in self.acknowledged:
            self._reference = list(self._rows)
            self._risk.renew(n)
        elif look.verdict == "fired":
            self.firing = look
        else:
            if look.verdict == "passed":
                self._risk.use(n, look.level)
            self._reference = (self._reference + self._rows)[: KEPT_WINDOWS * self.settings.window]
        self._window, self._rows, self._seen = window + 1, [], []
        self._prompts.clear()
        return None if known else look

    def _test(self) -> Look:
        if not self._reference:
            return self._record("baseline", 0, f"{len(self._rows):,} traces, the baseline", None, 0.0, "")
        now, then = style.balanced(self._rows, self._reference)
        if len(now) < FEWEST_MATCHED:
            said = f"{len(now):,} of {len(self._rows):,} traces are of families that the baseline has"
            return self._record("unknown", len(self._reference), said, None, 0.0, "other questions than the baseline's")
        mark = self._risk.next_level(len(self._rows))
        if mark <= 0:
            return self._record("unknown", len(then), f"{len(now):,} traces", None, 0.0, "the run's risk is used up")
        shift = style.compare(now, then)
        before, after = shift.medians
        said = (
            f"{shift.feature} differs most: distance {shift.distance:.3f}, median {before:.4g} before, {after:.4g} now"
        )
        if shift.p <= mark and (why := style.other_questions(now, then)):
            return self._record("unknown", len(then), said, shift.p, mark, why)
        verdict: Verdict = "fired" if shift.p <= mark else "passed"
        return self._record(verdict, len(then), said, shift.p, mark, _power(mark, len(now), len(then)))

    def _record(self, verdict: Verdict, reference_n: int, said: str, p: float | None, mark: float, power: str) -> Look:
        times = [seen.at for seen in self._seen]
        n = len(self._rows)
        return Look(
            self.teacher,
            "style",
            self._window,
            verdict,
            n,
            reference_n,
            said,
            p,
            mark,
            power,
            min(times),
            max(times),
            {},
        )


def _power(mark: float, n: int, m: int) -> str:
    fires_at = smirnov.fires_from(mark / len(style.FEATURES), n, m)
    seen_from = smirnov.seen_from(fires_at, n, m, POWER)
    if seen_from >= 1:
        return "no shift could have been seen"
    apart = smirnov.in_deviations(seen_from)
    return f"a feature that moves by {seen_from:.2f} ({apart:.1f} standard deviations) is seen with {POWER:.0%}"
