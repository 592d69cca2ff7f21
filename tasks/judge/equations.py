"""Find the equations between numbers that a text states, and those of them that are not so (pure).

It would rather miss than accuse. What stands at both sides of an `=` is read as far as it is arithmetic, and left alone
where it is a part of something else (a variable, a unit, a function, a power, another line), or spoken of rather than
stated. A text is cut at its `=`, and each piece is looked at twice at most, so that time grows with length.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from tasks.judge.arithmetic import Side, Unclear, agree, in_another_unit, side

_SIGNS = "0123456789+-*/().,% \txX"
_LONGEST = 300
"""Characters of one side; a longer one is left alone."""
_AROUND = 60
"""Characters before and after a false equation in which it may be taken back."""
_TOKEN = re.compile(r"0[xX](?=\d)|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+|[.,](?:\s+|$)|\S")
_EASY_LEFT = re.compile(r"[ \t]?(\d{1,12}) ?([-+*/xX]) ?(\d{1,12}) ?")
_EASY_RIGHT = re.compile(r" ?(\d{1,12})(?:[.,](?=\s|\Z)|\Z|(?=[>\n)]| [A-Za-z]{2}))")
_STOPS = (".", ",")
_OPENS = frozenset("\n\r\"'`“‘’;:?!<>&|[{→⇒•,")
"""What may stand before a left side, beside words."""
_CLOSES = frozenset("\n\r\"'`”’;:!<>&|]}—→⇒•°…")
"""What may follow a right side, beside words."""
_LATEX_AFTER = ("\\)", "\\]", "\\text", "\\mathrm", "\\mbox", "\\end", "\\quad", "\\qquad")

_TYPOGRAPHY = (
    ("×", "*"), ("·", "*"), ("⋅", "*"), ("∗", "*"), ("÷", "/"), ("⁄", "/"), ("−", "-"), ("–", "-"), ("\u00a0", " "), ("\u2009", ""),
    ("\u202f", ""), ("€", ""), ("£", ""), ("¥", ""),
)  # fmt: skip
_FRACTION = re.compile(
    r"(?P<whole>\d ?)?\\[dtc]?frac ?(?:\{(?P<top>[^{}]{1,80})\} ?\{(?P<bottom>[^{}]{1,80})\}|(?P<above>\d) ?(?P<below>\d))"
)
_LATEX: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\\\\"), "\r"),
    (re.compile(r"\\(?:left|right)(?![A-Za-z])|\\[!,;:]"), ""),
    (re.compile(r"\\(?:times|cdot|ast)(?![A-Za-z])"), "*"),
    (re.compile(r"\\div(?![A-Za-z])"), "/"),
    (re.compile(r"\\(?=[$% ])"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"& ?="), "="),
    (re.compile(r"\\f?boxed\{([^{}]{0,80})\}"), r" \1 "),
)

_OTHER_ARITHMETIC = re.compile(
    r"\bmod(?:ulo|ul[aeu]\w*)?\b|\\[bp]?mod|\\equiv|≡|\bbase[- ](?:\d|two|three|four|five|six|seven|eight|nine|ten|b\b)"
    r"|\bbinary\b|\bhexadecimal\b|\boctal\b|\bo['’]clock\b|\bcryptarithm|\balphametic|\bclock arithmetic"
    r"|\boperation\b|\bdefined? (?:by|as|to)\b|\b[a-z] ?(?:\*|×|÷|/|\\(?:ast|times|div|star|circ|oplus)) ?[a-z]\b ?=",
    re.IGNORECASE,
)
_TAKEN_UP = re.compile(
    r"\b(?:if|suppos\w+|assum\w+|imagin\w+|pretend\w*|say|claim\w*|not|never|wrong\w*|incorrect\w*|false\w*|mistak\w+"
    r"|errors?|instead|rather|whether|unless|would|approx\w*|about|roughly|around|nearly|almost|estimat\w+|round\w*"
    r"|wrote|written)\b[^.!?\n]{0,30}$|n['’]t\b[^.!?\n]{0,30}$",
    re.IGNORECASE,
)
"""Before an equation: it is supposed, denied, quoted or rounded."""
_LEADS_ON = re.compile(
    r"(?:\b(?:of|by|plus|minus|times|over|twice|thrice|double|triple|half|third|quarter|less|than|to|root|sqrt|sin|cos"
    r"|tan|cot|sec|log|ln|exp|gcd|lcm|max|min|floor|ceil|abs|mod|choose|dozen|hundred|thousand|million|billion|and a"
    r"|one|two|three|four|five|six|seven|eight|nine|ten)|(?<![A-Za-z])[A-Za-z]|\d and|\\[A-Za-z]+)[ (]*$",
    re.IGNORECASE,
)
"""Words that belong to the arithmetic after them."""
_GOES_ON = re.compile(
    r"\s*(?:\\text\w*\{\s*)?(?:million|billion|trillion|thousand|hundred|dozen|percent|per cent|plus|minus|times|divided"
    r"|multiplied|less|more than|mod|modulo|remainder|rem|with|and (?:a|one|\d)|squared|cubed|to the|o['’]clock|am|pm"
    r"|a\.m|p\.m|or|R|r)\b|\s*[\r\n][\s&]*[+/*^](?! )|\s*\r[\s&]*[-+*/]|[!?]",
    re.IGNORECASE,
)
"""Words and signs that belong to the number before them."""
_TAKEN_BACK = re.compile(
    r"[^\n=]{0,12}\?|[.?,;:!(—–…-]\s*(?:no|nope|wait|hmm+|oops|hold on|sorry|actually|but|scratch|let me)\b"
    r"|\b(?:wait|oops|wrong|incorrect|mistake\w*|error|false|not|instead|should|impossible|contradict\w*|absurd"
    r"|nonsense|round\w*|approx\w*|nearest|roughly|about|estimat\w*|remainder|left over|leftover|remain\w*|cents|mod)\b"
    r"|n['’]t\b|≠|≈|\\ne|✗|❌",
    re.IGNORECASE,
)
_WORD_AFTER = re.compile(r"\s*(?:\\text\w*\{\s*)?[A-Za-z]{2}")
_NAME = re.compile(r"[A-Za-z] *$")
_NUMBERED = re.compile(r"[ \t]*\d{1,3}\)\s")
_CONTINUED = re.compile(r"[-+*/(,^]\s*[\r\n]\s*$")


class Checked(NamedTuple):
    """What was read of a text: how many equations, and those that are not so, shortly."""

    count: int
    false: tuple[str, ...]


class _Around(NamedTuple):
    """A side with where it stands: the characters that it takes up, and what follows or precedes it."""

    side: Side
    length: int


def check_equations(text: str, question: str = "") -> Checked:
    """The equations of `text` that can be worked out, and the false ones among them.

    A question that speaks of other arithmetic (a base, a modulus), or states false equations itself (a riddle), takes
    every accusation back: then only what holds is counted.
    """
    if "=" not in text:
        return Checked(0, ())
    plain = _plain(text)
    count, false = 0, []
    for link in _links(plain):
        if link is None:
            count += 1
            continue
        if (verdict := agree(link.left, link.right)) is None:
            continue
        if verdict:
            count += 1
        elif not link.is_spoken_of:
            false.append(link.text)
    if false and (_is_other(plain) or (question and _is_riddle(question))):
        false = []
    return Checked(count + len(false), tuple(false))


def _is_other(text: str) -> bool:
    return bool(_OTHER_ARITHMETIC.search(text))


def _is_riddle(question: str) -> bool:
    return _is_other(question) or bool(check_equations(question).false)


def _plain(text: str) -> str:
    """With ASCII signs and without LaTeX's commands and money signs."""
    if not text.isascii():
        for sign, ascii_sign in _TYPOGRAPHY:
            text = text.replace(sign, ascii_sign)
    if "\\" in text:
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
        text = _FRACTION.sub(_fraction, text)
    return text.replace("$", "").replace("...", "…")


