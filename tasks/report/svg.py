"""A figure as a piece of SVG that lives in a page: the page's colours, ids of its own, no fonts, no date (pure)."""

import io
import re
import warnings
from html import escape
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

COLOURS = {"kept": "#0a0b01", "lost": "#0a0b02", "ink": "#0a0b03", "faint": "#0a0b04", "mark": "#0a0b05"}
"""Stand-ins: each becomes the page's own variable, which is another colour in the dark."""
SIZE = (5.2, 3.0)
"""Inches, at 72 points each: at a phone's width its letters are still readable."""
SETTINGS: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a family may be named $x$
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.edgecolor": COLOURS["faint"],
    "xtick.color": COLOURS["faint"],
    "ytick.color": COLOURS["faint"],
    "xtick.labelcolor": COLOURS["ink"],
    "ytick.labelcolor": COLOURS["ink"],
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
}
_STYLE = re.compile(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", re.DOTALL)
"""What would hold for the whole page."""
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def plain(text: str) -> str:
    """On one line, without letters that XML does not allow."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def blank(height: float = SIZE[1]) -> Figure:
    """An empty figure of the page's width."""
    return Figure(figsize=(SIZE[0], height), layout="constrained")


def inline(figure: Figure, name: str, title: str, description: str) -> str:
    """The figure as `<svg>` with a title and a description; the same figure gives the same text."""
    text = io.StringIO()
    settings: Any = SETTINGS | {"svg.hashsalt": name}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # the page's own fonts draw the letters
        FigureCanvasSVG(figure).print_svg(text, metadata=_NO_METADATA)  # type: ignore[no-untyped-call]
    return _as_part_of_a_page(text.getvalue(), name, title, description)


def _as_part_of_a_page(text: str, name: str, title: str, description: str) -> str:
    body = text[text.index("<svg") :]
    (box,) = re.findall(r'viewBox="([^"]*)"', body)
    body = _STYLE.sub("", body, count=1)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    for variable, stand_in in COLOURS.items():
        body = body.replace(stand_in, f"var(--{variable})")
    head = (
        f'<svg class="plot" viewBox="{box}" role="img" aria-labelledby="{name}-title {name}-desc" '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{name}-title">{escape(plain(title))}</title>'
        f'<desc id="{name}-desc">{escape(plain(description))}</desc>'
    )
    return head + re.sub(r"[ \t]*\n\s*", "\n", body[body.index(">") + 1 :]).strip()
