"""Find the equations between numbers that a text states, and those of them that are not so (pure).

It would rather miss than accuse. What stands at both sides of an `=` is read as far as it is arithmetic, and left alone
where it is a part of something else (a variable, a unit, a function, a power, another line), or spoken of rather than
stated. A text is cut at its `=`, and each piece is looked at twice at most, so that time grows with length.
"""

import re
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

from tasks.judge.arithmetic import Side, Unclear, agree, in_another_unit, number, side
from tasks.judge.asserted import AROUND, follows_a_name, has_own_operation, is_other_arithmetic, is_stated, names_a_unit
from tasks.judge.plain_signs import plain_signs

_SIGNS = "0123456789+-*/().,% \txX"
_LONGEST = 300
"""Characters of one side; a longer one is left alone."""
_MOST = 20_000
"""Equations of one text that are worked out; a trace of 16k tokens has fewer."""
_TOKEN = re.compile(r"0[xX](?=\d)|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+|[.,](?:\s+|$)|\S")
_EASY_LEFT = re.compile(r"[ \t]?(\d{1,12}) ?([-+*/xX]) ?(\d{1,12}) ?")
_NUMBER = r"(?:\d{1,12}(?:\.\d{1,6})?|\.\d{1,6})"
_FLAT_LEFT = re.compile(rf"[ \t]?({_NUMBER}(?: ?[-+*/] ?{_NUMBER}){{1,9}}) ?")
_EASY_RIGHT = re.compile(r" ?(\d{1,12}(?:\.\d{1,6})?)(?:[.,](?=\s|\Z)|\Z|(?=[>\n)]| [A-Za-z]{2}))")
_STARTS = re.compile(r"[ \t*]*[-(.\d]")
_NUMBERED = re.compile(r"[ \t]*\d{1,3}\)\s")
_STOPS = (".", ",")
_OPENS = frozenset("\n\r\"'`“‘’;:?!<>&|[{→⇒•,")
"""What may stand before a left side, beside words."""
_CLOSES = frozenset("\n\r\"'`”’;:!<>&|]}—→⇒•°…")
"""What may follow a right side, beside words."""
_LATEX_AFTER = ("\\)", "\\]", "\\text", "\\mathrm", "\\mbox", "\\end", "\\quad", "\\qquad")


class Checked(NamedTuple):
    """What was read of a text: how many equations, and those that are not so, shortly."""

    checked: int
    false: tuple[str, ...]


class _Around(NamedTuple):
    """A side with where it stands: the characters that it takes up, and what follows or precedes it."""

    side: Side
    length: int


def check_equations(text: str, question: str = "") -> Checked:
    """The equations of `text` that can be worked out, and the false ones among them.

    A text or question that speaks of other arithmetic (a base, a modulus), and a question that states false equations
    itself (a riddle), take every accusation back: then only what holds is counted.
    """
    if "=" not in text:
        return Checked(0, ())
    plain = plain_signs(text)
    count, false = 0, []
    for link in islice(_links(plain), _MOST):
        if link is None:
            count += 1
            continue
        if (verdict := agree(link.left, link.right)) is None:
            continue
        if verdict:
            count += 1
        elif not link.is_spoken_of:
            false.append(link.text)
    if false and (is_other_arithmetic(plain) or (question and _is_riddle(question))):
        false = []
    return Checked(count + len(false), tuple(false))


def _is_riddle(question: str) -> bool:
    return (
        is_other_arithmetic(question)
        or has_own_operation(question)
        or any(link is not None and agree(link.left, link.right) is False for link in _links(plain_signs(question)))
    )


class _Link:
    """One `=` between two sides that could be read, in its text."""

    def __init__(self, text: str, at: int, left: _Around, right: _Around) -> None:
        self._text, self._at, self._left_length, self._right_length = text, at, left.length, right.length
        self.left, self.right = left.side, right.side

    @property
    def text(self) -> str:
        return f"{self.left.text} = {self.right.text}"

    @property
    def is_spoken_of(self) -> bool:
        """It may be no statement, or one of a name (Week 2 = 35 + 35), or in two units."""
        start, end = self._at - self._left_length, self._at + 1 + self._right_length
        before, after = self._text[max(0, start - AROUND) : start], self._text[end : end + AROUND]
        is_name = follows_a_name(before) and set(self.left.operators) <= {"-"} and bool(self.right.operators)
        if is_name or not is_stated(before, after):
            return True
        return in_another_unit(self.left, self.right, names_a_unit(after))


def _links(text: str) -> Iterator[_Link | None]:
    """Every equation whose sides can be read; None for one that is as plain as can be and holds, which most are."""
    at = -1
    for before, after in pairwise(text.split("=")):
        at += 1 + len(before)
        easy = _EASY_RIGHT.match(after)
        if easy is None and not _STARTS.match(after):
            continue
        if easy and _is_plainly_right(before, easy[1]):
            yield None
            continue
        right = _Around(side([easy[1]]), easy.end(1)) if easy else _head(after)
        if right is None or (left := _tail(before)) is None:
            continue
        if left.side.operators or right.side.operators:
            yield _Link(text, at, left, right)


