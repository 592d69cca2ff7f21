"""Whether a question can be answered from its text alone (pure)."""

import re

from tasks.judge.finding import Finding, Trace, passed, rejected
from tasks.judge.policy import JudgePolicy

_PICTURE = r"(?:figures?|diagrams?|pictures?|images?|photos?|drawings?|screenshots?)"
_IMAGE = re.compile(
    "|".join(
        (
            r"!\[[^\]]*\]\([^)]+\)",  # a Markdown image
            r"<img\b",
            r"\\includegraphics",
            rf"\b(?:in|from|see|to|by|of|on|at|using) (?:the|this|these) (?:accompanying |attached |following |given )?"
            rf"{_PICTURE} (?:below|above|shown|attached|at (?:the )?(?:right|left)|to the (?:right|left)|here)\b",
            rf"\b(?:the|this) (?:accompanying|attached|following) {_PICTURE}\b",
            rf"\b(?:as|is|are) shown (?:below|above|in the {_PICTURE})\b",
            rf"\b{_PICTURE} (?:below|above) shows?\b",
        )
    ),
    re.IGNORECASE,
)
"""What s1 (arXiv 2501.19393) and OpenThoughts filter by, narrowed to phrases that point at a picture: the word alone
("figure out", "take a picture") points at none. An `[asy]` drawing is text, and a teacher can read it."""


def check_question(trace: Trace, policy: JudgePolicy) -> Finding:
    """The question shows all that it speaks of."""
    length = len(trace.question.strip())
    if "[asy]" not in trace.question and (found := _IMAGE.search(trace.question)):
        return rejected(
            "needs_image",
            f"the question speaks of a picture: {found[0]!r}",
            picture=found[0],
            question_characters=length,
        )
    if length < policy.min_question_characters:
        least = policy.min_question_characters
        details = f"the question has {length} characters, min_question_characters is {least}"
        return rejected("question_too_short", details, picture=None, question_characters=length)
    return passed(picture=None, question_characters=length)
