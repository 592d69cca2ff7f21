"""The quick reading of LaTeX sees the tokens that ANTLR sees, and puts each text's own into a tree."""

import random

import pytest
from antlr4 import InputStream, Token
from latex2sympy2_extended import latex2sympy
from latex2sympy2_extended.antlr_parser import PSLexer

from tasks.judge import quick_math
from tasks.judge.quick_parse import grouped, read, tokens

TEXTS = [
    "\\frac{1}{2}", "1,000", "1,00", "1.5e3", "x_{12}^{2}", "\\sqrt[3]{8}", "\\left( 1, 2 \\right]", "5\\%", "",
    "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}", "∞", "a ≤ b", "\\text{cm}^2", "\\pi r^2",
    "\\operatorname{foo}(x)",
    "√2", "\\unknown", "x'", "   ", "\t1\n2", "\\", "\\le\\leq\\left", "30^\\circ",
]  # fmt: skip


def by_antlr(text: str) -> list[tuple[int, int, int]] | None:
    lexer = PSLexer(InputStream(text))
    failed: list[object] = []
    lexer.removeErrorListeners()
    lexer.notifyListeners = failed.append
    found = []
    while (token := lexer.nextToken()).type != Token.EOF:
        found.append((token.type, token.start, token.stop))
    return None if failed else found


def test_the_lexer_finds_the_tokens_that_antlr_finds() -> None:
    draws = random.Random(4)
    parts = [*TEXTS, *"0123456789abxye+-*/^_(){}[]|!,.=<>& \\'"]
    drawn = ["".join(draws.choices(parts, k=draws.randrange(1, 6))) for _ in range(300)]
    known = [by_antlr(text) for text in (*TEXTS, *drawn)]
    assert [tokens(text) for text in (*TEXTS, *drawn)] == known
    assert None in known and sum(bool(found) for found in known) > 200


def test_a_tree_holds_the_tokens_of_the_text_that_was_read_last() -> None:
    assert read("\\frac{1}{2}").getText() == "\\frac{1}{2}<EOF>"
    assert read("\\frac{35}{4}").getText() == "\\frac{35}{4}<EOF>"


def test_a_fresh_tree_leaves_the_others_alone() -> None:
    outer = read("x + 1")
    inner = read("y + 2", is_fresh=True)
    assert (outer.getText(), inner.getText()) == ("x+1<EOF>", "y+2<EOF>")


def test_a_text_within_a_text_does_not_disturb_it() -> None:
    quick_math.install()
    assert [str(latex2sympy(f"\\max({one}, {one}) + {one}").doit()) for one in ("1", "2")] == ["2", "4"]


@pytest.mark.parametrize("text", ["8n^2 + 4n + 1", "\\frac{\\pi^2}{8}", "[1,2)", "\\sqrt{5}", "5x - 7y = 4"])
def test_most_texts_are_read_in_one_stage(text: str) -> None:
    assert read(grouped(text)) is not None


@pytest.mark.parametrize("text", ["(", "1 +", "\\frac{1}", "\\unknown!!", "x^2}"])
def test_what_is_no_formula_is_left_to_antlr(text: str) -> None:
    assert read(text) is None