def _fraction(found: re.Match[str]) -> str:
    if found["whole"]:  # 1\frac{1}{2} is a sum, 2\frac{x}{y} a product: neither is guessed
        return f"{found['whole']}#"
    return f"(({found['top'] or found['above']})/({found['bottom'] or found['below']}))"


class _Link:
    """One `=` between two sides that could be read, in its text."""

    def __init__(self, text: str, at: int, left: _Around, right: _Around) -> None:
        self._text, self._at, self._left_length, self._right_length = text, at, left.length, right.length
        self.left, self.right = left.side, right.side

    @property
    def text(self) -> str:
        return f"{self.left.text} = {self.right.text}"

    @cached_property
    def is_spoken_of(self) -> bool:
        """It may be no statement: supposed, denied, quoted, asked, rounded, taken back, a part of more, or in other
        units."""
        start, end = self._at - self._left_length, self._at + 1 + self._right_length
        before, after = self._text[max(0, start - _AROUND) : start], self._text[end : end + _AROUND]
        if _TAKEN_UP.search(before) or _LEADS_ON.search(before) or _CONTINUED.search(before) or _GOES_ON.match(after) or _TAKEN_BACK.search(after):
            return True
        if _NAME.search(before) and set(self.left.operators) <= {"-"} and self.right.operators:
            return True  # Week 2 = 35 + 35
        is_of_units = _WORD_AFTER.match(after) 
        return in_another_unit(self.left, self.right, bool(is_of_units))


def _links(text: str) -> Iterator[_Link | None]:
    """Every equation whose sides can be read; None for one that is as plain as can be and holds, which most are."""
    at = -1
    for before, after in pairwise(text.split("=")):
        at += 1 + len(before)
        if _is_plainly_right(before, after):
            yield None
        elif before and after and (right := _head(after)) is not None and (left := _tail(before)) is not None:
            if left.side.operators or right.side.operators:
                yield _Link(text, at, left, right)


def _is_plainly_right(before: str, after: str) -> bool:
    """`3 + 4` before and `7` after it."""
    result = _EASY_RIGHT.match(after)
    if result is None:
        return False
    rest = before.rstrip(_SIGNS)
    easy = _EASY_LEFT.fullmatch(before, len(rest))
    if easy is None or not _may_precede(rest, before[len(rest)]):
        return False
    left, sign, right, shown = int(easy[1]), easy[2], int(easy[3]), int(result[1])
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
        return not (before == ":" and rest[-2:-1].isdigit()) and not (before == "!" and not first.isspace())
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
    if is_apart and is_first and rest[-1:] in ("", "\n") and sign != "/":
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
