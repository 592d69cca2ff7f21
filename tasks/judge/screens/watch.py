"""The courses of a run's teachers: fed with answers, they say which teacher is to be paused (pure, but for the
verifiers)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.judge.screens import style
from tasks.judge.screens.accuracy import Count
from tasks.judge.screens.accuracy_course import AccuracyCourse
from tasks.judge.screens.look import Look, Seen
from tasks.judge.screens.policy import AccuracyScreen, ScreenName, Screens, StyleScreen
from tasks.judge.screens.records import Planned, Recorded, settings_id
from tasks.judge.screens.style_course import StyleCourse
from tasks.judge.verify import verify

_ANSWERED = ("ok", "refused")
"""Outcomes of answers that ended by themselves; a cap that cut one off is ours."""
_WRONG = ("answer_unparsed", "answer_ambiguous")
"""Of checks that could not decide, those where the answer is to blame."""


class Watch:
    """The courses of all teachers of one dataset."""

    def __init__(
        self,
        screens: Screens,
        planned: Mapping[str, Planned],
        recorded: Sequence[Recorded] = (),
        earlier: Mapping[str, dict[str, Count]] | None = None,
    ) -> None:
        """`recorded`: looks of before; `earlier`: by teacher, what other datasets say of its accuracy."""
        self._screens, self._planned, self._earlier = screens, planned, earlier or {}
        self._known, self._acknowledged = known_looks(screens, recorded)
        self._accuracy: dict[str, AccuracyCourse] = {}
        self._style: dict[str, StyleCourse] = {}
        self._served: dict[str, Counter[str | None]] = {}

    @property
    def served(self) -> Mapping[str, Mapping[str | None, int]]:
        """By teacher, how many answers name which model as theirs."""
        return self._served

    @property
    def firings(self) -> list[Look]:
        """What has fired and is not acknowledged."""
        courses: list[AccuracyCourse | StyleCourse] = [*self._accuracy.values(), *self._style.values()]
        return [course.firing for course in courses if course.firing is not None]

    @property
    def paused(self) -> frozenset[str]:
        """Teachers that are to be asked nothing more."""
        return frozenset(look.teacher for look in self.firings if look.screen in self._screens.pause)

    def add(self, rows: Iterable[Mapping[str, Any]]) -> list[Look]:
        """The looks that these answers, in the order in which they came, complete.

        Rows have teacher, prompt_id, received_at, outcome, reasoning, answer, served_model, and of their prompt
        question, family, verifier, reference, metadata.
        """
        looks: list[Look | None] = []
        for row in rows:
            teacher = row["teacher"]
            self._served.setdefault(teacher, Counter())[row["served_model"]] += 1
            if row["outcome"] not in _ANSWERED:
                continue
            if (settings := self._screens.accuracy) is not None:
                looks.append(self._add_canary(teacher, settings, row))
            if (styles := self._screens.style) is not None:
                looks.append(self._add_style(teacher, styles, row))
        return [look for look in looks if look is not None]

    def end(self) -> list[Look]:
        """What is to be said of the answers that make no whole window."""
        ends = [course.end() for course in self._accuracy.values()]
        ends += [course.end() for course in self._style.values()]
        return [look for look in ends if look is not None]

    def _add_canary(self, teacher: str, settings: AccuracyScreen, row: Mapping[str, Any]) -> Look | None:
        course = self._accuracy.get(teacher)
        if course is None:
            known, acknowledged = self._looked_at(teacher, "accuracy")
            earlier = self._earlier.get(teacher, {}) if settings.baseline == "earlier" else {}
            planned = self._planned.get(teacher, Planned()).canaries
            course = AccuracyCourse(teacher, settings, planned, known, acknowledged, earlier)
            self._accuracy[teacher] = course
        family = row["family"] or ""
        if row["verifier"] == "none" or not course.wants(family):
            return None
        right = True if course.is_known else is_right(row)
        asked = style.of_question(row["question"] or "")
        return course.add(Seen(row["received_at"], row["prompt_id"], family, right, asked))

    def _add_style(self, teacher: str, settings: StyleScreen, row: Mapping[str, Any]) -> Look | None:
        course = self._style.get(teacher)
        if course is None:
            known, acknowledged = self._looked_at(teacher, "style")
            course = StyleCourse(teacher, settings, self._planned.get(teacher, Planned()).answers, known, acknowledged)
            self._style[teacher] = course
        if course.firing is not None:
            return None
        texts = row["reasoning"] or "", row["answer"] or ""
        numbers = style.UNREAD
        if course.is_read:
            numbers = style.features(*texts) + style.question_features(row["question"] or "")
        return course.add(Seen(row["received_at"], row["prompt_id"], row["family"] or "", None, numbers))

    def _looked_at(self, teacher: str, screen: ScreenName) -> tuple[Mapping[int, Look], frozenset[int]]:
        key = teacher, screen
        return self._known.get(key, {}), frozenset(self._acknowledged.get(key, ()))


def known_looks(
    screens: Screens, recorded: Sequence[Recorded]
) -> tuple[dict[tuple[str, ScreenName], dict[int, Look]], dict[tuple[str, ScreenName], set[int]]]:
    """By teacher and screen, the looks that the present settings made at whole windows, and the acknowledged ones."""
    known: dict[tuple[str, ScreenName], dict[int, Look]] = {}
    acknowledged: dict[tuple[str, ScreenName], set[int]] = {}
    for each in recorded:
        look = each.look
        if look.verdict == "too_few" or each.settings != settings_id(screens, look.screen):
            continue
        key = look.teacher, look.screen
        if look.screen == "trigger":  # each looks at everything, so that the last one holds
            known.pop(key, None)
        known.setdefault(key, {})[look.window] = look
        if is_acknowledged(screens, each.look_id):
            acknowledged.setdefault(key, set()).add(look.window)
    return known, acknowledged


def is_acknowledged(screens: Screens, look_id: str) -> bool:
    """Whether the recipe names this look."""
    return any(look_id.startswith(id) for id in screens.acknowledged)


def is_right(row: Mapping[str, Any]) -> bool | None:
    """Whether a canary's answer is right; a refusal or an answer that cannot be read is not; None: ours to blame."""
    if row["outcome"] == "refused":
        return False
    check = verify(row["verifier"], row["answer"] or "", row["reference"], row["metadata"])
    if check.score is None:
        return False if check.code in _WRONG else None
    return check.right
