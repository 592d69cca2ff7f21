"""Equations that a text states: those that hold, those that do not, and what is no plain equation and is let be."""

from collections.abc import Sequence

import pytest
from judge.written import PLAIN, trace

from tasks.judge import equations
from tasks.judge.arithmetic import Side, side
from tasks.judge.equations import check_equations
from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import judge_trace
from tasks.judge.rules import row_rule_set
from tasks.judge.steps import check_steps

RIGHT = [
    "47 + 85 = 132. Then 132 + 19 = 151.", "3 + 4 + 5 = 7 + 5 = 12", "48/2 = <<48/2=24>>24 clips",
    "1,200 + 34 = 1,234", "$3.50 x 2 = $7", "It costs 5€ + 3€, €5 + €3 = €8.", "\\(6 \\times 7 = 42\\)",
    "$6 \\cdot 7 = 42$", "$$12 \\div 4 = 3$$", "\\frac{1}{2} + \\frac{1}{4} = \\frac{3}{4}", "\\frac12 + \\frac12 = 1",
    "\\[ 3 \\cdot 4 = \\boxed{12} \\]", "\\begin{align*} 3 + 4 &= 7 \\\\ \\end{align*}", "1{,}000 + 5 = 1005",
    "10 / 3 = 3.33", "10/3 = 3.333...", "20 / 3 = 6.66", "10 / 3 = 3", "17 / 5 = 3 remainder 2", "0.1 + 0.2 = 0.3",
    ".5 * 4 = 2", "0.25 * 100 = 25%", "20% * 50 = 10", "15 / 60 = 25%", "(3 + 4) * 2 = 14", "2(3 + 4) = 14",
    "12 − 20 = −8", "12 - 20 = -8", "So -3 + 5 = 2", "- 3 + 4 = 7", "* 3 + 4 = 7", "**3 + 4 = 7**", "1. 3 + 4 = 7",
    "1) 3 + 4 = 7", "Step 2: 3 + 4 = 7", "x = 3 + 4 = 7", "12 ÷ 4 = 3", "6 × 7 = 42", "2 · 3 = 6",
    "The tax 3 + 4 = 7 xenons", "(so 3 + 4 = 7)", "`3 + 4 = 7`", "| 3 + 4 = 7 |", "7 = 3 + 4", "3+4=7,\nand",
    "Great! 3 + 4 = 7!", "10 – 3 = 7", "3 X 4 = 12",
]  # fmt: skip
FALSE = [
    "47 + 85 = 133.", "3 + 4 + 5 = 7 + 6", "3 + 4 + 5 = 7 + 6 = 13", "48/2 = <<48/2=25>>25", "1,200 + 34 = 1,233",
    "$3.50 x 2 = $8", "€5 + €3 = €9.", "\\(6 \\times 7 = 43\\)", "$6 \\cdot 7 = 43$", "$$12 \\div 4 = 4$$",
    "\\frac{1}{2} + \\frac{1}{4} = \\frac{2}{4}", "\\[ 3 \\cdot 4 = \\boxed{13} \\]", "3 + 4 &= 8 \\\\ \\end{align*}",
    "10 / 3 = 3.43", "20 / 3 = 7.67", "17 / 5 = 5", "0.1 + 0.2 = 0.4", "15 / 60 = 35%", "(3 + 4) * 2 = 15",
    "2(3 + 4) = 15", "12 − 20 = 8", "So -3 + 5 = 3", "- 3 + 4 = 8", "**3 + 4 = 8**", "1. 3 + 4 = 8", "1) 3 + 4 = 8",
    "x = 3 + 4 = 8", "12 ÷ 4 = 4", "1 + 1 = 6. Then 3", "3 + 4 = 8 apples", "7 = 3 + 5", "1 + 2 = 3.5",
    "2 * 3 + 4 = 11, and", "10 – 3 = 8", "So he has 3 + 4 = 8, which he keeps.", "4 + 4 + 6 = 18 hot dogs",
    "999999999999 * 999999999999 = 7",
]  # fmt: skip
LEFT_ALONE = [
    "3 apples + 4 apples = 8 apples", "3 hours + 30 minutes = 4 hours", "2x + 3 = 9", "x + 3 + 4 = 9", "3x-5 = 16",
    "f(3 + 4) = 9", "sin 30 + 1 = 2", "C(5, 2) = 11", "gcd(12, 8) + 1 = 6", "\\sqrt{9} + 4 = 8", "√9 + 4 = 8",
    "2^3 + 1 = 10", "2**3 + 1 = 4", "3² + 4 = 14", "3! + 4 = 11", "= 7!", "3 + 4 = 8!", "3 + 4 = 8^2", "|3 - 5| = 3",
    "if 2 + 2 = 5, then", "Suppose that 2 + 2 = 5.", "2 + 2 ≠ 5", "2 + 2 != 5", "2 + 2 \\neq 5",
    "it is not true that 2 + 2 = 5", "2 + 2 = 5 is false.", "2 + 2 = 5 is wrong", "is 3 + 4 = 8?", "3 + 4 = 8? no, 7",
    "47 + 85 = 133. Wait, that is off", "47 + 85 = 133 -- no, 132", "47 + 85 = 133, but that is wrong",
    "I wrote 3 + 4 = 8", "3 + 4 ≈ 8", "3 + 4 == 8", "3 + 4 <= 8", "3 + 4 => 8", "a += 3 + 4", "5 + 4 = 2 (mod 7)",
    "Modulo 7 we have 5 + 4 = 2.", "In base 7, 5 + 4 = 12.", "101 + 11 = 1000 in binary", "10:30 + 2 = 13:00",
    "5 + 3 = 2 pm", "11 + 3 = 2 o'clock", "3,5 + 1,5 = 6", "3.4.5 + 1 = 9", "7/2 = 3 1/3", "1\\frac{1}{2} + 1 = 3",
    "1/2 ÷ 1/4 = 2", "6/2(1+2) = 1", "90 + 60 = 2.5 hours", "25 * 4 = 1 dollar", "2 * 500,000 = 1 million",
    "1 + 2 + ... + 10 = 55", "1 + 2 + … + 10 = 55", "5 + 5 = 1 + 2 + ... + 4", "half of 10 + 2 = 7",
    "20% of 50 + 5 = 15", "three times 4 + 2 = 14", "100 - 20% = 80", "50 + 20% = 60", "17 % 5 = 2", "17 // 5 = 4",
    "(1, 2) + (3, 4) = (4, 6)", "3 + 4 +\n5 + 6 = 18", "3 + 4 = 7 + 5 = 12", "price - 3 + 5 = 12", "0.67 * 300 = 200",
    "3.14 * 7 = 22", "10 / 3 + 1 = 3.33 + 1", "0x10 + 5 = 21", "Week 2 = 35 + 35", "5 \\star 1 + 2 = 49",
    "5 ⋆ 1 + 2 = 49", "x3 + 4 = 9", "a_1 + 2 + 3 = 9", "3 + 4 = 8x", "3 + 4 = 8 y", "5 / 0 = 7", "3 + = 8",
    "+ 3 + 4 = 8", "about 200 * 3 = 500", "200 * 3 = 500 roughly", "3 + 4 = 7 plus 1", "= 3 = 4", "5 = 6",
    "12 x 1 and 1/4 = 15", "1" * 30 + " + 1 = 7", "3 * 10^8 + 1 = 7", "3 + 4 = 8 * 10^2",
]  # fmt: skip


