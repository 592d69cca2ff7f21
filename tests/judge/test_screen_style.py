"""The screen of style: the exact test, its errors, what it sees, and what it cannot."""

import itertools
from datetime import UTC, datetime

import numpy as np
import pytest

from tasks.judge.screens import smirnov, style
from tasks.judge.screens.look import Look, Seen
from tasks.judge.screens.policy import StyleScreen
from tasks.judge.screens.style_course import StyleCourse

AT = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(("n", "m"), [(4, 4), (3, 5), (2, 7)])
def test_the_p_value_is_the_share_of_all_orders_with_that_distance_or_more(n: int, m: int) -> None:
    ranks = np.arange(n + m, dtype=np.float64)
    distances = []
    for chosen in itertools.combinations(range(n + m), n):
        inside = np.isin(ranks, chosen)
        distances.append(smirnov.distance(ranks[inside], ranks[~inside]))
    for d in sorted(set(distances)):
        expected = sum(other >= d - 1e-12 for other in distances) / len(distances)
        assert smirnov.p_value(d, n, m) == pytest.approx(expected, abs=1e-12)


def test_large_samples_agree_with_the_limit_of_kolmogorov() -> None:
    """P(D >= d) tends to 2 sum (-1)^(k-1) exp(-2 k^2 d^2 n m / (n + m)) (Smirnov 1939)."""
    n, d = 4000, 0.04
    limit = 2 * sum((-1) ** (k - 1) * np.exp(-2 * k**2 * d**2 * n / 2) for k in range(1, 20))
    assert smirnov.p_value(d, n, n) == pytest.approx(limit, rel=0.03)


def test_the_distance_from_which_it_fires_is_the_least() -> None:
    d = smirnov.fires_from(0.001, 200, 200)
    assert smirnov.p_value(d, 200, 200) <= 0.001 < smirnov.p_value(d - 0.005, 200, 200)


def test_features_are_what_their_names_say() -> None:
    plain = dict(zip(style.FEATURES, style.features("", "One, two.\nThree."), strict=True))
    assert (plain["reasoning_tokens"], plain["answer_tokens"], plain["list_lines"]) == (0, 4, 0)
    rich = dict(
        zip(
            style.FEATURES,
            style.features("Wait, hmm. Let me see: 4.\n- a\n- b\n```x```", "The answer is 4."),
            strict=True,
        )
    )
    assert rich["self_talk"] > 0.15 and rich["list_lines"] == pytest.approx(2 / 5) and rich["code_fences"] == 2
    assert rich["first_answer"] < 0.5 < plain["first_answer"]
    assert style.features("", "") == style.features("", "")
    assert len(style.features("\x00\ud800" * 10, "x" * 100_000)) == len(style.FEATURES)


def drawn(draws: np.random.Generator, n: int, shift: float = 0.0) -> list[smirnov.Values]:
    values = draws.normal(size=(n, len(style.ALL_FEATURES)))
    values[:, 3] += shift
    return list(values)


def test_of_unchanged_traces_the_stated_share_is_called_changed() -> None:
    """At 5 %, 400 comparisons: a true 5 % gives more than 31 in less than 1 % of such tests."""
    draws = np.random.default_rng(3)
    found = [style.compare(drawn(draws, 60), drawn(draws, 60)).p <= 0.05 for _ in range(400)]
    assert sum(found) <= 31


def test_a_shift_of_one_feature_is_seen_and_named_with_the_power_that_is_said() -> None:
    """The bound of the power is from below: what is said to be seen with 90 % is seen at least so often."""
    draws = np.random.default_rng(4)
    fires_at = smirnov.fires_from(0.01 / len(style.FEATURES), 200, 200)
    apart = smirnov.in_deviations(smirnov.seen_from(fires_at, 200, 200, 0.9))
    found = [style.compare(drawn(draws, 200, apart), drawn(draws, 200)) for _ in range(100)]
    assert sum(shift.p <= 0.01 for shift in found) >= 85
    assert {shift.feature for shift in found} == {"self_talk"}


def test_families_are_balanced_before_they_are_compared() -> None:
    draws = np.random.default_rng(5)
    window = [("a", row) for row in drawn(draws, 150)] + [("b", row + 5) for row in drawn(draws, 50)]
    reference = [("a", row) for row in drawn(draws, 60)] + [("b", row + 5) for row in drawn(draws, 140)]
    now, then = style.balanced(window, reference)
    assert len(now) == len(then) == 110
    assert style.compare(now, then).p > 0.01
    apart = style.compare([row for _, row in window], [row for _, row in reference])
    assert apart.p < 1e-6, "as they are, the mixes differ"


def seen(reasoning: str, answer: str, question: str = "How much is it?") -> tuple[float, ...]:
    return style.features(reasoning, answer) + style.question_features(question)


def text(place: int, talk: bool) -> tuple[str, str]:
    number = 1000 + place * 7919 % 8999
    start = "Hmm, let me think. Wait, " if talk else "Evidently, "
    steps = " ".join(f"{number + k} plus {k} gives {number + 2 * k}." for k in range(2 + number % 5))
    return f"{start}we add. {steps}", f"The answer is {number}."


def fed(course: StyleCourse, numbers: range, talk: bool) -> list[Look]:
    looks = [course.add(Seen(AT, f"p{number}", "", None, seen(*text(number, talk)))) for number in numbers]
    return [look for look in looks if look is not None]


def test_a_teacher_that_stops_thinking_aloud_fires_and_one_that_goes_on_does_not() -> None:
    course = StyleCourse("one", StyleScreen(window=100), 500)
    looks = fed(course, range(300), talk=True)
    assert [look.verdict for look in looks] == ["baseline", "passed", "passed"]
    (fired,) = fed(course, range(300, 450), talk=False)
    assert (fired.verdict, course.firing) == ("fired", fired)
    assert fired.p is not None and fired.p <= fired.level == pytest.approx(0.01 / 4)
    assert "standard deviations) is seen with 90%" in looks[1].power


def test_an_acknowledged_style_is_the_new_baseline() -> None:
    before = StyleCourse("one", StyleScreen(window=100), 500)
    known = {look.window: look for look in [*fed(before, range(200), True), *fed(before, range(200, 300), False)]}
    after = StyleCourse("one", StyleScreen(window=100), 500, known, {3})
    assert [*fed(after, range(200), True), *fed(after, range(200, 300), False)] == []
    (look,) = fed(after, range(300, 400), False)
    assert (look.verdict, look.reference_n) == ("passed", 100)


def test_too_few_traces_say_nothing() -> None:
    course = StyleCourse("one", StyleScreen(window=100), 500)
    fed(course, range(30), True)
    look = course.end()
    assert look is not None
    assert (look.verdict, look.n) == ("too_few", 30)


def test_where_the_questions_change_too_another_style_says_nothing() -> None:
    course = StyleCourse("one", StyleScreen(window=100), 500)
    fed(course, range(200), talk=True)
    looks = [
        course.add(Seen(AT, f"q{place}", "", None, seen(*text(place, talk=False), "What is it, please, " * 9)))
        for place in range(100)
    ]
    assert looks[-1] is not None
    assert (looks[-1].verdict, course.firing) == ("unknown", None)
    assert "the questions differ too (question_characters" in looks[-1].power


def test_of_a_prompts_samples_a_window_takes_one() -> None:
    course = StyleCourse("one", StyleScreen(window=100), 500)
    for _ in range(8):
        fed(course, range(99), talk=True)
    look = course.end()
    assert look is not None and look.n == 99
