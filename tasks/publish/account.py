"""The sums that must hold before anything is published (pure): nothing is dropped without a name for it."""

from collections.abc import Mapping
from typing import Any

from warehouse.errors import BadInput, RunFailed

ASKED = ("reused", "answered", "failed", "maybe_paid", "not_asked")
JUDGED = ("kept", "rejected", "undecided", "quarantined")


def check_sums(dataset: str, funnel: Mapping[str, Any]) -> None:
    """wanted = reused + answered + failed + maybe_paid + not_asked; reused + answered = kept + rejected + ...

    Raises:
        BadInput: answers are there that nobody has judged.
        RunFailed: a sum does not hold; the message shows it with its numbers.
    """
    _check(dataset, funnel, "wanted", int(funnel["wanted"]), ASKED)
    answers = int(funnel["reused"]) + int(funnel["answered"])
    if answers > sum(int(funnel[name]) for name in JUDGED):
        judged = sum(int(funnel[name]) for name in JUDGED)
        raise BadInput(
            f"{dataset} has {answers} answers and {judged} verdicts: judge again (`still judge`), then publish"
        )
    _check(dataset, funnel, "reused + answered", answers, JUDGED)


def _check(dataset: str, funnel: Mapping[str, Any], name: str, total: int, parts: tuple[str, ...]) -> None:
    if total != sum(int(funnel[part]) for part in parts):
        sums = " + ".join(f"{part} {int(funnel[part])}" for part in parts)
        raise RunFailed(
            f"the sums of {dataset} do not hold, {name} {total} is not {sums}: "
            "nothing was published; please report this line"
        )


def check_kept(dataset: str, judge_run: str, kept: int, found: int) -> None:
    """The traces that will be published or left out by name are exactly those the funnel counts as kept."""
    if kept != found:
        raise BadInput(
            f"{dataset} keeps {kept} answers by its current judging, {judge_run} has {found}: "
            "judge again (`still judge`), then publish"
        )


def nothing_kept(dataset: str, funnel: Mapping[str, Any], reasons: Mapping[str, int]) -> BadInput:
    """The error for a dataset without a kept row: what there was, and the reasons that took most of it."""
    top = ", ".join(f"{reason} {count}" for reason, count in list(reasons.items())[:3])
    answers = int(funnel["reused"]) + int(funnel["answered"])
    why = f"{answers} answers, most lost to {top}" if top else f"{answers} answers of {int(funnel['wanted'])} wanted"
    return BadInput(
        f"{dataset} has no kept row to publish: {why}; look at one with `still show`, or change the recipe's judge"
    )
