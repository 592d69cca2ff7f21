"""Check an answer against its reference: exact, numeric, math, reasoning-gym, code, or none (pure, but for
the checker process and the sandbox).

A score of 1 is right and anything less is not; no score means that the check could not decide, and `code`
says why: `no_reference`, `reference_unusable`, `answer_ambiguous`, `answer_unparsed`, `check_timeout`,
`check_failed`, `scorer_untrusted`, `unknown_verifier`; of `code` also `no_sandbox` (this machine has none that
holds, and code is never run without), `sandbox_failed` (its own error), `code_timeout` (the machine was too busy
to say that the code is slow; code that is slow by itself is wrong).
"""

import functools
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tasks.judge import check_process, latex, sandbox
from tasks.judge.check import Check
from tasks.judge.code_answer import check_code
from tasks.judge.final_answer import FinalAnswer, final_answer, first_sentence, stripped
from tasks.judge.numbers import Number, has_unread, read_numbers, same

VERSION = 4
VERIFIERS = ("exact", "numeric", "math", "reasoning-gym", "code", "none")
_WITHOUT_REFERENCE = ("reasoning-gym", "code")
_LONGEST = 2_000  # characters given to sympy; a final answer is shorter, and parsing time grows faster than length
_SHOWN = 80


def verify(verifier: str, answer: str, reference: str | None, metadata: str | None = None) -> Check:
    """Check the final answer found in `answer`; `metadata` is JSON: for reasoning-gym `{"task": name,
    "entry": {...}}`, for code `{"tests": ...}` (see `snippet.py`).

    Never raises on what a teacher wrote, and takes at most a few seconds of CPU time (code: 30 s).
    """
    if verifier == "none":
        return Check(None, "no verifier")
    if verifier not in _CHECKS:
        known = ", ".join(VERIFIERS)
        return Check(None, f"unknown verifier {verifier!r}: known are {known}", "unknown_verifier")
    if verifier not in _WITHOUT_REFERENCE and (reference is None or not reference.strip()):
        return Check(None, f"the verifier {verifier} needs a reference answer and the prompt has none", "no_reference")
    return _CHECKS[verifier](answer, reference or "", metadata)


def _exact(answer: str, reference: str, metadata: str | None) -> Check:
    found, gold = final_answer(answer), expected_answer(reference)
    readings = (found.text, first_sentence(found.text), answer)
    return _decided(any(folded(reading) == folded(gold) for reading in readings), gold, found.text)


def folded(text: str) -> str:
    """NFKC, case-folded, white space folded, without surrounding marks: what `exact` compares."""
    return " ".join(stripped(unicodedata.normalize("NFKC", text[:_LONGEST])).casefold().split())


def expected_answer(reference: str) -> str:
    """The reference less a worked solution before it: what follows `####` or stands in `\\boxed{}`, else
    all of it."""
    if "####" in reference or "\\boxed" in reference:
        return final_answer(reference).text
    return stripped(reference)


def _numeric(answer: str, reference: str, metadata: str | None) -> Check:
    found, gold_text = final_answer(answer), expected_answer(reference)
    gold = read_numbers(gold_text)
    if len(gold) != 1 or has_unread(gold_text):
        return Check(None, f"the reference {_short(gold_text)} is not one number", "reference_unusable", found.text)
    if found.form == "whole":
        return _last_number(gold[0], gold_text, found)
    return _one_number(gold[0], gold_text, found)


def _last_number(gold: Number, gold_text: str, found: FinalAnswer) -> Check:
    """Nothing marks the answer: it is the number after the last `=` of the last line that has digits, or
    that line's last number."""
    line = next((line for line in reversed(found.text.splitlines()) if re.search(r"\d", line)), "")[-_LONGEST:]
    if not line:
        return Check(0.0, f"expected {_short(gold_text)}, found no number")
    after_equals = read_numbers(line.rsplit("=", 1)[1])[:1] if "=" in line else []
    numbers = after_equals or read_numbers(line)
    if not numbers:
        return Check(None, f"expected {_short(gold_text)}, cannot read {_short(line)}", "answer_unparsed", line)
    return _decided(same(gold, numbers[-1]), gold_text, numbers[-1].text)


_LISTED = re.compile(r",\s|;|\band\b|\bor\b")


def _one_number(gold: Number, gold_text: str, found: FinalAnswer) -> Check:
    """A marked answer must be one number; of several different ones it is not guessed which is meant."""
    text = re.sub(r"(?<=\S)\s*\([^()]*\)\s*$", "", first_sentence(found.text[:_LONGEST]))
    if "=" in text and not _LISTED.search(text):
        text = text.rsplit("=", 1)[1]
    numbers = read_numbers(text)
    if has_unread(text):
        return Check(None, f"expected {_short(gold_text)}, cannot read {_short(text)}", "answer_unparsed", found.text)
    if len({number.value for number in numbers}) > 1 and any(same(gold, number) for number in numbers):
        return Check(None, f"expected {_short(gold_text)}, got several: {_short(text)}", "answer_ambiguous", found.text)
    return _decided(bool(numbers) and same(gold, numbers[0]), gold_text, found.text)


