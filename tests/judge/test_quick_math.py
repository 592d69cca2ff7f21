"""math-verify made faster says what math-verify says."""

import inspect
import random
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import math_verify
import pytest
import sympy
from antlr4.ParserRuleContext import ParserRuleContext
from latex2sympy2_extended.latex2sympy2 import _Latex2Sympy
from math_verify import grader, parser

from tasks.judge import latex, quick_math
from tasks.judge.checker import check_math
from tasks.judge.linear import are_different_lines
from tasks.judge.nonzero import are_clearly_apart

PATCHED = ((_Latex2Sympy, "create_parser"), (_Latex2Sympy, "parse_number"), (ParserRuleContext, "getTypedRuleContext"),
           (ParserRuleContext, "getToken"), (parser, "extract_target_from_pred"), (grader, "sympy_numeric_eq"),
           (grader, "sympy_symbolic_eq"), (grader, "sympy_solve_and_compare"),
           (sympy.Set, "symmetric_difference"))  # fmt: skip
quick_math.install()
QUICK = [(owner, name, getattr(owner, name)) for owner, name in PATCHED]


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """math-verify as it comes."""
    for owner, name, made in QUICK:
        monkeypatch.setattr(owner, name, inspect.unwrap(made))
    yield


@contextmanager
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, made in QUICK:
            patch.setattr(owner, name, made)
        yield


def parsed(text: str) -> list[Any]:
    parser.parse_latex_cached.cache_clear()
    parser.extract_latex.cache_clear()
    found: list[Any] = math_verify.parse(text, fallback_mode="no_fallback", parsing_timeout=None)
    return found


def expression(draws: random.Random, depth: int = 0) -> str:
    kind = draws.randrange(14 if depth < 3 else 4)
    if kind < 2:
        return str(draws.randrange(40))
    if kind < 4:
        return draws.choice(("a", "b", "x", "n", "R", "i", "e", "\\pi", "0.5", "1,000", "30^\\circ", "5\\%"))
    one, other = (expression(draws, depth + 1) for _ in range(2))
    return (
        f"{one}+{other}", f"{one}-{other}", f"{one}{other}", f"\\frac{{{one}}}{{{other}}}", f"\\sqrt{{{one}}}",
        f"({one})^{{{other}}}", f"x^{draws.randrange(12)}+{one}", f"({one},{other})", f"{one} \\cdot {other}",
        f"y^{{{draws.randrange(9)}}}({one})",
    )[kind - 4]  # fmt: skip


TEXTS = [
    "8n^2 + 4n + 1", "\\frac{\\pi^2}{8}", "x^{10}y", "f^2(x)", "I^2", "dx^2", "x_1^2", "x^2!", "x^2_1", "e^2",
    "\\sin^2 x", "2^x",
    "[1,2)", "(-\\infty, 2) \\cup (3, \\infty)", "\\{1,2\\}", "x \\in [1,2]", "5x - 7y = 4", "y = x^2",
    "1\\frac{4}{5}", "007",
    "\\begin{pmatrix} 1 & x^2 \\\\ 3 & 4 \\end{pmatrix}", "1 \\pm \\sqrt{5}", "1.50", "x^2 &", "x^2}", "(",
    "\\text{no}", "3 < x^2 < 5", "((5", "7 + 5 +", "\\foo{5} = 6", "f(x, y)", "\\max(3, 4)", "\\gcd(4, 6)",
    "\\frac{d}{dx} x^2", "\\max(\\max(1, 2), 3)", "5 x \\quad 6",
    "x_{12} + y_{n+1}", "√2", "5 €", "12 \\text{ cm}", "50\\%", "a = b = 7",
]  # fmt: skip


def drawn() -> list[str]:
    draws = random.Random(7)
    random_ones = [expression(draws) for _ in range(70)]
    return [f"${text}$" for text in (*TEXTS, *random_ones) if len(text) < 60]


def trees() -> list[list[str]]:
    return [[sympy.srepr(one) for one in parsed(text)] for text in drawn()]


def test_the_quick_parser_reads_what_the_full_one_reads_also_when_it_has_read_it_before(plain: None) -> None:
    full = trees()
    with quick():
        assert trees() == full
        assert trees() == full
    assert sum(bool(tree) for tree in full) > 60


