"""Read numbers as people and models write them: 1,000.00, $5, 75 %, 3/4, 3 1/2, \\frac{3}{4}, 1.5e3, 2
million, ½ (pure).

What looks like a number and is not one for certain (1,5 or 3:30 or 2^10 or 2x) is not read: the caller then
cannot decide, and says so.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

_VULGAR = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5",
    "⅘": "4/5", "⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8",
}  # fmt: skip
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_REWRITES = (
    (re.compile(r"(?<!\d)\*\*|\*\*(?!\d)|`"), ""),
    (
        re.compile(r"\\text(?:bf|it|rm)?\{([^{}]{0,200})\}|\\(?:mathrm|mathbf|mbox)\{([^{}]{0,200})\}"),
        r" \1\2 ",
    ),
    (re.compile(r"(?<=\d)(?:\{,\}|\\[,;:! ]|~|[\u00a0\u2009\u202f])(?=\d{3}(?!\d))"), ","),
    (re.compile(r"(?<=\d)(?=\\[dtc]?frac)"), " "),
    (re.compile(r"\\[dtc]?frac\s*\{\s*(-?\d{1,40})\s*\}\s*\{\s*(\d{1,40})\s*\}"), r"\1/\2"),
    (re.compile(r"\\[dtc]?frac\s*(\d)\s*(\d)"), r"\1/\2"),
    (re.compile(r"\s{0,4}(?:\\times|\\cdot|×|\*)\s*10\s*(?:\^|\*\*)\s*\{?\s*([-+]?\d{1,3})\s*\}?"), r"e\1"),
    (re.compile(r"\\(?=[$%])|\\(?:left|right|quad|[,;:! ])"), ""),
    (re.compile(r"\^\s*\{?\s*\\circ\s*\}?|\\circ|°"), " degrees"),
)
_NUMBER = re.compile(
    r"""(?<![\w.,/:^\\]) (?<![A-Za-z]-)
        (?P<negative>negative\s)? (?P<sign>[-+](?=[$€£¥₹]?[\d.]))? [$€£¥₹]?\s? (?P<sign_after>-)?
        (?: (?P<whole>\d{1,12})\s{1,4}(?P<top>\d{1,12})\s?/\s?(?P<bottom>\d{1,12})
          | (?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,40}(?:\.\d{1,40})?|\.\d{1,40})
            (?P<exponent>[eE][-+]?\d{1,3})? (?:\s?/\s?(?P<under>\d{1,40}(?:\.\d{1,40})?))? )
        (?! [,.:/^]?\d | [\^(\\{_] | [A-Za-z]\b | \*\* | \s?[\^*]\s?\w | \s?/\s?(?:\d|[A-Za-z]\b) )
        (?:\s?(?P<unit>%|percent\b|per\ cent\b|thousand\b|million\b|billion\b|trillion\b))?""",
    re.VERBOSE | re.IGNORECASE,
)
_LEFT_OVER = re.compile(r"\d | \\[A-Za-z] | [+*^<>÷] | (?<!\w)-(?!\w) | (?<![A-Za-z])/(?![A-Za-z]{2})", re.VERBOSE)


@dataclass(frozen=True)
class Number:
    """A number as written, and what it is worth."""

    text: str
    value: Fraction
    also: Fraction
    """The value where the unit belongs to the question: 75 for `75 %` (0.75), 2 for `2 million`; else the
    same as value."""


def read_numbers(text: str) -> list[Number]:
    """Every number of a text, in order. What is malformed or ambiguous is left out; see `has_unread`."""
    return [_number(found) for found in _NUMBER.finditer(rewritten(text)) if _is_finite(found)]


def has_unread(text: str) -> bool:
    """Whether digits, LaTeX or operators are left that `read_numbers` did not read: then the text is more
    than a number."""
    return bool(_LEFT_OVER.search(_NUMBER.sub(" ", rewritten(text))))


def rewritten(text: str) -> str:
    """The text with LaTeX, Unicode and typographic forms of numbers written in ASCII."""
    text = text.translate(_TYPOGRAPHY)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text


_TYPOGRAPHY = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "﹣": "-",
        "－": "-",
        "⁄": "/",
        **{sign: f" {value}" for sign, value in _VULGAR.items()},
    }
)


def _is_finite(found: re.Match[str]) -> bool:
    under = found["bottom"] or found["under"]
    return under is None or Fraction(under) != 0


def _number(found: re.Match[str]) -> Number:
    if found["whole"]:
        written = int(found["whole"]) + Fraction(int(found["top"]), int(found["bottom"]))
    else:
        digits = found["digits"].replace(",", "")
        written = Fraction(
            int(digits) if digits.isdecimal() and not found["exponent"] else digits + (found["exponent"] or "")
        )
        if found["under"]:
            written /= Fraction(found["under"])
    if found["negative"] or found["sign"] == "-" or found["sign_after"]:
        written = -written
    if not found["unit"]:
        return Number(found[0].strip(), written, written)
    unit = found["unit"].lower()
    scale = Fraction(_SCALES[unit]) if unit in _SCALES else Fraction(1, 100)
    return Number(found[0].strip(), written * scale, written)


def same(left: Number, right: Number) -> bool:
    """Equal in value, whole numbers exactly and others within one part in 10^9 (what floating point loses,
    not what rounding does)."""
    return any(_equal(a, b) for a in _readings(left) for b in _readings(right))


def _readings(number: Number) -> tuple[Fraction, ...]:
    return (number.value,) if number.also is number.value else (number.value, number.also)


def _equal(left: Fraction, right: Fraction) -> bool:
    if left.denominator == right.denominator == 1:
        return left == right
    return abs(left - right) * 10**9 <= abs(right)
