"""The page: it stands alone, shows hostile text as text, and is the same each time."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from report.judged_root import DATASET, VERSION

from tasks.report.facts import Bin, Duplicates, Example, Facts, Flow, Histogram, Share, Side, Subject, Window
from tasks.report.funnel import funnel
from tasks.report.page import render
from tasks.report.plots import Measure, drift_plot, family_plot, histogram
from tasks.report.read import MOST_CHARACTERS
from tasks.report.report import report_path, write_report
from tasks.report.shares import detectable, stands_out
from warehouse.errors import BadInput
from warehouse.layout import DataRoot

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Every tag with its attributes, and whether they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.mistakes: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.mistakes.append(tag)


@pytest.fixture(scope="module")
def written(judged_root: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(judged_root, DATASET, tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def page(written: Path) -> Page:
    return Page(written.read_text())


@pytest.mark.line
def test_the_page_is_well_formed(page: Page) -> None:
    assert page.mistakes == [] and page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.line
def test_nothing_is_fetched_and_nothing_runs(page: Page, written: Path) -> None:
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert not re.search(r"url\((?!#)|@import", written.read_text())
    policy = next(each["content"] for tag, each in page.tags if each.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


@pytest.mark.line
def test_a_hostile_trace_is_shown_as_text(written: Path) -> None:
    text = written.read_text()
    assert "<script>alert" not in text and "onerror=alert(1)>" not in text
    assert "&lt;script&gt;alert(&#34;owned&#34;)&lt;/script&gt;" in text
    assert "{{ 7 * 7 }}" in text  # a template's mark in a trace is text too


@pytest.mark.line
def test_the_same_data_root_gives_the_same_bytes(judged_root: DataRoot, written: Path, tmp_path: Path) -> None:
    assert write_report(judged_root, VERSION, tmp_path / "again.html").read_bytes() == written.read_bytes()


@pytest.mark.line
def test_every_plot_says_what_it_shows(page: Page, written: Path) -> None:
    plots = [each for tag, each in page.tags if tag == "svg"]
    assert len(plots) >= 8
    ids = {each.get("id") for _, each in page.tags}
    for plot in plots:
        assert plot["role"] == "img"
        assert set((plot["aria-labelledby"] or "").split()) <= ids
    for svg in re.findall(r"<svg.*?</svg>", written.read_text(), re.DOTALL):
        ElementTree.fromstring(svg)


@pytest.mark.line
def test_the_page_names_version_rules_teachers_and_limits(written: Path) -> None:
    text = written.read_text()
    for said in (
        VERSION,
        "north",
        "simulated",
        "Apache-2.0",
        "max_repeated",
        "exam.jsonl:1",
        "is noted",
        "80 % of cases",
    ):
        assert said in text
    assert "Standing out (diamonds)" in text


@pytest.mark.line
def test_what_the_screens_said_last_of_each_teacher_stands_with_its_power(written: Path) -> None:
    (section,) = re.findall(r'<h2 id="screens">.*?</section>', written.read_text(), re.DOTALL)
    said = [re.sub("<[^>]*>", " ", row).split() for row in re.findall("<tr>.*?</tr>", section)[1:]]
    assert [words[:4] for words in said] == [
        ["north", "accuracy", "4", "fired"],
        ["north", "family", "1", "unknown"],
        ["north", "identity", "1", "unknown"],
        ["south", "accuracy", "4", "passed"],
        ["south", "family", "1", "unknown"],
        ["south", "identity", "1", "unknown"],
    ]
    assert all("is seen with" in " ".join(words) for words in said if words[1] == "accuracy")


@pytest.mark.line
def test_a_report_lies_in_the_data_root_unless_told_otherwise(judged_root: DataRoot) -> None:
    path = write_report(judged_root, DATASET)
    assert path == judged_root.path.absolute() / "reports" / "sums-2026.11.21.1.html"
    assert report_path(judged_root, "sums", None).name == "sums-judged.html"


@pytest.mark.line
def test_a_folder_is_no_place_to_write_to(judged_root: DataRoot, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder"):
        write_report(judged_root, DATASET, tmp_path)


def flow(teacher: str, **changes: object) -> Flow:
    given = Flow(teacher, 10, {"failed": 2, "unjudged": 1}, {"kept": 4, "rejected": 3}, {"wrong_answer": 3}, 3)
    return replace(given, **changes)  # type: ignore[arg-type]


def test_the_funnel_adds_up_line_by_line() -> None:
    rows = {row.name: row for row in funnel([flow("a"), flow("b", statuses={}, wanted=7)])}
    assert rows["wanted"].counts == (10, 7) and rows["wanted"].total == 17
    assert rows["answered"].total == rows["wanted"].total - rows["failed"].total == 15
    assert rows["judged"].total == rows["answered"].total - rows["not judged"].total == 14
    assert rows["kept"].total == rows["judged"].total - rows["rejected"].total == 8
    assert rows["rejected"].total == rows["wrong_answer"].total
    assert rows["published"].total == rows["kept"].total - rows["held back"].total == 6
    assert "undecided" not in rows  # zero everywhere


def windows(*passed: int, count: int = 100) -> list[Window]:
    return [Window(NOON + timedelta(hours=n), NOON + timedelta(hours=n, minutes=59), count, each)
            for n, each in enumerate(passed)]  # fmt: skip


def test_a_fallen_window_stands_out_and_an_ordinary_one_does_not() -> None:
    steady, fallen = windows(90, 88, 91, 89), windows(90, 88, 91, 60)
    assert [stands_out(steady, at) for at in range(4)] == [False] * 4
    assert stands_out(fallen, 3) and not stands_out(fallen, 1)


def test_a_single_window_has_nothing_to_stand_out_from() -> None:
    assert not stands_out(windows(10), 0)
    assert detectable(0.9, 100, 0, 1) is None


def test_the_detectable_change_is_that_of_the_literature() -> None:
    # Two groups of 100 at one half, 5 % two-sided, power 80 %: 2.8016 * sqrt(0.5 * 0.5 * 2 / 100) = 0.198.
    assert detectable(0.5, 100, 100, 1) == pytest.approx(0.1981, abs=1e-4)
    assert detectable(0.5, 100, 100, 20) > detectable(0.5, 100, 100, 1)  # type: ignore[operator]
    assert detectable(1.0, 100, 900, 1) > 0  # type: ignore[operator]


def test_the_words_under_a_drift_plot_say_what_would_have_been_seen() -> None:
    assert "No window stands out" in drift_plot("t", windows(90, 88, 91, 89), 0).caption
    assert "or more is seen in 80 % of cases" in drift_plot("t", windows(90, 88, 91, 89), 0).caption
    assert "nothing to compare" in drift_plot("t", windows(90), 0).caption


@pytest.mark.parametrize("name", [r"$\frac{1}{2}$", "<b>&", "数学", "a\nb\x00c", "x" * 500])
def test_a_family_of_any_name_is_drawn(name: str) -> None:
    plot = family_plot([Share(name, 10, 5)])
    ElementTree.fromstring(plot.svg)


EMPTY = Facts(
    Subject("sums", "j", "p", "r", NOON, ()), (), (), (), (), {}, (), (), Duplicates((), (), (), 0), (), 0, (), ()
)


def test_an_empty_judging_has_a_page() -> None:
    text = render(EMPTY)
    assert "not published" in text and "no rule has held an answer back" in text
    assert "No screen has looked at this dataset." in text


def test_the_page_stays_small_whatever_the_examples_hold() -> None:
    most = "&" * MOST_CHARACTERS
    side = Side("t", "north", "rejected", "r", "&" * 500, most, 10**6, most, 10**6, most, 10**6, "&" * 500)
    examples = tuple(Example(replace(side, reason=f"reason-{number // 2}"), side) for number in range(48))
    assert len(render(replace(EMPTY, examples=examples)).encode()) < 5_000_000


def test_a_histogram_of_one_value_is_drawn() -> None:
    of = Histogram("latency_s", True, (Bin(1.0, 1.1, 3, 0),), (1.0, None))
    assert histogram(of, Measure("t", "seconds"), ()).caption == "3 kept, median 1."