PAIRS = [
    ("(x+1)^2", "x^2+2x+1"), ("(x+1)^2", "x^2+2x+2"), ("\\sqrt{8}", "2\\sqrt{2}"), ("\\sqrt{8}", "2\\sqrt{3}"),
    ("\\frac{1}{\\sqrt{2}}", "\\frac{\\sqrt{2}}{2}"), ("\\frac{x^2-1}{x-1}", "x+1"), ("\\sqrt{x^2}", "x"),
    ("\\sqrt{x^2}", "|x|"),
    ("\\sin^2 x + \\cos^2 x", "1"), ("\\sin 2x", "2 \\sin x \\cos x"), ("1/3", "0.333333"), ("1/3", "0.333"),
    ("3", "\\pi"),
    ("e^{i\\pi}", "-1"), ("\\log_2 8", "3"), ("2^{100}", "2^{100}+1"), ("\\frac{1}{10^{12}}", "0"), ("x", "y"),
    ("\\sqrt{2}+\\sqrt{3}", "\\sqrt{5+2\\sqrt{6}}"), ("10^{20}", "10^{20}+1"), ("50\\%", "\\frac12"), ("i^2", "-1"),
    ("(1,\\sqrt{4})", "(1,2)"), ("(\\sqrt{2},3)", "(\\sqrt{3},3)"), ("x^5 - x", "x^5 - x - 1"),
    ("\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}",
    "\\begin{pmatrix} 1 \\\\ 3 \\end{pmatrix}"), ("\\sqrt[3]{-8}", "-2"), ("(-8)^{1/3}", "-2"), ("x = 5", "5"),
    ("y=2x+3", "y=2x+4"), ("[0,1)\\cup\\{1\\}", "[0,1]"),
    ("(-\\infty,2) \\cup (3,\\infty)", "(3,\\infty) \\cup (-\\infty,2)"),
    ("(-\\infty,2) \\cup (3,\\infty)", "(-\\infty,2] \\cup (3,\\infty)"),
    ("\\{1,2\\} \\cup [3,4]", "[3,4] \\cup \\{1\\}"), ("1 \\pm \\sqrt{5}", "1 \\pm \\sqrt{6}"),
    ("\\{\\sqrt{4},3\\}", "\\{3,2\\}"), ("\\{x,y\\}", "\\{x,z\\}"), ("\\{\\sqrt{2},1\\}", "\\{1,1.41421356237\\}"),
    ("\\frac{3(2\\pi)}{3}", "2\\pi"), ("-(0-(5+2\\sqrt{2}))", "5+2\\sqrt{2}"),
    ("\\frac{\\sqrt{4 \\cdot 7}}{2}", "\\sqrt{7}"),
    ("(x+y)^3", "x^3+3x^2y+3xy^2+y^3"), ("x+10^{-20}", "x"), ("10^{-20} \\cdot 10^{21} + x", "x + 10"),
    ("1.5x", "1.5x + 0"),
    ("x+1.0000000001", "x+1"), ("5\\%", "0.05x"), ("\\frac{x}{3}", "0.333333333333333x"),
    ("\\begin{pmatrix} x \\\\ 2 \\end{pmatrix}", "\\begin{pmatrix} \\frac{3x}{3} \\\\ 2 \\end{pmatrix}"),
]  # fmt: skip


def test_the_quick_comparison_says_what_the_full_one_says(plain: None) -> None:
    pairs = [(f"${gold}$", f"${said}$") for gold, said in PAIRS]
    full = [math_verify.verify(parsed(gold), parsed(said), timeout_seconds=None) for gold, said in pairs]
    with quick():
        for (gold, said), expected in zip(pairs, full, strict=True):
            assert math_verify.verify(parsed(gold), parsed(said), timeout_seconds=None) == expected, (gold, said)
    assert 8 < sum(full) < len(full) - 8


def test_the_checker_uses_it() -> None:
    assert check_math({"reference": "$x^2$", "answer": "$x \\cdot x$"}) == {"score": 1.0}
    assert all(hasattr(getattr(owner, name), "__wrapped__") for owner, name in PATCHED)


def equation(text: str) -> Any:
    return parsed(f"${text}$")[0]


