import json
import os
import random
import signal
import threading
import time

import pytest

from tasks.judge import check_process, latex
from tasks.judge.check import Check
from tasks.judge.check_process import CheckProcess
from tasks.judge.numbers import read_numbers, same
from tasks.judge.verify import by_text, verify


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("Answer: 151", "151", 1), ("15", "151", 0), ("151", "15", 0), ("Answer: -5", "5", 0),
        ("Answer: 5", "-5", 0),
        ("Answer: 1,000", "1000", 1), ("Answer: $1,000.00", "1000", 1), ("Answer: 0.5", "1/2", 1),
        ("\\boxed{\\frac{1}{2}}", "0.5", 1),
        ("Answer: 75 %", "75%", 1), ("Answer: 0.75", "75%", 1), ("#### 72", "48+24=72\n#### 72", 1),
        ("Answer: 1/3", "0.333", 0),
        ("Answer: 3 + 4 = 7", "7", 1), ("Answer: x = 5", "5", 1), ("the answer is 18 dollars.", "18", 1),
        ("She has 12 left", "12", 1), ("So he pays 5*3=15 dollars in 2 weeks.", "15", 1),
        ("10 - 5 = 5.", "5", 1),
        ("I have no idea", "5", 0), ("Answer: five", "5", 0), ("", "5", 0),
        ("Answer: **5** dollars", "5", 1), ("Answer: 12 apples (4 of them red)", "12", 1),
    ],
)  # fmt: skip
def test_numeric_compares_the_final_number(answer: str, reference: str, score: float) -> None:
    assert verify("numeric", answer, reference).score == score


@pytest.mark.parametrize(
    ("answer", "reference", "code"),
    [
        ("Answer: 5 or 6", "5", "answer_ambiguous"),
        ("Answer: x - 5", "5", "answer_unparsed"),
        ("Answer: 5\\sqrt{2}", "5", "answer_unparsed"),
        ("The value is 1,5", "5", "answer_unparsed"),
        ("Answer: 5", "five", "reference_unusable"),
        ("Answer: 5", "", "no_reference"),
    ],
)
def test_numeric_does_not_guess(answer: str, reference: str, code: str) -> None:
    check = verify("numeric", answer, reference)
    assert (check.score, check.code) == (None, code)


def test_details_are_one_line_that_a_person_reads() -> None:
    assert verify("numeric", "Answer: 150", "151").details == "expected 151, got 150"
    assert "\n" not in verify("exact", "a\nb\n" * 200, "c\nd").details


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("Answer: **Paris**.", "paris", 1), ("Paris", "Paris", 1),
        ("The answer is Paris. It lies on the Seine.", "Paris", 1),
        ("Answer: Paris, Texas", "Paris", 0), ("London", "Paris", 0), ("", "Paris", 0),
        ("Answer: 1,000", "1000", 0),
    ],
)  # fmt: skip
def test_exact_folds_case_space_and_marks_and_nothing_else(answer: str, reference: str, score: float) -> None:
    assert verify("exact", answer, reference).score == score


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("\\boxed{\\dfrac12}", "\\frac{1}{2}", 1), ("Answer: 0.5", "\\frac{1}{2}", 1),
        ("\\boxed{1,000}", "1000", 1), ("\\boxed{.5}", "1/2", 1),
        ("\\boxed{x=5}", "5", 1), ("\\boxed{30^\\circ}", "30", 1),
        ("\\boxed{\\text{Evelyn}}", "Evelyn", 1), ("\\boxed{p-q}", "p - q", 1),
        ("\\boxed{x^2+2x+1}", "(x+1)^2", 1), ("Answer: sqrt(2)/2", "\\frac{\\sqrt{2}}{2}", 1),
        ("So it is $\\frac{1}{2}$", "1/2", 1),
        ("\\boxed{50\\%}", "0.5", 1), ("\\frac12", "1/2", 1), ("The answer is 72 dollars in total.", "72", 1),
        ("The answer is $\\frac{\\pi}{2}$ radians.", "\\pi/2", 1), ("The answer is 72 dollars in total.", "7", 0),
        ("Answer: 5 x", "5", 0), ("\\boxed{-\\frac{1}{2}}", "1/2", 0), ("\\boxed{\\{2,1\\}}", "\\{1,2\\}", 1),
        ("\\boxed{15}", "151", 0), ("\\boxed{-5}", "5", 0), ("\\boxed{(2,1)}", "(1,2)", 0),
        ("\\boxed{q-p}", "p-q", 0),
        ("\\boxed{\\frac{1}{3}}", "0.333", 0), ("\\boxed{[1,2]}", "[1,2)", 0),
        ("\\boxed{\\sqrt{3}}", "\\sqrt{2}", 0),
    ],
)  # fmt: skip
def test_math_compares_what_is_meant(answer: str, reference: str, score: float) -> None:
    assert verify("math", answer, reference).score == score


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("\\boxed{52_8}", "52_8", 1), ("\\boxed{52_{8}}", "52_8", 1), ("\\boxed{52}", "52_8", 1), ("52_9", "52_8", 0),
        ("\\boxed{A5_{16}}", "A5_{16}", 1), ("\\boxed{A5_{12}}", "A5_{16}", 0), ("\\boxed{53_8}", "52_8", 0),
        ("\\boxed{x_1}", "x_1", 1), ("\\boxed{x_1 + x_2}", "x_2 + x_1", 1),
        ("\\boxed{15\\text{ cm}^2}", "15\\mbox{ cm}^2", 1), ("\\boxed{15\\text{ cm}^3}", "15\\mbox{ cm}^2", 0),
        ("\\boxed{15}", "15\\mbox{ cm}^2", 1), ("\\boxed{2\\pi^2}", "2\\pi^2", 1),
        ("The final answer is $11,\\! 111,\\! 100$.", "11,\\!111,\\!100", 1),
    ],
)  # fmt: skip
def test_math_heeds_bases_and_the_powers_of_units(answer: str, reference: str, score: float) -> None:
    assert verify("math", answer, reference).score == score