def _is_plainly_right(before: str, result: str) -> bool:
    """`3 + 4` stands before a result of 7."""
    rest = before.rstrip(_SIGNS)
    if len(rest) == len(before) or not _may_precede(rest, before[len(rest)]):
        return False
    easy = _EASY_LEFT.fullmatch(before, len(rest))
    if easy is None or not result.isdecimal():
        flat = _FLAT_LEFT.fullmatch(before, len(rest))
        found = _side(_TOKEN.findall(flat[1])) if flat else None
        return found is not None and found.value == number(result)
    left, sign, right, shown = int(easy[1]), easy[2], int(easy[3]), int(result)
    if sign == "+":
        return left + right == shown
    if sign == "-":
        return left - right == shown
    return left == shown * right != 0 if sign == "/" else left * right == shown


def _side(tokens: list[str]) -> Side | None:
    try:
        return side(tokens)
    except Unclear:
        return None


def _head(piece: str) -> _Around | None:
    """The side at the beginning of what follows an `=`."""
    rest = piece.lstrip(_SIGNS)
    run = piece[: len(piece) - len(rest)]
    if not 0 < len(run) <= _LONGEST or run.isspace():
        return None
    if run[-1] in "xX" and rest[:1].isalpha():
        run, rest = run[:-1], "x" + rest
    tokens = _TOKEN.findall(run)
    end = _end(tokens)
    if end is None or (end == len(tokens) and not _may_follow(rest, run[-1:])):
        return None
    found = _side(_operators_named(_not_bold(tokens[:end])))
    whole = len(run) if end == len(tokens) else len("".join(tokens[:end]))
    return None if found is None else _Around(found, len(run.rstrip()) if end == len(tokens) else whole)


def _end(tokens: list[str]) -> int | None:
    """Where the side ends: at a full stop, a comma, or the bracket around it; None where that cannot be said."""
    depth = 0
    for at, token in enumerate(tokens):
        if token == "(":
            depth += 1
        elif token == ")":
            depth -= 1
            if depth < 0:
                return at
        elif token[0] in _STOPS and not token[1:].isdigit():
            return at if token not in _STOPS and not depth else (at if at == len(tokens) - 1 and not depth else None)
    return len(tokens) if not depth else None


def _may_follow(rest: str, last: str) -> bool:
    """Whether a number may end there."""
    after = rest[:1]
    if not after or after in _CLOSES:
        return not (after == ":" and rest[1:2].isdigit())
    if after == "\\":
        return rest.startswith(_LATEX_AFTER)
    return after.isalpha() and last.isspace() and rest[1:2].isalpha()


def _tail(piece: str) -> _Around | None:
    """The side at the end of what stands before an `=`."""
    rest = piece.rstrip(_SIGNS)
    run = piece[len(rest) :]
    if not 0 < len(run) <= _LONGEST or run.isspace():
        return None
    if run[0] in "xX" and rest[-1:].isalpha():
        run, rest = run[1:], rest + "x"
    tokens = _TOKEN.findall(run)
    start = 2 if rest[-1:] in ("", "\n") and _NUMBERED.match(run) else _start(tokens)
    if start is None or (start == 0 and not _may_precede(rest, run[:1])):
        return None
    found = _first_signed(tokens[start:], start == 0, rest, run)
    return None if found is None else _Around(found, len(run))


def _start(tokens: list[str]) -> int | None:
    """Where the side starts: after a full stop, a comma, or the bracket around it."""
    depth = 0
    for at in range(len(tokens) - 1, -1, -1):
        token = tokens[at]
        if token == ")":
            depth += 1
        elif token == "(":
            depth -= 1
            if depth < 0:
                return at + 1
        elif token[0] in _STOPS and not token[1:].isdigit():
            return at + 1 if token not in _STOPS and not depth else None
    return 0 if not depth else None


def _may_precede(rest: str, first: str) -> bool:
    """Whether a side may begin there."""
    before = rest[-1:]
    if not before or before in _OPENS:
        return first.isspace() or not (before == "!" or (before == ":" and rest[-2:-1].isdigit()))
    return before.isalpha() and first.isspace() and rest[-2:-1].isalpha()


def _first_signed(tokens: list[str], is_first: bool, rest: str, run: str) -> Side | None:
    """The left side, whose first sign may be a bullet, a mark of bold letters, or a minus."""
    if is_first and not rest[-1:].isalpha():
        tokens = _not_bold(tokens)
    tokens = _operators_named(tokens)
    sign = tokens[0] if tokens else ""
    if sign not in ("-", "+", "*", "/"):
        return _side(tokens)
    is_apart = run.lstrip()[1:2].isspace()
    if is_apart and is_first and rest[-1:] in ("", "\n") and sign in "-*":
        return _side(tokens[1:])
    return _side(tokens) if sign == "-" and not (is_apart and is_first) else None


def _not_bold(tokens: list[str]) -> list[str]:
    if tokens[:2] == ["*", "*"]:
        tokens = tokens[2:]
    return tokens[:-2] if tokens[-2:] == ["*", "*"] else tokens


def _operators_named(tokens: list[str]) -> list[str]:
    """`x` between numbers as `*`; elsewhere it is a variable, which no side may hold."""
    if "x" not in tokens and "X" not in tokens:
        return tokens
    following = [*tokens[1:], ""]
    return [
        "*" if token in ("x", "X") and (after[:1].isdigit() or after[:1] in ("(", ".")) else token
        for token, after in zip(tokens, following, strict=True)
    ]
