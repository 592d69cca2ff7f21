"""A teacher's canaries as they come, cut into windows, each looked at once (pure).

A course is fed every answer in the order of its arrival, from the first on; windows that were looked at before are
not tested again, so a run that was stopped goes on with the risk that it has left. Of a prompt's samples a window
counts one: several are right or wrong together, and would make chance look like a fall. It holds a window of
answers, and counts.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from tasks.judge.screens import accuracy, style
from tasks.judge.screens.accuracy import Count, Counts
from tasks.judge.screens.look import Look, Seen, Verdict
from tasks.judge.screens.policy import AccuracyScreen
from tasks.judge.screens.spending import Risk
from tasks.judge.screens.style_course import KEPT_WINDOWS, Row


@dataclass
class AccuracyCourse:
    """The canaries of one teacher."""

    teacher: str
    settings: AccuracyScreen
    planned: int
    """Canaries that the plan gives it."""
    known: Mapping[int, Look] = field(default_factory=dict)
    """Looks of before, by window; those that had too few are left out."""
    acknowledged: Collection[int] = ()
    """Windows whose firing a person has looked at."""
    earlier: dict[str, Count] = field(default_factory=dict)
    """What other datasets' windows that passed say of it."""

    def __post_init__(self) -> None:
        stated = self.settings.baseline if isinstance(self.settings.baseline, float) else None
        self._stated = stated
        self._reference: dict[str, Count] = dict(self.earlier)
        self.untested = 0 if stated or self.earlier else 1
        self.size = self.settings.window or self._sized(stated)
        tested = max(0, self.planned // self.size - self.untested) * self.size
        self._risk = Risk(self.settings.spending, self.settings.alpha, tested)
        self._window, self._counts, self._times = 1, dict[str, Count](), list[datetime]()
        self._asked, self._reference_asked = list[Row](), list[Row]()
        self._prompts = set[str]()
        self.firing: Look | None = None

    def _sized(self, stated: float | None) -> int:
        given = self.settings
        rate = stated or given.assumed
        return accuracy.window_size(self.planned, rate, given.fall, given.power, given.alpha, self.untested)

    def wants(self, family: str) -> bool:
        """Whether prompts of this family are canaries."""
        return not self.settings.families or family in self.settings.families

    @property
    def is_known(self) -> bool:
        """Whether the present window was looked at before: then its answers need no checking."""
        return self.firing is not None or self._window in self.known

    def add(self, seen: Seen) -> Look | None:
        """A look, if this answer completes a window that nobody has looked at yet."""
        if seen.right is None or not self.wants(seen.family) or seen.prompt_id in self._prompts:
            return None
        self._prompts.add(seen.prompt_id)
        if seen.style:
            self._asked.append((seen.family, np.array(seen.style, np.float64)))
        return self.add_all({seen.family: Count(int(seen.right), 1)}, seen.at)

    def add_all(self, counts: Counts, at: datetime) -> Look | None:
        """The same for several canaries at once, which are no more than their window still takes."""
        if self.firing is not None:
            return None
        self._counts = accuracy.joined(self._counts, counts)
        self._times = [min([at, *self._times]), max([at, *self._times])]
        return self._look() if accuracy.total(self._counts).n >= self.size else None

    def end(self) -> Look | None:
        """What to say of the answers that make no whole window: too few."""
        n = accuracy.total(self._counts).n
        if self.firing is not None or not n:
            return None
        said = f"{n:,} of the {self.size:,} canaries of a window, {_rate(self._counts)} right"
        return self._record("too_few", said, None, 0.0, "too few canaries to say")

    def _look(self) -> Look | None:
        known, window, counts, asked = self.known.get(self._window), self._window, self._counts, self._asked
        look, n = known or self._test(), accuracy.total(counts).n
        self._window, self._counts, self._times, self._asked = window + 1, {}, [], []
        self._prompts.clear()
        if known:  # its answers were counted then, and only numbered now
            counts = {family: Count(*each) for family, each in known.counts.items()}
        if look.verdict == "fired" and window in self.acknowledged:
            self._stated, self._reference, self._reference_asked = None, dict(counts), asked
            self._risk.renew(n)
            return None if known else look
        if look.verdict == "fired":
            self.firing = look
        elif look.verdict == "passed":
            self._risk.use(n, look.level)
        if look.verdict in ("passed", "baseline"):
            self._reference = accuracy.joined(self._reference, counts)
            self._reference_asked = (self._reference_asked + asked)[: KEPT_WINDOWS * self.size]
        return None if known else look

    def _test(self) -> Look:
        counts, n, reference = self._counts, accuracy.total(self._counts).n, accuracy.total(self._reference)
        if self._stated is None and not reference.n:
            return self._record("baseline", f"{_rate(counts)} right, the baseline", None, 0.0, "")
        mark = self._risk.next_level(n)
        if mark <= 0:
            return self._record("unknown", f"{_rate(counts)} right", None, 0.0, "the run's risk is used up")
        p = accuracy.p_value(counts, self._reference if self._stated is None else self._stated)
        base = _rate(self._reference) if self._stated is None else f"{self._stated:.3f} as stated"
        power = self._power(n, reference if self._stated is None else self._stated, mark)
        said = f"{_rate(counts)} right, baseline {base}"
        if p <= mark and (why := self._other_questions()):
            return self._record("unknown", said, p, mark, f"{why}: name the prompts' families, or shuffle the source")
        return self._record("fired" if p <= mark else "passed", said, p, mark, power)

    def _other_questions(self) -> str:
        """Why fewer right answers may be due to harder questions; "" where nothing says so, or the rate is stated."""
        now, then = style.balanced(self._asked, self._reference_asked)
        return style.other_questions(now, then) if self._stated is None and now else ""

    def _power(self, n: int, reference: Count | float, mark: float) -> str:
        """Families are not told apart here, which makes it an approximation where there are several."""
        fires_at = accuracy.most_that_fires(n, reference, mark)
        seen_from = accuracy.seen_from(n, fires_at, self.settings.power)
        if seen_from is None:
            return "no fall could have been seen"
        return f"a fall to {seen_from:.3f} or lower is seen with {self.settings.power:.0%}"

    def _record(self, verdict: Verdict, said: str, p: float | None, mark: float, power: str) -> Look:
        stored = {family: (count.right, count.n) for family, count in self._counts.items()}
        n, reference_n = accuracy.total(self._counts).n, 0 if self._stated else accuracy.total(self._reference).n
        first, last = self._times
        return Look(
            self.teacher, "accuracy", self._window, verdict, n, reference_n, said, p, mark, power, first, last, stored
        )


def _rate(counts: Counts) -> str:
    of = accuracy.total(counts)
    return f"{of.rate:.3f} ({of.right:,} of {of.n:,})"