def test_mathematics_that_hangs_is_undecided_in_bounded_time() -> None:
    started = time.monotonic()
    check = verify("math", "\\boxed{9^{9^{9^{9}}}}", "3")
    assert (check.score, check.code) == (None, "check_timeout")
    assert time.monotonic() - started < check_process.WALL_S


def test_a_long_answer_is_not_given_to_sympy() -> None:
    assert verify("math", f"\\boxed{{{'(' * 5000}x{')' * 5000}}}", "5").code == "answer_unparsed"


def test_math_works_off_the_main_thread() -> None:
    scores: list[float | None] = []
    threads = [
        threading.Thread(target=lambda: scores.append(verify("math", "\\boxed{a+b}", "b+a").score)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scores == [1.0, 1.0, 1.0]


def test_a_killed_checker_leaves_one_check_undecided_and_is_started_again() -> None:
    process = CheckProcess()
    request = {"check": "math", "reference": "$1+x$", "answer": "$x+1$"}
    assert process.ask(request)["score"] == 1
    assert process._process is not None
    os.kill(process._process.pid, signal.SIGKILL)
    assert process.ask(request)["code"] == "check_failed"
    assert process.ask(request)["score"] == 1
    process.close()


ENTRY = {"question": "4 - 1 - 7 =", "answer": "-4", "metadata": {"source_dataset": "chain_sum"}}


def entry(task: str, **fields: object) -> str:
    return json.dumps({"task": task, "entry": ENTRY | fields})


def test_a_reasoning_gym_scorer_decides() -> None:
    assert verify("reasoning-gym", "4 - 1 = 3\n3 - 7 = -4\nAnswer: -4", "-4", entry("chain_sum")).score == 1
    wrong = verify("reasoning-gym", "Answer: 4", "-4", entry("chain_sum"))
    assert not wrong.right
    assert wrong.code is None


def test_a_scorer_that_takes_junk_for_right_is_not_trusted() -> None:
    check = verify("reasoning-gym", "Answer: False", "False", entry("game_of_life_halting", answer="False"))
    assert (check.score, check.code) == (None, "scorer_untrusted")
    assert "'wrong'" in check.details


def test_a_scorer_that_does_not_know_its_own_answer_is_not_trusted() -> None:
    metadata = {"puzzle": {"vertices": [1, 2], "edges": [[1, 2]], "num_colors": 2, "color_options": [1, 2]}}
    check = verify("reasoning-gym", "Answer: 1", None, entry("graph_color", answer="", metadata=metadata))
    assert (check.score, check.code) in {(None, "scorer_untrusted"), (None, "check_failed")}


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        (None, "no_reference"),
        ("not json", "no_reference"),
        ("[]", "no_reference"),
        (entry("nope"), "check_failed"),
    ],
)
def test_a_reasoning_gym_prompt_without_its_entry_is_undecided(metadata: str | None, code: str) -> None:
    check = verify("reasoning-gym", "Answer: 5", "5", metadata)
    assert (check.score, check.code) == (None, code)


def test_without_a_verifier_nothing_is_checked() -> None:
    check = verify("none", "anything", None)
    assert (check.score, check.code) == (None, None)


def test_an_unknown_verifier_is_undecided_and_named() -> None:
    check = verify("vibes", "5", "5")
    assert check.code == "unknown_verifier"
    assert "'vibes'" in check.details


def test_whole_numbers_are_compared_as_texts_and_say_what_their_values_say() -> None:
    draws = random.Random(6)
    texts = [str(draws.choice((1, -1)) * draws.randrange(10 ** draws.randrange(1, 31))) for _ in range(200)]
    for one, other in zip(texts, [*texts[1:100], *texts[99:199], texts[0]], strict=True):
        found = by_text(f"\\boxed{{{other}}}", one)
        assert isinstance(found, Check)
        assert found.right == same(read_numbers(one)[0], read_numbers(other)[0]) == (int(one) == int(other))
    assert {by_text(f"\\boxed{{{text}}}", text).right for text in texts} == {True}


def test_signs_are_taken_away_alike_one_by_one_and_together() -> None:
    assert latex.normalised("30^{\\circ}~\\left( x \\right)°") == "30(x)"