@pytest.mark.parametrize("text", RIGHT)
def test_an_equation_that_holds_is_read_and_not_accused(text: str) -> None:
    checked, false = check_equations(text)
    assert checked >= 1 and not false


@pytest.mark.parametrize("text", FALSE)
def test_an_equation_that_does_not_hold_is_found(text: str) -> None:
    assert len(check_equations(text).false) == 1


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_is_not_plainly_a_statement_of_arithmetic_is_left_alone(text: str) -> None:
    assert not check_equations(text).false


def test_what_follows_an_equation_is_read_too() -> None:
    assert check_equations("47 + 85 = 135. 135 + 19 = 151.\n3 * 4 = 12, so 5 - 4 = 1.") == (
        4,
        ("47 + 85 = 135", "135 + 19 = 151"),
    )


@pytest.mark.parametrize(
    "question",
    ["If 2 + 3 = 13 and 3 + 4 = 25, what is 4 + 5?", "Define a * b = 2a + b. What is 4 * 5?", "Add 4 and 5 in base 6."],
)
def test_a_riddle_has_an_arithmetic_of_its_own(question: str) -> None:
    assert check_equations("So 4 + 5 = 41.", "What is 4 + 5?").false
    assert not check_equations("So 4 + 5 = 41.", question).false


def test_the_rule_says_how_many_are_false_and_shows_three() -> None:
    text = "1 + 1 = 3. 1 + 2 = 4. 1 + 2 = 4. 1 + 3 = 5. 1 + 4 = 6. 1 + 4 = 5."
    found = check_steps(trace("5", reasoning=text), JudgePolicy())
    assert (found.outcome, found.reason) == ("reject", "false_step")
    first = "1 + 1 = 3; 1 + 2 = 4; 1 + 3 = 5"
    assert found.signal == {"checked": 6, "false": 5, "share": 0.8333, "first": first}
    assert found.details == f"5 of 6 equations are not so: {first}; max_false_steps is 10%"