@dataclass(frozen=True)
class ForSympy:
    """Two answers as LaTeX that only math-verify can compare, and as they are shown."""

    reference: str
    answer: str
    gold: str
    got: str


def _math(answer: str, reference: str, metadata: str | None) -> Check:
    settled = by_text(answer, reference)
    if isinstance(settled, Check):
        return settled
    return _from_reply(_math_reply(settled.reference, settled.answer), settled.gold, settled.got)


def by_text(answer: str, reference: str) -> Check | ForSympy:
    """What `math` says where texts and plain numbers decide, else what it asks math-verify."""
    found, gold = final_answer(answer), expected_answer(reference)
    shown = found.text[-_SHOWN:] if found.form == "whole" else found.text
    same_text = latex.compared(latex.normalised(gold), latex.normalised(found.text))
    if same_text is not None:
        return _decided(same_text, gold, shown)
    if _WHOLE.fullmatch(gold) and _WHOLE.fullmatch(found.text):
        return _decided(False, gold, shown)  # each has one form, and the two are not the same
    left, right = _plain_number(gold), _plain_number(found.text)
    if left and right:
        return _decided(same(left, right), gold, shown)
    exact = latex.rational(gold), latex.rational(found.text)
    if None not in exact:
        return _decided(exact[0] == exact[1], gold, shown)
    if max(len(shown), len(gold)) > _LONGEST:
        return Check(None, f"an answer of {len(shown)} characters is not compared by math", "answer_unparsed", shown)
    prose = found.form in ("sentence", "marker", "whole") and not latex.is_expression(found.text)
    said = found.text[-600:] if prose else latex.as_latex(found.text)  # in prose it looks for the expression
    return ForSympy(latex.as_latex(gold), said, gold, shown)


_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,29}")


def _plain_number(text: str) -> Number | None:
    """The number that a text is, and nothing else."""
    numbers = read_numbers(text)
    return numbers[0] if len(numbers) == 1 and numbers[0].text == latex.without_dollars(text) else None


@functools.lru_cache(maxsize=65_536)
def _math_reply(reference: str, answer: str) -> tuple[float | None, str, str]:
    """Distinct pairs are compared once a process; a dataset repeats its answers a lot."""
    return _triple(check_process.shared.ask({"check": "math", "reference": reference, "answer": answer}))


def _triple(reply: dict[str, Any]) -> tuple[float | None, str, str]:
    return reply["score"], reply.get("code", ""), reply.get("details", "")


def _gym(answer: str, reference: str, metadata: str | None) -> Check:
    known = _gym_entry(metadata)
    if known is None:
        return Check(None, "reasoning-gym needs metadata {task, entry} and the prompt has none", "no_reference")
    task, entry = known
    found = final_answer(answer)
    readings = tuple(dict.fromkeys((found.text, found.block, answer.strip())))
    request = {"check": "reasoning-gym", "task": task, "entry": entry, "readings": readings}
    return _from_reply(_triple(check_process.shared.ask(request)), reference or "what the scorer accepts", found.text)


def _gym_entry(metadata: str | None) -> tuple[str, str] | None:
    """The task's name, and its entry (question, answer, metadata) as JSON."""
    try:
        given = json.loads(metadata or "null")
    except ValueError:
        return None
    if (
        not isinstance(given, dict)
        or not isinstance(given.get("task"), str)
        or not isinstance(given.get("entry"), dict)
    ):
        return None
    return given["task"], json.dumps(given["entry"])


def _code(answer: str, reference: str, metadata: str | None) -> Check:
    return check_code(answer, metadata, sandbox.shared)


def _from_reply(reply: tuple[float | None, str, str], gold: str, got: str) -> Check:
    score, code, details = reply
    if score is None:
        return Check(None, f"expected {_short(gold)}, got {_short(got)}: {details}", code, got)
    check = _decided(score >= 1, gold, got)
    return check if check.right or not score else Check(score, f"{check.details} (score {score:.2g})", None, got)


def _decided(right: bool, gold: str, got: str) -> Check:
    return Check(float(right), f"expected {_short(gold)}, got {_short(got) or 'nothing'}", None, got)


def _short(text: str) -> str:
    """One line of at most 80 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."


_CHECKS: dict[str, Callable[[str, str, str | None], Check]] = {
    "exact": _exact, "numeric": _numeric, "math": _math, "reasoning-gym": _gym, "code": _code,
}  # fmt: skip
