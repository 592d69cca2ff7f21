"""Write arithmetic in ASCII signs: without LaTeX's commands, typographic signs and signs of money (pure)."""

import re

_TYPOGRAPHY = (
    ("×", "*"), ("·", "*"), ("⋅", "*"), ("∗", "*"), ("÷", "/"), ("⁄", "/"), ("−", "-"), ("–", "-"),
    ("\u00a0", " "), ("\u2009", ""), ("\u202f", ""), ("€", ""), ("£", ""), ("¥", ""),
)  # fmt: skip
_FRACTION = re.compile(
    r"(?P<whole>\d ?)?\\[dtc]?frac ?"
    r"(?:\{(?P<top>[^{}]{1,80})\} ?\{(?P<bottom>[^{}]{1,80})\}|(?P<above>\d) ?(?P<below>\d))"
)
_LATEX: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\\\\|\\(?:begin|end)\{[^{}]{0,20}\}"), "\r"),
    (re.compile(r"\\(?:left|right)(?![A-Za-z])|\\[!,;:]"), ""),
    (re.compile(r"\\(?:times|cdot|ast)(?![A-Za-z])"), "*"),
    (re.compile(r"\\div(?![A-Za-z])"), "/"),
    (re.compile(r"\\(?=[$% ])"), ""),
    (re.compile(r"& ?="), "="),
    (re.compile(r"\\f?boxed\{([^{}]{0,80})\}"), r" \1 "),
)


def plain_signs(text: str) -> str:
    """The text with `*` for a times sign, `((1)/(2))` for a fraction; a carriage return where LaTeX breaks a line."""
    if not text.isascii():
        for sign, ascii_sign in _TYPOGRAPHY:
            text = text.replace(sign, ascii_sign)
    if "\\" in text:
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
        text = _FRACTION.sub(_fraction, text)
    return text.replace("$", "").replace("{,}", ",").replace("...", "…")


def _fraction(found: re.Match[str]) -> str:
    if found["whole"]:  # 1\frac{1}{2} is a sum, 2\frac{x}{y} a product: neither is guessed
        return f"{found['whole']}#"
    return f"(({found['top'] or found['above']})/({found['bottom'] or found['below']}))"
