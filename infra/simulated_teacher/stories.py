"""Solves short stories in which somebody gains and loses things. Pure.

`Mia has 42 pears. She buys 17 more. She gives away 8. How many pears does Mia have now?` is read clause by
clause: the latest verb says whether a number adds or subtracts. A story that compares, multiplies or asks for
something other than what is there in the end is not attempted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from infra.simulated_teacher.steps import Solution, step


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GAINS = _words("""
    buy buys bought find finds found get gets got pick picks picked receive receives received collect collects
    collected earn earns earned win wins won catch catches caught make makes made bake bakes baked add adds
    added gather gathers gathered gain gains gained borrow borrows borrowed given plant plants planted
""")
_LOSSES = _words("""
    give gives gave lose loses lost eat eats ate sell sells sold use uses used spend spends spent drop drops
    dropped break breaks broke throw throws threw donate donates donated pay pays paid remove removes removed
    lend lends lent send sends sent share shares shared
""")
_GIVING = _words("give gives gave lend lends lent send sends sent")
_OWNING = _words("has have had start starts started begin begins began")
_NO_THING = _words("more of to and away from at in on for with his hers yes was is has does")
_SAME_PERSON = _words("she he they it i we")
_RECEIVING = _words("her him them it me us")
_VERBS = _words("are is do does did will would can has have in")
_BEYOND = re.compile(
    r"\b(twice|half|double|triple|times|each|every|per|percent|dozen|fewer|than|thirds?|quarters?|fourths?)\b"
    r"|%|\d[.,/]\d"
)
_QUESTION = re.compile(r"\bhow (?:many|much)\b([^?]*)\?", re.IGNORECASE)
_ASKS_FOR_THE_END = re.compile(r"\b(now|left|have|has|total|altogether|all|remain|remains|there)\b", re.IGNORECASE)
_ASKS_FOR_ALL = re.compile(r"\b(total|altogether|together|in all)\b", re.IGNORECASE)
_WORD = re.compile(r"\d+|[A-Za-z']+")


@dataclass(slots=True)
class _Story:
    asks_for_all: bool
    thing: str  # what the question counts; "" where it does not say
    total: int | None = None
    owner: str = ""
    steps: list[str] = field(default_factory=list)

    def read(self, sentence: str) -> bool:
        """Takes one sentence into account; False where its meaning is not certain."""
        words = _WORD.findall(sentence)
        subject = words[0].lower() if words else ""
        verb = "has" if subject == "there" and words[1].lower() in ("are", "were") else ""
        for at, raw in enumerate(words):
            word = raw.lower()
            if word in _GAINS or word in _LOSSES or word in _OWNING:
                verb = word
            elif word.isdigit():
                sign = self._sign(subject, verb, [other.lower() for other in words[:at]])
                if sign is None or not self._is_counted(words[at + 1 :]) or not self._count(int(word), sign):
                    return False
        if not self.owner and self.total is not None:
            self.owner = subject
        return True

    def _sign(self, subject: str, verb: str, before: list[str]) -> str | None:
        if verb in _OWNING:
            first_sentence = self.total is None or not self.owner
            return "+" if first_sentence or self.asks_for_all else None
        if self.total is None:
            return None
        if not self.owner or subject in _SAME_PERSON or subject == self.owner:
            return "+" if verb in _GAINS else "-" if verb in _LOSSES else None
        given_to_owner = any(word in _RECEIVING or word == self.owner for word in before[1:])
        return "+" if verb in _GIVING and given_to_owner else None

    def _is_counted(self, after: list[str]) -> bool:
        """Whether a number before these words counts the thing asked for: `more`, `pears`, `red pears`."""
        things = [word.lower() for word in after[:3]]
        if not things or things[0] in _NO_THING:
            return True
        return not self.thing or self.thing in things or not things[0].endswith("s")

    def _count(self, number: int, sign: str) -> bool:
        if self.total is None:
            self.total = number
            return True
        text, self.total = step(self.total, sign, number)
        self.steps.append(text)
        return True


def solve_story(text: str) -> Solution | None:
    """What is there in the end; None where not certain. The last line is the story, if it asks."""
    last_line = text.strip().rpartition("\n")[2]
    story_text = last_line if _QUESTION.search(last_line) else text
    question = _QUESTION.search(story_text)
    if not question or _BEYOND.search(story_text.lower()) or not _ASKS_FOR_THE_END.search(question[1]):
        return None
    if any(character.isdigit() for character in question[0]):
        return None
    asked = [word.lower() for word in _WORD.findall(question[1])]
    thing = asked[0] if asked and asked[0] not in _VERBS else ""
    if thing and thing not in (word.lower() for word in _WORD.findall(story_text[: question.start()])):
        return None
    story = _Story(asks_for_all=bool(_ASKS_FOR_ALL.search(question[1])), thing=thing)
    sentences = re.split(r"[.!?;]\s+|\n", story_text[: question.start()])
    if not all(story.read(sentence) for sentence in sentences) or not story.steps:
        return None
    return Solution("story", tuple(story.steps), str(story.total))
