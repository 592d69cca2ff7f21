"""The plots of a report: each a pure function from what was read to a piece of SVG (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from tasks.report.facts import Duplicates, Facts, Histogram, Share, TeacherFacts, Window
from tasks.report.shares import detectable, stands_out, wilson
from tasks.report.svg import COLOURS, SETTINGS, blank, inline, plain

MOST_TEACHERS = 6


@dataclass(frozen=True)
class Plot:
    """A drawing with the words around it."""

    name: str
    title: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Measure:
    """How a measured quantity is named, and which settings are drawn over it."""

    title: str
    axis: str
    thresholds: tuple[tuple[str, str], ...] = ()
    """Rule and setting."""


_TOKENS = "tokens (cl100k_base)"
_MEASURES = {
    "reasoning_tokens": Measure("Length of the reasoning", _TOKENS, (("reasoning", "min_reasoning_tokens"),)),
    "answer_tokens": Measure("Length of the answer", _TOKENS),
    "latency_s": Measure("Time to the whole answer", "seconds"),
    "repeated": Measure("Repeated word 8-grams", "share that occurred before", (("repetition", "max_repeated"),)),
    "compression": Measure("Compression", "bytes / zstd bytes", (("repetition", "max_compression"),)),
}  # fmt: skip


def all_plots(facts: Facts) -> dict[str, tuple[Plot, ...]]:
    """Every plot there is something to draw for, by section."""
    measured = {each.measure: each for each in facts.histograms}
    drawn = [
        histogram(measured[name], about, _thresholds(facts, about))
        for name, about in _MEASURES.items()
        if name in measured
    ]
    families = [family_plot(facts.families)] if facts.families else []
    costs = [each for each in facts.teachers if each.usd_per_kept is not None]
    money = [cost_plot(costs)] if any(each.usd_per_kept for each in costs) else []
    likeness = facts.subject.setting("duplicate", "near_duplicate_jaccard")
    similar = [jaccard_plot(facts.duplicates, likeness)] if facts.duplicates.similar else []
    return {
        "distributions": (*drawn, *money),
        "families": tuple(families),
        "drift": tuple(
            drift_plot(teacher, windows, number)
            for number, (teacher, windows) in enumerate(largest(facts.drift).items())
        ),
        "duplicates": tuple(similar),
    }


def largest(drift: Mapping[str, tuple[Window, ...]]) -> dict[str, tuple[Window, ...]]:
    """The teachers with most answers."""
    order = sorted(drift, key=lambda teacher: (-sum(each.count for each in drift[teacher]), teacher))
    return {teacher: drift[teacher] for teacher in order[:MOST_TEACHERS]}


def _thresholds(facts: Facts, about: Measure) -> tuple[tuple[str, float], ...]:
    found = ((name, facts.subject.setting(rule, name)) for rule, name in about.thresholds)
    return tuple((name, float(value)) for name, value in found if value)


@matplotlib.rc_context(SETTINGS)
def histogram(of: Histogram, about: Measure, thresholds: Sequence[tuple[str, float]]) -> Plot:
    """Kept as filled bars, the others as an outline over them; thresholds as dashed lines."""
    figure = blank()
    axes = figure.add_subplot()
    _bars(axes, [(each.low, each.high, each.kept, each.lost) for each in of.bins], ("kept", "not kept"))
    if of.is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0), numticks=8))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    for name, value in thresholds:
        axes.axvline(value, color=COLOURS["mark"], linewidth=1.2, linestyle=(0, (4, 3)))
        axes.annotate(
            f"{name} {value:g}", (value, 1), (-4, -2), xycoords=("data", "axes fraction"),
            textcoords="offset points", rotation=90, ha="right", va="top", color=COLOURS["mark"],
        )  # fmt: skip
    _dress(axes, about.axis, "answers")
    caption = _medians(of)
    return Plot(of.measure, about.title, inline(figure, of.measure, about.title, f"Histogram. {caption}"), caption)


def _medians(of: Histogram) -> str:
    kept, lost = sum(each.kept for each in of.bins), sum(each.lost for each in of.bins)
    parts = [
        f"{count:,} {name}, median {median:,.3g}"
        for name, count, median in (("kept", kept, of.medians[0]), ("not kept", lost, of.medians[1]))
        if median is not None
    ]
    return "; ".join(parts) + "."


def _bars(axes: Any, bins: Sequence[tuple[float, float, int, int]], names: tuple[str, str]) -> None:
    lows, highs, filled, lined = (list(each) for each in zip(*bins, strict=True))
    widths = [high - low for low, high in zip(lows, highs, strict=True)]
    common = {"align": "edge"}
    axes.bar(lows, filled, widths, color=COLOURS["kept"], alpha=0.75, linewidth=0, label=names[0], **common)
    axes.bar(
        lows,
        lined,
        widths,
        facecolor="none",
        edgecolor=COLOURS["lost"],
        linewidth=1.3,
        hatch="////",
        label=names[1],
        **common,
    )


@matplotlib.rc_context(SETTINGS)
def family_plot(families: Sequence[Share]) -> Plot:
    """A dot and its 95 % interval for each family."""
    figure = blank(0.9 + 0.26 * len(families))
    axes = figure.add_subplot()
    for place, family in enumerate(families):
        low, high = wilson(family.passed, family.count)
        axes.plot([low, high], [place, place], color=COLOURS["kept"], linewidth=2, solid_capstyle="butt")
        axes.plot([family.passed / family.count], [place], marker="o", color=COLOURS["kept"], markersize=5)
    axes.set_yticks(range(len(families)), [f"{_short(each.name)} ({each.count:,})" for each in families])
    axes.set_ylim(len(families) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    _shares(axes.xaxis)
    _dress(axes, "share that passed, with its 95 % interval", "", legend=False, grid="x")
    title = "Pass rate by family"
    said = "; ".join(f"{_short(each.name)}: {each.passed:,} of {each.count:,}" for each in families)
    caption = (
        "Passed: every rule that looks at one trace. Wilson intervals at 95 %, as if answers were independent; several "
        "samples of one prompt are not, and then the true intervals are wider."
    )
    return Plot("families", title, inline(figure, "families", title, said), caption)


@matplotlib.rc_context(SETTINGS)
def drift_plot(teacher: str, windows: Sequence[Window], number: int) -> Plot:
    """The share that passed, window by window in the order of arrival; what stands out is ringed."""
    figure = blank()
    axes = figure.add_subplot()
    total, passed = sum(each.count for each in windows), sum(each.passed for each in windows)
    axes.axhline(passed / total, color=COLOURS["faint"], linewidth=1)
    places = [sum(each.count for each in windows[:at]) + windows[at].count / 2 for at in range(len(windows))]
    marked = []
    for at, window in enumerate(windows):
        low, high = wilson(window.passed, window.count)
        is_odd = stands_out(windows, at)
        colour = COLOURS["lost" if is_odd else "kept"]
        axes.plot([places[at]] * 2, [low, high], color=colour, linewidth=2, solid_capstyle="butt")
        marker = "D" if is_odd else "o"
        axes.plot([places[at]], [window.passed / window.count], marker=marker, color=colour, markersize=5)
        marked += [at] if is_odd else []
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlim(0, total)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    _shares(axes.yaxis)
    _dress(axes, "answers, in the order in which they came", "share that passed", legend=False)
    title, caption = f"Verdicts over time: {teacher}", _drift_said(windows, marked)
    name = f"drift-{number}"
    return Plot(name, title, inline(figure, name, title, caption), caption)


def _drift_said(windows: Sequence[Window], marked: Sequence[int]) -> str:
    total, passed = sum(each.count for each in windows), sum(each.passed for each in windows)
    when = f"{windows[0].began:%Y-%m-%d %H:%M} to {windows[-1].ended:%Y-%m-%d %H:%M} UTC"
    smallest = min(windows, key=lambda each: each.count).count
    seen = detectable(passed / total, smallest, total - smallest, len(windows))
    if seen is None:
        return f"{total:,} answers, {when}: one window, with nothing to compare it with."
    power = (
        f"Each of {len(windows)} windows of {smallest:,} or more is compared with all others together (5 % shared "
        f"among them): a window that differs by {seen:.1%} or more is seen in 80 % of cases."
    )
    found = (
        "No window stands out, which says that no change of that size was seen, not that there was none."
        if not marked
        else "Standing out (diamonds): "
        + ", ".join(f"{windows[at].passed / windows[at].count:.0%} from {windows[at].began:%H:%M:%S}" for at in marked)
        + "."
    )
    return f"{when}. {power} {found}"


@matplotlib.rc_context(SETTINGS)
def jaccard_plot(duplicates: Duplicates, threshold: float | None) -> Plot:
    """Near duplicates by how alike they are."""
    figure = blank()
    axes = figure.add_subplot()
    _bars(
        axes, [(each.low, each.high, each.kept, each.lost) for each in duplicates.similar], ("only noted", "lost by it")
    )
    axes.set_xlim((threshold or duplicates.similar[0].low) - 0.01, 1.005)
    _dress(axes, "exact Jaccard of word 5-grams", "answers")
    title = "Near duplicates by likeness"
    caption = f"From {threshold:g} on a pair counts as near." if threshold else ""
    return Plot("jaccard", title, inline(figure, "jaccard", title, caption), caption)


@matplotlib.rc_context(SETTINGS)
def cost_plot(teachers: Sequence[TeacherFacts]) -> Plot:
    """Dollars for each kept row, by teacher; those whose price is known."""
    figure = blank(0.9 + 0.3 * len(teachers))
    axes = figure.add_subplot()
    costs = [each.usd_per_kept or 0.0 for each in teachers]
    axes.barh(range(len(teachers)), costs, 0.6, color=COLOURS["kept"], alpha=0.75)
    for place, cost in enumerate(costs):
        axes.annotate(f" ${cost:,.4g}", (cost, place), va="center")
    axes.set_yticks(range(len(teachers)), [_short(each.teacher) for each in teachers])
    axes.set_ylim(len(teachers) - 0.5, -0.5)
    axes.set_xlim(0, max(costs) * 1.25)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    _dress(axes, "dollars for each kept row", "", legend=False, grid="x")
    title = "Cost of a kept row"
    said = "; ".join(f"{each.teacher}: ${cost:,.4g}" for each, cost in zip(teachers, costs, strict=True))
    caption = (
        "Dollars of all judged answers over kept rows; requests that brought no answer are not in it (view spend)."
    )
    return Plot("cost", title, inline(figure, "cost", title, said), caption)


def _shares(axis: Any) -> None:
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))


def _dress(axes: Any, x: str, y: str, legend: bool = True, grid: str = "y") -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if y == "answers":
        _counts(axes)
    axes.grid(axis=grid, color=COLOURS["faint"], alpha=0.3, linewidth=0.6)
    axes.set_axisbelow(True)
    if legend:
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def _counts(axes: Any) -> None:
    """Whole numbers; by their logarithm where one bar would hide all others."""
    heights = sorted(bar.get_height() for bar in axes.patches if bar.get_height())
    if heights and heights[-1] > 50 * heights[len(heights) // 2]:
        axes.set_yscale("log")
        axes.set_ylim(0.7, heights[-1] * 1.5)
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_ylabel("answers, log scale")
        return
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _short(name: str) -> str:
    name = plain(name)
    return name if len(name) <= 28 else f"{name[:27]}…"
