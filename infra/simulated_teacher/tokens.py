"""The simulated teacher's own token count. Pure.

A token is a word with at most one mark glued to its front, one to three digits, or a run of marks; white
space is free. This never counts more than the cl100k encoding does on plain text, so a client that bounds a
prompt by that encoding stays on the safe side. A message costs 3 more, and the reply's opening 3, as in
OpenAI's chat format.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"[^\w\s]?[^\W\d_]+|\d{1,3}|(?:[^\w\s]|_)+")
_PER_MESSAGE = 3


def count_tokens(text: str) -> int:
    return len(_TOKEN.findall(text))


def count_prompt(contents: list[str]) -> int:
    return _PER_MESSAGE + sum(_PER_MESSAGE + count_tokens(content) for content in contents)


def cut(text: str, tokens: int) -> str:
    """The first `tokens` tokens of `text`, with what stands between them."""
    if tokens <= 0:
        return ""
    for number, found in enumerate(_TOKEN.finditer(text), start=1):
        if number == tokens:
            return text[: found.end()]
    return text
