"""Whether the reasoning comes to the answer that is then given (pure).

Only answers that both parts state plainly are compared, and only by what the prompt's verifier decides without sympy,
without running anything: where that cannot tell, nothing is said.
"""

import re
from collections.abc import Callable
from fractions import Fraction

from tasks.judge.check import Check
from tasks.judge.final_answer import FinalAnswer, final_answer, last_statement
from tasks.judge.finding import Finding, Trace, passed, quarantined
from tasks.judge.numbers import Number, has_unread, read_numbers
from tasks.judge.policy import JudgePolicy
from tasks.judge.verify import by_text, folded, verify

VERSION = 2
_LONGEST = 200
"""Characters of an answer that is compared; a longer one is a text that holds more than an answer."""
_SHORT = 60
_UNITS = frozenset({7, 10, 12, 16, 24, 30, 36, 52, 60, 100, 365, 1000, 1440, 3600})
"""How many of a common unit make another; with percent and shares."""
_CHOICE = re.compile(r"(?:option |choice )?\(?([a-j])\)?")
_TRUTH = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}


def check_consistency(trace: Trace, policy: JudgePolicy) -> Finding:
    """The last answer that the reasoning states is the one that is given."""
    compared = _COMPARED.get(trace.verifier)
    stated = last_statement(trace.reasoning) if trace.reasoning and compared else None
    if stated is None or compared is None or not 0 < len(stated.text) <= _LONGEST:
        return passed(stated=None)
    given = final_answer(trace.answer)
    is_same = given.text == stated.text or compared(trace.answer, given, stated)
    shown = _shown(stated.text)
    if is_same is not False:
        return passed(stated=shown, same=is_same)
    details = f"the reasoning comes to {shown!r}, the answer is {_shown(given.text)!r}"
    return quarantined("answers_differ", details, stated=shown, same=False)


def _exact(answer: str, given: FinalAnswer, stated: FinalAnswer) -> bool | None:
    """Of words it is not said that they differ, as there are several for one thing; only of choices, truth and
    numbers."""
    check = verify("exact", answer, stated.text)
    mine, other = _closed(stated.text), _closed(given.text)
    if not check.right and mine and other and (mine in _TRUTH) == (other in _TRUTH):
        return mine == other
    return _decided(check, given, stated)


def _closed(text: str) -> str | None:
    """A choice as its letter, yes or no as a word."""
    plain = folded(text)
    choice = _CHOICE.fullmatch(plain)
    return choice[1] if choice else _TRUTH.get(plain)


def _numeric(answer: str, given: FinalAnswer, stated: FinalAnswer) -> bool | None:
    return _decided(verify("numeric", answer, stated.text), given, stated)


def _math(answer: str, given: FinalAnswer, stated: FinalAnswer) -> bool | None:
    settled = by_text(answer, stated.text)
    return _decided(settled, given, stated) if isinstance(settled, Check) else None


def _decided(check: Check, given: FinalAnswer, stated: FinalAnswer) -> bool | None:
    """What the verifier says; that two differ only of numbers that stand alone, and differ by more than rounding and
    units."""
    if check.score is None or check.right:
        return True if check.right else None
    mine, other = _only_number(stated.text), _only_number(given.text)
    return None if mine is None or other is None or _may_be_same(mine, other) else False


def _only_number(text: str) -> Number | None:
    """The number of a text that has one."""
    numbers = read_numbers(text[:_LONGEST]) if len(text) <= _LONGEST else []
    return numbers[0] if len(numbers) == 1 and not has_unread(text) else None


def _may_be_same(left: Number, right: Number) -> bool:
    """One may be the other rounded, or in another unit."""
    pairs = [(one, other) for one in {left.value, left.also} for other in {right.value, right.also}]
    return any(_is_rounded(*pair) or _is_rounded(*pair[::-1]) or _is_of_units(*pair) for pair in pairs)


def _is_rounded(exact: Fraction, shown: Fraction) -> bool:
    """To a whole number, or within 1 %."""
    is_whole = shown.denominator == 1 and abs(exact - shown) < 1
    return exact.denominator != 1 and (is_whole or abs(exact - shown) * 100 <= abs(exact))


def _is_of_units(one: Fraction, other: Fraction) -> bool:
    return bool(one and other) and not _UNITS.isdisjoint({one / other, other / one})


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHORT else f"{line[: _SHORT - 3]}..."


_COMPARED: dict[str, Callable[[str, FinalAnswer, FinalAnswer], bool | None]] = {
    "exact": _exact, "numeric": _numeric, "math": _math,
}  # fmt: skip
