"""How soon the screen of accuracy sees a teacher fall, and how often it fires on one that does not: in virtual time.

    python bench/judge/canaries.py

Every virtual run is fed to the course that the line itself uses (`tasks/judge/screens`); nothing is asked. A fall
comes at the start of a window drawn among those that are tested, and is caught if that window fires; or at any
moment, and is caught if the window that it falls in or the next one fires. False alarms are counted over whole runs.
Beside each figure the 95 % interval of Clopper and Pearson; `exact` is the share of false alarms where the binomial
gives it. `best` is what no test of so many canaries can surpass: the power of the most powerful test (Neyman and
Pearson 1933) at the level of one window, with the baseline known.
"""

import argparse
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from tasks.judge.screens import accuracy  # noqa: E402
from tasks.judge.screens.accuracy import Count  # noqa: E402
from tasks.judge.screens.accuracy_course import AccuracyCourse  # noqa: E402
from tasks.judge.screens.policy import AccuracyScreen  # noqa: E402

BEFORE, AFTER = 0.90, 0.80
AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    name: str
    screen: AccuracyScreen
    canaries: int
    """Of a run, the baseline's window included."""
    earlier: int = 0
    """Canaries of earlier runs, right at BEFORE, drawn anew for each run."""


def settings() -> list[Setting]:
    stated = AccuracyScreen(baseline=BEFORE)
    small = AccuracyScreen(baseline=BEFORE, window=160)
    rows = [Setting("stated .90, 1 window of 160", stated, 160)]
    rows += [Setting(f"stated .90, {k} windows of 160", small, 160 * k) for k in (5, 10)]
    rows += [Setting("stated .90, windows as sized", stated, n) for n in (1_000, 2_500, 5_000)]
    one = AccuracyScreen(baseline="earlier", window=160)
    rows += [Setting(f"{n:,} earlier canaries, 1 window of 160", one, 160, n) for n in (1_600, 16_000)]
    rows += [Setting("own first window, as sized", AccuracyScreen(), n) for n in (320, 1_000, 2_500, 5_000)]
    return rows


def course(setting: Setting, draws: np.random.Generator) -> AccuracyCourse:
    right = int(draws.binomial(setting.earlier, BEFORE)) if setting.earlier else 0
    earlier = {"": Count(right, setting.earlier)} if setting.earlier else {}
    return AccuracyCourse("virtual", setting.screen, setting.canaries, earlier=earlier)


def fires_in(setting: Setting, falls_in: float, until: int, draws: np.random.Generator) -> int | None:
    """In which window (from 0) a run fires, of the first `until`; None: in none. `falls_in` 2.3: after 0.3 of window
    2."""
    virtual = course(setting, draws)
    for window in range(until):
        before = round(virtual.size * min(1.0, max(0.0, falls_in - window)))
        right = int(draws.binomial(before, BEFORE) + draws.binomial(virtual.size - before, AFTER))
        look = virtual.add_all({"": Count(right, virtual.size)}, AT)
        if look is not None and look.verdict == "fired":
            return window
    return None


def show(setting: Setting, runs: int, quiet_runs: int, seed: int) -> str:
    draws = np.random.default_rng(seed)
    probe = course(setting, draws)
    looks, first = setting.canaries // probe.size, probe.untested
    falls = draws.integers(first, looks, runs)
    caught = sum(fires_in(setting, fall, fall + 1, draws) == fall for fall in falls)
    false = sum(fires_in(setting, looks, looks, draws) is not None for _ in range(quiet_runs))
    any_moment = "-"
    if looks - first > 1:
        moments = draws.uniform(first, looks - 1, runs)
        any_moment = _figure(
            sum(fires_in(setting, at, int(at) + 2, draws) in (int(at), int(at) + 1) for at in moments), runs
        )
    fires_at = accuracy.most_that_fires(probe.size, BEFORE, setting.screen.alpha / (looks - first))
    best = accuracy.chance(probe.size, fires_at, AFTER)
    exact = 1 - (1 - accuracy.chance(probe.size, fires_at, BEFORE)) ** (looks - first)
    exact_shown = f"{exact:.4f}" if setting.screen.baseline == BEFORE else "-"
    return (
        f"{setting.name:<46}{setting.canaries:>9,}{probe.size:>8}{looks - first:>7}"
        f"{_figure(caught, runs):>24}{any_moment:>24}{best:>7.3f}{_figure(false, quiet_runs):>26}{exact_shown:>8}"
    )


def _figure(events: int, n: int) -> str:
    low, high = accuracy.clopper_pearson(events, n)
    return f"{events / n:.4f} ({low:.4f}-{high:.4f})"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=1_000, help="with a fall, for each figure")
    options.add_argument("--quiet-runs", type=int, default=1_000, help="without one")
    options.add_argument("--seed", type=int, default=20261122)
    options.add_argument("--rows", default=":", help="only these settings, as 0:8")
    given = options.parse_args()
    print(
        f"{'baseline, windows':<46}{'canaries':>9}{'window':>8}{'tested':>7}{'caught in a window':>24}"
        f"{'any moment, in two':>24}{'best':>7}{'false alarms in a run':>26}{'exact':>8}"
    )
    first, last = (int(number) if number else None for number in given.rows.split(":"))
    for setting in settings()[first:last]:
        print(show(setting, given.runs, given.quiet_runs, given.seed), flush=True)


if __name__ == "__main__":
    main()
