"""The screen of accuracy: exact figures, the risk it takes in all, and what a course does with its windows."""

import itertools
import math
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest

from tasks.judge.screens import accuracy, style
from tasks.judge.screens.accuracy import Count, clopper_pearson, p_value
from tasks.judge.screens.accuracy_course import AccuracyCourse
from tasks.judge.screens.look import Look, Seen
from tasks.judge.screens.policy import AccuracyScreen, Spending
from tasks.judge.screens.spending import Risk, spent

AT = datetime(2026, 11, 21, tzinfo=UTC)


def whole(right: int, n: int) -> dict[str, Count]:
    return {"": Count(right, n)}


def at_most(right: int, n: int, rate: Fraction) -> float:
    """P(at most so many right), in exact fractions."""
    return float(sum(math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(right + 1)))


@pytest.mark.parametrize(("right", "n", "rate"), [(134, 160, "9/10"), (0, 20, "1/2"), (50, 60, "19/20")])
def test_a_stated_rate_is_tested_by_the_binomial(right: int, n: int, rate: str) -> None:
    assert p_value(whole(right, n), float(Fraction(rate))) == pytest.approx(at_most(right, n, Fraction(rate)), rel=1e-9)


def test_a_counted_reference_is_tested_by_fishers_test() -> None:
    """The lady tasting tea, three of four right (Fisher 1935): 17/70."""
    assert p_value(whole(1, 4), whole(3, 4)) == pytest.approx(17 / 70)


def test_families_are_strata() -> None:
    """Against every way to choose which answers of each family are the window's."""
    window, reference = {"easy": (2, 3), "hard": (1, 3)}, {"easy": (4, 4), "hard": (1, 2)}
    ways = []
    for family in window:
        right, n = window[family][0] + reference[family][0], window[family][1] + reference[family][1]
        answers = [1] * right + [0] * (n - right)
        ways.append([sum(chosen) for chosen in itertools.combinations(answers, window[family][1])])
    sums = [sum(pair) for pair in itertools.product(*ways)]
    expected = sum(total <= 3 for total in sums) / len(sums)
    counts = [{name: Count(*each) for name, each in given.items()} for given in (window, reference)]
    assert p_value(*counts) == pytest.approx(expected)


def test_another_mix_of_families_is_no_fall() -> None:
    reference = {"easy": Count(990, 1000), "hard": Count(50, 100)}
    window = {"easy": Count(20, 20), "hard": Count(70, 140)}
    assert p_value(window, reference) > 0.3
    assert p_value(whole(90, 160), whole(1040, 1100)) < 1e-20, "seen as one, it would be"


def test_a_window_of_160_sees_a_fall_to_80_percent_with_90_where_it_has_the_whole_percent() -> None:
    fires_at = accuracy.most_that_fires(160, 0.9, 0.01)
    assert (fires_at, round(accuracy.chance(160, fires_at, 0.9), 4)) == (134, 0.0092)
    power = accuracy.chance(160, fires_at, 0.8)
    assert power == pytest.approx(at_most(134, 160, Fraction(4, 5)), abs=1e-9)
    assert power > 0.9
    assert accuracy.window_size(160, 0.9, 0.1, 0.9, 0.01) == 160
    assert accuracy.window_size(2_500, 0.9, 0.1, 0.9, 0.01) > 200


def test_the_power_that_is_said_is_the_power_that_it_has() -> None:
    rate = accuracy.seen_from(160, 134, 0.9)
    assert rate is not None
    assert accuracy.chance(160, 134, rate) == pytest.approx(0.9, abs=1e-6)
    assert accuracy.seen_from(160, -1, 0.9) is None


def test_clopper_pearson_is_exact_at_the_ends_and_covers() -> None:
    low, high = clopper_pearson(0, 10)
    assert (low, high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 10)))
    low, high = clopper_pearson(10, 10)
    assert (low, high) == (pytest.approx(0.025 ** (1 / 10)), 1.0)
    low, high = clopper_pearson(9, 1000)
    assert at_most(9, 1000, Fraction(high).limit_denominator(10**9)) == pytest.approx(0.025, rel=1e-3)
    assert 1 - at_most(8, 1000, Fraction(low).limit_denominator(10**9)) == pytest.approx(0.025, rel=1e-3)


@pytest.mark.parametrize("function", ["even", "pocock", "obrien_fleming"])
def test_all_of_alpha_is_spent_at_the_end_and_none_at_the_beginning(function: Spending) -> None:
    shares = [spent(function, 0.01, share / 20) for share in range(21)]
    assert shares[0] == 0.0 and shares[-1] == pytest.approx(0.01)
    assert shares == sorted(shares)


def test_obrien_fleming_spends_at_half_time_what_the_tables_say() -> None:
    """One-sided .025 at half the information: 0.00153, a boundary of 2.963 (Lan and DeMets 1983)."""
    assert spent("obrien_fleming", 0.025, 0.5) == pytest.approx(0.00153, abs=5e-6)
    assert spent("pocock", 0.05, 0.5) == pytest.approx(0.05 * math.log(1 + (math.e - 1) / 2))