@pytest.mark.parametrize(
    ("one", "other", "different"),
    [
        ("x+2y=3", "x+2y=4", True), ("x+2y=3", "2x+4y=6", False), ("x+2y=3", "x+2y+z=3", True),
        ("y=\\frac{x}{2}", "2y=x", False),
        ("y=\\frac{x}{2}", "3y=x", True), ("x=4", "x=5", True), ("x=4", "2x=8", False), ("x=4", "y=4", True),
        ("x=x+1", "x=x+2", False),
        ("y=x^2", "y=2x^2", False), ("x=0.5", "x=1", False), ("xy=1", "xy=2", False), ("2(x+1)=y", "y=2x+2", False),
    ],
)  # fmt: skip
def test_lines_are_different_where_no_multiple_makes_them_equal(one: str, other: str, different: bool) -> None:
    assert are_different_lines(equation(one), equation(other)) == different


X, Y = sympy.symbols("x y", real=True)


@pytest.mark.parametrize(
    "zero",
    [
        (X + 1) ** 2 - X**2 - 2 * X - 1, sympy.sqrt(8) - 2 * sympy.sqrt(2), sympy.Abs(X) - sympy.sqrt(X**2),
        (X**2 - 1) / (X - 1) - X - 1, (X + Y) ** 9 - sympy.expand((X + Y) ** 9), sympy.Integer(0),
        sympy.sqrt(2) + sympy.sqrt(3) - sympy.sqrt(5 + 2 * sympy.sqrt(6)), sympy.Rational(10**40, 3) * 3 - 10**40,
        sympy.sin(X) ** 2 + sympy.cos(X) ** 2 - 1, sympy.Add(10**40, -(10**40), evaluate=False),
        sympy.exp(sympy.I * sympy.pi) + 1, sympy.nan, sympy.oo, sympy.Symbol("t") - sympy.Symbol("t", positive=True),
    ],
)  # fmt: skip
def test_what_may_be_zero_is_never_called_clear(zero: Any) -> None:
    if zero.free_symbols != {sympy.Symbol("t"), sympy.Symbol("t", positive=True)}:
        assert not are_clearly_apart(zero, sympy.Integer(0))


@pytest.mark.parametrize(
    "other",
    [X**2 - 2 * X, sympy.sqrt(2) - sympy.sqrt(3), 5 * X - Y, sympy.I * X, sympy.pi**2 / 8 - sympy.E, X**8 - X**7],
)
def test_a_clear_difference_is_seen(other: Any) -> None:
    assert are_clearly_apart(other, sympy.Integer(0))


def test_random_identities_are_never_called_different() -> None:
    draws = random.Random(3)
    for _ in range(200):
        factors = [draws.randrange(-9, 10) * X + draws.randrange(-9, 10) * Y + draws.randrange(1, 10) for _ in range(3)]
        product = sympy.Mul(*factors)
        assert not are_clearly_apart(sympy.Add(product, -sympy.expand(product), evaluate=False), sympy.Integer(0))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("\\frac{4}{10}", Fraction(2, 5)), ("-\\dfrac{1}{2}", Fraction(-1, 2)), ("\\frac{-1}{2}", Fraction(-1, 2)),
        ("-\\frac{-1}{2}", Fraction(1, 2)), ("1\\frac{4}{5}", Fraction(9, 5)),
        ("-1 \\frac{4}{5}", Fraction(-9, 5)), ("$3/4$", Fraction(3, 4)),
        ("-12", Fraction(-12)), ("0.5", None), ("50\\%", None), ("1,000", None), ("\\frac{1}{0}", None),
        ("3 1/2", None), ("1 2", None),
        ("x", None), ("007", None), ("\\frac{1}{2}x", None), ("30^\\circ", None), ("x=5", None), ("", None),
    ],
)  # fmt: skip
def test_whole_numbers_and_fractions_are_read_exactly_and_nothing_else(text: str, value: Fraction | None) -> None:
    assert latex.rational(text) == value


def test_exact_fractions_are_compared_as_math_verify_compares_them(plain: None) -> None:
    draws = random.Random(9)
    forms = ("{a}", "-{a}", "\\frac{{{a}}}{{{b}}}", "-\\frac{{{a}}}{{{b}}}", "{a}\\frac{{{b}}}{{{c}}}", "{a}/{b}")
    for _ in range(60):
        texts = [draws.choice(forms).format(**{name: draws.randrange(1, 5) for name in "abc"}) for _ in range(2)]
        gold, said = (parsed(latex.as_latex(text)) for text in texts)
        is_same = latex.rational(texts[0]) == latex.rational(texts[1])
        assert math_verify.verify(gold, said, timeout_seconds=None) == is_same, texts
