"""Find the final answer in what a teacher (or a student) wrote (pure).

Explicit forms win, and of several the last in the text: `<answer>X</answer>`, `\\boxed{X}`, `#### X`,
`Answer: X`. Without one of these a sentence like "the answer is X" counts; without that the whole text is
the answer. A sentence that says what the answer is not says no answer, and what it names is none. Only the last
20,000 characters are looked at, so that no text takes long.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Form = Literal["tag", "boxed", "hashes", "marker", "sentence", "whole"]

_TAIL = 20_000
_TAG = re.compile(r"<answer>(.{0,8000}?)</answer>", re.DOTALL | re.IGNORECASE)
_HASHES = re.compile(r"^[ \t]*####[ \t]*(\S[^\n]*)", re.MULTILINE)
_MARKER = re.compile(
    r"(?:^[ \t>*_#-]{0,8}|[.!?:][ \t*_]{1,4}|\bfinal[ \t])(?:(?:the|my)[ \t])?"
    r"(?:(?:final|correct)[ \t])?answers?(?:\*\*|__)?[ \t]{0,4}:(?:\*\*|__)?[ \t]{0,8}(?:\n\s{0,8})?([^\n]+)",
    re.IGNORECASE | re.MULTILINE,
)
_PATTERNS: tuple[tuple[Form, re.Pattern[str], str], ...] = (
    ("tag", _TAG, "<answer>"),
    ("hashes", _HASHES, "####"),
    ("marker", _MARKER, "answer"),
)
"""Each with what a text must hold, or it is not there."""
_SENTENCE = re.compile(
    r"\banswer[ \t]+(?:is|equals|=|will be|would be)[ \t]*:?[ \t]*(?!correct|right|wrong|not\b)([^\n]+)",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\banswer[ \t]+(?:(?:is|was|equals|=)[ \t]+(?:(?:\w{1,20}ly|still|in fact|of course),?[ \t]+){0,2}"
    r"(?:not|never|no longer)\b|(?:is|was|ca|wo|would|could|should)n['’]t\b"
    r"|(?:can|will|would|could|should)[ \t]?not\b|does(?:[ \t]not|n['’]t)\b)"
    r"[^\n]*?(?=(?<!\\)[.!?;](?:\s|\Z)|\n|\Z|,?[ \t]+(?:but|rather|instead)\b|,[ \t]+(?:it|so|as|since|because)\b)",
    re.IGNORECASE,
)
"""What the answer is not, up to where the sentence ends or turns to what it is."""
_SENTENCE_END = re.compile(r"(?<!\\)[.!?](?=\s|$)")
_DELIMITERS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("__", "__"), ("`", "`"), ('"', '"'))


@dataclass(frozen=True)
class FinalAnswer:
    """The final answer and the form in which it stood."""

    text: str
    form: Form
    block: str
    """For forms that take one line, everything from there to the end: answers like grids have several
    lines."""


def final_answer(text: str) -> FinalAnswer:
    """The final answer of a text; of form `whole` where nothing marks one."""
    tail = text[-_TAIL:]
    explicit = list(_explicit(tail))
    if explicit:
        at, form, found = max(explicit)
        return FinalAnswer(stripped(found), form, stripped(tail[at:] if form in ("hashes", "marker") else found))
    if "answer" in tail.casefold():
        tail = _DENIED.sub("", tail)
        if said := list(_SENTENCE.finditer(tail)):
            sentence = stripped(first_sentence(said[-1].group(1)))
            return FinalAnswer(sentence, "sentence", sentence)
    return FinalAnswer(stripped(tail), "whole", stripped(tail))


_TAKEN_BACK = re.compile(
    r"\?|[.,;:!)(—–…-]\s*(?:no|nope|wait|hmm+|oops|hold on|sorry|actually|but|however|scratch|let me|alternatively)\b"
    r"|\b(?:wait|oops|wrong|incorrect|mistake\w*|not|instead|rather)\b|n['’]t\b",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"\banswer[ \t]+(?:is|equals|=|will be)[ \t]*+:?[ \t]*+(?!correct|right|wrong|not\b)(?=([^\n]{1,300}))",
    re.IGNORECASE,
)
"""The sentence in thoughts: as often as a line holds it."""
_SUPPOSED = re.compile(
    r"\b(?:if|suppose|assum\w+|whether|unless|not|expected|maybe|perhaps|guess\w*|would|could|might|say)\b"
    r"[^.!?\n]{0,60}$|n['’]t\b[^.!?\n]{0,60}$",
    re.IGNORECASE,
)
_AFTER = 300
"""Characters after a statement in which it may be taken back."""


def last_statement(text: str) -> FinalAnswer | None:
    """The last answer that a text of thoughts states, of any form but `whole`; None where there is none, or the last is
    supposed, asked, or taken back by what follows."""
    tail = text[-_TAIL:]
    found = list(_explicit(tail))
    if "answer" in tail.casefold():
        stated = (said for said in _SAID.finditer(tail) if not _DENIED.match(tail, said.start()))
        found += [(said.start(1), "sentence", first_sentence(said[1])) for said in stated]
    if not found:
        return None
    at, form, content = max(found)
    end = at + len(content)
    line = tail.rfind("\n", 0, at) + 1
    if _SUPPOSED.search(tail[max(line, at - 100) : at]) or _TAKEN_BACK.search(tail[end : end + _AFTER]):
        return None
    return FinalAnswer(stripped(content), form, stripped(content))


def _explicit(tail: str) -> Iterator[tuple[int, Form, str]]:
    """The last of each explicit form, with where its content stands."""
    folded = tail.casefold()
    for form, pattern, needed in _PATTERNS:
        if needed in folded and (found := list(pattern.finditer(tail))):
            yield found[-1].start(1), form, found[-1].group(1)
    if (boxed := last_boxed(tail)) is not None:
        yield (boxed[0], "boxed", boxed[1])


def last_boxed(text: str) -> tuple[int, str] | None:
    """Where the content of the last closed `\\boxed{...}` or `\\fbox{...}` starts, and the content, by
    matching braces."""
    end = len(text)
    for _ in range(8):  # a handful of unclosed ones at the end may be passed over, no more
        at = max(text.rfind("\\boxed", 0, end), text.rfind("\\fbox", 0, end))
        if at < 0:
            return None
        opening = re.compile(r"\\f?boxed?\s{0,4}").match(text, at)
        if opening and (content := _content(text, opening.end())) is not None:
            return opening.end() + 1, content
        end = at
    return None


def _content(text: str, at: int) -> str | None:
    if text[at : at + 1] != "{":
        return text[at : at + 1].strip() or None  # \boxed 5
    depth = 0
    for place in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[at + 1 : place]
    return None


def first_sentence(text: str) -> str:
    """Text up to the first sentence end; a point inside a number is none."""
    end = _SENTENCE_END.search(text)
    return text[: end.start()] if end else text


def stripped(text: str) -> str:
    """Less surrounding space, Markdown, quotes, maths delimiters and a closing point."""
    before = None
    while before != text:
        before = text
        text = text.strip(" \t\r\n*").rstrip(".").strip()
        for opening, closing in _DELIMITERS:
            if text.startswith(opening) and text.endswith(closing):
                inner = text[len(opening) : -len(closing)]
                text = inner if inner and opening not in inner else text
    return text
