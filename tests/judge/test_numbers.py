from fractions import Fraction

import pytest

from tasks.judge.numbers import has_unread, read_numbers, same


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("151", 151), ("-5", -5), ("−5", -5), ("negative 5", -5), ("-$5", -5), ("$-5", -5), ("x=-5", -5),
        ("1,000", 1000), ("$1,000.00", 1000), ("1{,}000", 1000), ("1\\,000", 1000), ("1\u00a0000", 1000),
        ("\\$18", 18),
        (".5", Fraction(1, 2)), ("1/2", Fraction(1, 2)), ("\\frac{3}{4}", Fraction(3, 4)),
        ("\\dfrac34", Fraction(3, 4)),
        ("3 1/2", Fraction(7, 2)), ("3½", Fraction(7, 2)), ("-1/2", Fraction(-1, 2)),
        ("-\\frac{1}{2}", Fraction(-1, 2)), ("\\frac{-14}{2}", -7), ("3\\frac{1}{2}", Fraction(7, 2)),
        ("75 %", Fraction(3, 4)), ("75\\%", Fraction(3, 4)), ("75 percent", Fraction(3, 4)),
        ("1.5e3", 1500), ("1.5 \\times 10^{3}", 1500), ("2 million", 2_000_000),
        ("12 apples", 12), ("5km", 5), ("$5/hour", 5), ("90^\\circ", 90), ("72.", 72),
    ],
)  # fmt: skip
def test_a_number_is_read_as_people_write_it(text: str, value: Fraction) -> None:
    (number,) = read_numbers(text)
    assert number.value == value
    assert not has_unread(text)


@pytest.mark.parametrize(
    "text",
    ["- 5", "1,5", "3:30", "2^10", "2x", "3/4/2020", "1,234,56", "5\\sqrt{2}", "x - 5", "5 \\pi", "3*4"],
)
def test_what_is_not_certainly_one_number_is_left_unread(text: str) -> None:
    assert has_unread(text)


def test_a_division_by_zero_is_no_number() -> None:
    assert read_numbers("1/0") == []


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("1,000", "1000", True), ("0.5", "1/2", True), ("5", "5.0", True), ("75%", "75", True),
        ("75%", "0.75", True),
        ("2 million", "2", True), ("2 million", "2,000,000", True), ("0.30000000000000004", "0.3", True),
        ("15", "151", False), ("151", "15", False), ("-5", "5", False), ("1/3", "0.333", False),
        ("0.75", "75", False),
        ("1000000", "1000001", False), ("3.14", "3.1415926", False), ("10", "100", False),
    ],
)  # fmt: skip
def test_equal_numbers_are_equal_and_near_misses_are_not(left: str, right: str, equal: bool) -> None:
    assert same(read_numbers(left)[0], read_numbers(right)[0]) is equal
