"""Majority vote of a prompt's samples where it has no reference: what each sample says, and which say the same (pure).

A sample says something where a form that marks a final answer is found (`final_answer.py`), for `exact` also where its
whole answer is short. Equal answers are grouped as the prompt's verifier compares them, not as strings: 1/2 and 0.5 are
one candidate. The usual name is self-consistency (Wang et al., 2203.11171).
"""

from collections.abc import Callable, Iterable, Sequence

from tasks.judge import latex
from tasks.judge.final_answer import final_answer
from tasks.judge.finding import Trace
from tasks.judge.numbers import has_unread, read_numbers, rewritten
from tasks.judge.verify import folded, verify

VERSION = 2
VOTING = ("exact", "numeric", "math")
"""Verifiers that compare answers, and so can compare one sample's with another's."""
_LONGEST = 200


def ballot(trace: Trace) -> str | None:
    """What a sample votes for; None where its prompt has a reference, no verifier that votes, or it says nothing."""
    if trace.verifier not in VOTING or (trace.reference or "").strip() or trace.outcome != "ok":
        return None
    found = final_answer(trace.answer)
    if len(found.text) > _LONGEST or (found.form == "whole" and trace.verifier != "exact"):
        return None
    return _AS_SAID[trace.verifier](found.text)


def _number(text: str) -> str | None:
    """The one number of a text, in lowest terms."""
    numbers = read_numbers(text)
    values = {number.value for number in numbers}
    return str(values.pop()) if len(values) == 1 and not has_unread(text) else None


def _formula(text: str) -> str | None:
    numbers = read_numbers(text)
    if len(numbers) == 1 and numbers[0].text == rewritten(latex.without_dollars(text)).strip():
        return str(numbers[0].value)
    return latex.normalised(text) or None


_AS_SAID: dict[str, Callable[[str], str | None]] = {
    "exact": lambda text: folded(text) or None,
    "numeric": _number,
    "math": _formula,
}


def same_by_verifier(verifier: str, one: str, other: str) -> bool:
    """Whether a verifier that is given `one` as its reference accepts `other`."""
    return verify(verifier, f"\\boxed{{{other}}}", one).right


def candidates(ballots: Iterable[str], is_same: Callable[[str, str], bool]) -> dict[str, str]:
    """For each ballot the candidate it is counted for: the first of those it is the same as, in sorted order."""
    found: dict[str, str] = {}
    for one in sorted(set(ballots)):
        found[one] = next((known for known in dict.fromkeys(found.values()) if is_same(known, one)), one)
    return found


def candidates_of_prompts(prompts: Sequence[tuple[str, str, Sequence[str]]]) -> list[tuple[str, str, str]]:
    """`candidates` of many prompts, given as (prompt_id, verifier, ballots): rows of (prompt_id, ballot, candidate)."""
    rows = []
    for prompt_id, verifier, ballots in prompts:
        said = candidates(ballots, lambda one, other, by=verifier: same_by_verifier(by, one, other))  # type: ignore[misc]
        rows += [(prompt_id, one, candidate) for one, candidate in said.items()]
    return rows