def test_a_long_trace_may_slip_once_where_a_short_one_may_not() -> None:
    slip, fine = "1 + 1 = 3. ", "1 + 1 = 2. "
    assert check_steps(trace(slip + fine * 9), JudgePolicy()).outcome == "pass"
    assert check_steps(trace(slip + fine * 8), JudgePolicy()).outcome == "reject"
    assert check_steps(trace(slip + fine * 9), JudgePolicy(max_false_steps=0)).outcome == "reject"


def test_false_steps_are_noted_and_reject_where_the_policy_says_so() -> None:
    spoiled = trace(f"1 + 1 = 3. {PLAIN}")
    noted, left_out = judge_trace(spoiled, JudgePolicy()), judge_trace(spoiled, JudgePolicy(steps="reject"))
    assert (noted["outcome"], noted["reason"]) == ("kept", None)
    assert '"found": "false_step"' in str(noted["signals"])
    assert (left_out["outcome"], left_out["reason"], left_out["rule"]) == ("rejected", "false_step", "steps")


def test_the_policy_of_steps_is_part_of_the_row_rule_set() -> None:
    policies = [JudgePolicy(), JudgePolicy(steps="reject"), JudgePolicy(max_false_steps=0)]
    assert len({row_rule_set(policy) for policy in policies}) == 3


ENDLESS = [
    "1", "=", "1=", "1+", "1+1=", "1 + 1 = 3 ", "(", "((1=", ")", "1)=", ",1", "1,", "1,111", ".", " ", "1 =", "x=1",
    "\\frac", "\\frac{1}{", "\\boxed{", "{", "\\", "1\n-", "**", "%", "1%=", "-", "1-=", "<<1=1>>", "\\\\&=1+1",
    "1e9*1e9=", "999999999999999999999999*", "if ", "1 + 1 = 3? ", "…=1+1",
]  # fmt: skip


@pytest.mark.parametrize("piece", ENDLESS)
def test_a_text_four_times_as_long_is_four_times_the_work(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted are the tokens that are worked out, which nothing bounds but the cut at `=` and the longest side."""
    work = 0

    def counted(tokens: Sequence[str]) -> Side:
        nonlocal work
        work += len(tokens)
        return side(tokens)

    monkeypatch.setattr(equations, "side", counted)
    spent = []
    for length in (10_000, 40_000):
        work = 0
        check_equations(piece * (length // len(piece)))
        spent.append(work)
    assert spent[1] <= 4.1 * spent[0] + 100


@pytest.mark.parametrize(
    "text", ["9" * 24 + " * " + " * ".join(["9" * 24] * 20) + " = 1", "(" * 150 + "1" + ")" * 150 + " = 2"]
)
def test_no_number_grows_beyond_what_can_be_written_on_a_line(text: str) -> None:
    assert check_equations(text).checked <= 1


def test_of_a_megabyte_of_equations_so_many_are_read_as_a_trace_can_hold() -> None:
    assert check_equations("1+1=2. " * 143_000).checked == 20_000