def test_the_levels_of_a_run_never_sum_to_more_than_alpha_even_if_it_grows() -> None:
    risk, levels = Risk("even", 0.01, 1000), list[float]()
    for window in range(30):
        risk.planned = 1000 if window < 5 else 6000
        levels.append(risk.next_level(200))
        risk.use(200, levels[-1])
    assert sum(levels) <= 0.01 + 1e-12
    assert levels[4] > 0


def run(course: AccuracyCourse, *windows: int) -> list[Look]:
    """Feed whole windows with so many right answers each."""
    looks = [course.add_all(whole(right, course.size), AT) for right in windows]
    return [look for look in looks if look is not None]


def course(planned: int = 1000, **fields: object) -> AccuracyCourse:
    given = {"known": {}, "acknowledged": (), "earlier": {}} | fields
    settings = given.pop("settings", AccuracyScreen(window=100))
    return AccuracyCourse("one", settings, planned, **given)  # type: ignore[arg-type]


def test_the_first_window_is_the_baseline_and_what_passes_joins_it() -> None:
    first, second, third = run(course(), 90, 91, 89)
    assert [look.verdict for look in (first, second, third)] == ["baseline", "passed", "passed"]
    assert (second.reference_n, third.reference_n) == (100, 200)
    assert "or lower is seen with 90%" in second.power


def test_after_a_firing_nothing_more_is_tested() -> None:
    falls = course()
    looks = run(falls, 90, 90, 60, 60)
    assert [look.verdict for look in looks] == ["baseline", "passed", "fired"]
    assert falls.firing is looks[-1] and falls.end() is None


def test_windows_that_were_looked_at_are_not_tested_again() -> None:
    before = run(course(), 90, 90, 90)
    again = course(known={look.window: look for look in before})
    assert again.is_known
    assert run(again, 100, 100, 100) == [], "counts are those of the looks: answers are only numbered"
    assert not again.is_known
    (look,) = run(again, 88)
    assert (look.window, look.reference_n) == (4, 300)
    assert "0.900 (270 of 300)" in look.statistic


def test_an_acknowledged_window_is_the_new_baseline_with_the_whole_risk() -> None:
    looks = run(course(), 90, 60)
    after = course(known={look.window: look for look in looks}, acknowledged={2})
    run(after, 0, 0)
    assert after.firing is None
    (look,) = run(after, 62)
    assert (look.verdict, look.reference_n) == ("passed", 100)
    assert look.level == pytest.approx(0.01 * 100 / 800)


def test_a_stated_rate_is_the_baseline_of_the_first_window() -> None:
    settings = AccuracyScreen(baseline=0.9, window=160)
    (look,) = run(course(160, settings=settings), 134)
    assert (look.verdict, look.reference_n) == ("fired", 0)
    assert "0.900 as stated" in look.statistic
    (look,) = run(course(160, settings=settings), 135)
    assert look.verdict == "passed"


def test_too_few_canaries_say_nothing_and_of_a_prompts_samples_one_counts() -> None:
    few = course()
    few.add(Seen(AT, "one", "", True, ()))
    few.add(Seen(AT, "one", "", False, ()))
    few.add(Seen(AT, "two", "", None, ()))
    look = few.end()
    assert look is not None
    assert (look.verdict, look.n, look.power) == ("too_few", 1, "too few canaries to say")


def test_only_the_named_families_are_canaries() -> None:
    named = course(settings=AccuracyScreen(window=20, families=("sums",)))
    looks = [named.add(Seen(AT, f"{family} {n}", family, True, ())) for n in range(20) for family in ("sums", "poems")]
    assert [look.n for look in looks if look] == [20]


@pytest.mark.parametrize("baseline", ["first", 0.9])
def test_a_teacher_that_stays_as_it_is_is_seldom_paused(baseline: object) -> None:
    """The share of 1,000 runs that ever fire is no more than alpha, give or take: upper bound of a true 1 % is 19."""
    draws = np.random.default_rng(7)
    settings = AccuracyScreen.model_validate({"baseline": baseline, "window": 60})
    fired = 0
    for _ in range(1000):
        fired += any(
            look.verdict == "fired"
            for look in run(course(300, settings=settings), *map(int, draws.binomial(60, 0.9, 5)))
        )
    assert fired <= 19


@pytest.mark.parametrize(("longer", "verdict"), [(0, "fired"), (60, "unknown")])
def test_a_fall_on_other_questions_says_nothing_of_the_teacher(longer: int, verdict: str) -> None:
    """What is true of a source that goes from easy to hard."""
    rng = np.random.default_rng(11)
    course = AccuracyCourse("t", AccuracyScreen(window=200), planned=400)
    looks = []
    for number in range(400):
        is_late = number >= 200
        question = "What is it? " + "x" * (40 + int(rng.integers(40)) + is_late * longer)
        right = bool(rng.random() < (0.6 if is_late else 0.95))
        looks.append(course.add(Seen(AT, f"p{number}", "", right, style.of_question(question))))
    said = [look for look in looks if look is not None]
    assert [look.verdict for look in said] == ["baseline", verdict]
    assert (course.firing is not None) == (verdict == "fired")
    assert verdict == "fired" or "the questions differ too (question_characters" in said[-1].power
