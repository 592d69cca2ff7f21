"""Write two mathematical answers alike, so that most equal ones are equal strings and sympy is not asked
(pure)."""

import re
from fractions import Fraction

_REWRITES = (
    ("\\", re.compile(r"\\(?:left|right|displaystyle|limits)(?![A-Za-z])|\\[!,;: ]"), ""),
    ("~", re.compile("~"), ""),
    ("\\", re.compile(r"\\(?:text(?:bf|it|rm)?|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}"), r"\1"),
    ("\\", re.compile(r"\\[dt]frac"), r"\\frac"),
    ("\\", re.compile(r"\\frac\s*([0-9A-Za-z])\s*([0-9A-Za-z])"), r"\\frac{\1}{\2}"),
    ("\\", re.compile(r"\\sqrt\s*([0-9A-Za-z])"), r"\\sqrt{\1}"),
    ("^", re.compile(r"\^\s*\{\s*\\circ\s*\}|\^\s*\\circ"), ""),
    ("°", re.compile("°"), ""),
    ("\\", re.compile(r"\\\$"), ""),
    ("\\", re.compile(r"\\%"), "%"),
    (",", re.compile(r"(?<=\d)(?:\{,\}|,)(?=\d{3}(?!\d))"), ""),
    (".", re.compile(r"(?<![\d.])\.(?=\d)"), "0."),
    ("^", re.compile(r"\^\{(\w)\}"), r"^\1"),
    ("_", re.compile(r"_\{(\w)\}"), r"_\1"),
)
"""A sign that a text must hold, or the rewriting finds nothing; what is found; what is written instead."""
_CURRENCY = re.compile(r"^\\\$\s*(?=[\d.])")
_ASSIGNED = re.compile(r"^[A-Za-z]\s*=\s*(?=[^=]+$)")
_WORD = re.compile(r"[A-Za-z]{2,}")
_PROSE = re.compile(r"\n|(?<![\\A-Za-z])(?!pi\b|sqrt\b|inf)[A-Za-z]{2,}\s")
_AS_LATEX = (
    (re.compile(r"(?<!\\)\bsqrt\s*\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"√\s*\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"√\s*(\w+)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\\A-Za-z])pi\b|π"), r"\\pi "),
    (re.compile(r"∞|(?<![\\A-Za-z])(?:inf|infinity)\b"), r"\\infty "),
    (re.compile(r"∪"), r"\\cup "),
    (re.compile(r"≤|<="), r"\\le "),
    (re.compile(r"≥|>="), r"\\ge "),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"−|–"), "-"),
    (re.compile(r"(?<=\d)\s*°"), r"^\\circ"),
    (re.compile(r"(?<!\\)%"), r"\\%"),
)


def normalised(text: str) -> str:
    """Equal for answers that differ in spacing, in how commands are written, in `x =` before them, in a
    word's case."""
    text = without_dollars(text)
    if "=" in text:
        text = _ASSIGNED.sub("", text)
    for sign, pattern, replacement in _REWRITES:
        if sign in text:
            text = pattern.sub(replacement, text)
    text = "".join(text.split())
    return text.casefold() if _WORD.fullmatch(text) else text


_WHOLE = r"(?:0|[1-9]\d{0,29})"
_RATIONAL = re.compile(
    rf"(?P<sign>-?)(?:(?P<whole>{_WHOLE})(?:\\frac\{{(?P<over>[1-9]\d{{0,29}})\}}\{{(?P<part>[1-9]\d{{0,29}})\}})?"
    rf"|\\frac\{{(?P<minus>-?)(?P<top>{_WHOLE})\}}\{{(?P<bottom>[1-9]\d{{0,29}})\}}"
    rf"|(?P<before>{_WHOLE})/(?P<after>[1-9]\d{{0,29}}))"
)
_APART = re.compile(r"\d\s+\d")


def rational(text: str) -> Fraction | None:
    """The number that a text is, if it is a whole number, a fraction or a mixed number in LaTeX, or a/b, and no more;
    decimals, percent, units and thousands are left to whoever knows how exactly they are meant."""
    plain = without_dollars(text)
    found = _RATIONAL.fullmatch("".join(plain.split()).replace("\\dfrac", "\\frac"))
    if not found or _APART.search(plain):
        return None
    if found["whole"]:
        value = Fraction(int(found["whole"])) + Fraction(int(found["over"] or 0), int(found["part"] or 1))
    else:
        value = Fraction(int(found["top"] or found["before"]), int(found["bottom"] or found["after"]))
    return -value if bool(found["sign"]) != bool(found["minus"]) else value


_IN_BASE = re.compile(r"([A-F]*\d[0-9A-F]*)(?:_\{?(\d{1,2})\}?)?")
_UNIT_POWER = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}\^(\d)$")


def compared(left: str, right: str) -> bool | None:
    """What two normalised answers say without sympy, which overlooks bases and the powers of units: None where they do
    not decide. Digits without a base are taken to be in the other's."""
    if left == right:
        return True
    one, other = _IN_BASE.fullmatch(left), _IN_BASE.fullmatch(right)
    if one and other and (one[2] or other[2]):
        return one[1] == other[1] and (one[2] or other[2]) == (other[2] or one[2])
    powers = [found[1] for text in (left, right) if (found := _UNIT_POWER.search(text))]
    return False if len(set(powers)) == 2 else None


def as_latex(text: str) -> str:
    """The text as LaTeX between dollars, which math-verify reads whole; `sqrt(2)`, `pi` and Unicode signs
    are rewritten."""
    text = without_dollars(text)
    for pattern, replacement in _AS_LATEX:
        text = pattern.sub(replacement, text)
    return f"${text}$"


def is_expression(text: str) -> bool:
    """Whether a text is one short formula rather than prose: no words but the names of commands, and no
    dollars."""
    return len(text) <= 200 and "$" not in text and not _PROSE.search(text)


def without_dollars(text: str) -> str:
    """Less maths delimiters and a currency sign before digits."""
    text = text.strip().strip("$").strip()
    return _CURRENCY.sub("", text) if text.startswith("\\$") else text
