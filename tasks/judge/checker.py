"""The process that runs what may hang, crash or eat memory: math-verify (sympy) and reasoning-gym's
scorers.

`python -m tasks.judge.checker` reads one JSON request a line and answers one JSON line. math-verify's own
time limit uses SIGALRM, which neither works off the main thread nor is safe in a Ray worker; so it is
switched off, and this whole process has a limit of CPU time a request (ITIMER_PROF, whose default action
ends the process, even inside C code) and of memory. CPU time, not wall time, so that a busy machine does
not change a verdict. The other side is `check_process.py`.
"""

import functools
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tasks.gym import reasoning_gym
from tasks.judge import quick_math

MEMORY_BYTES = 4 * 2**30
_JUNK = ("wrong", "-987654321", "I do not know")
_PASSES, _JUNK_MOST = 0.999, 0.5
FOREIGN = (
    ValueError, TypeError, LookupError, ArithmeticError, SyntaxError, AttributeError, AssertionError,
    RuntimeError, MemoryError,
)  # fmt: skip
"""What sympy and the scorers raise on odd answers. Anything else ends this process, which the other side
reports just the same."""

Reply = dict[str, Any]


def undecided(code: str, details: str) -> Reply:
    return {"score": None, "code": code, "details": details}


@functools.lru_cache(maxsize=8192)
def parsed(latex: str) -> list[Any]:
    """What math-verify reads in a text, once a text: a prompt's reference is compared with all its samples."""
    import math_verify

    quick_math.install()
    found: list[Any] = math_verify.parse(latex, fallback_mode="no_fallback", parsing_timeout=None, raise_on_error=True)
    return found


def check_math(request: Mapping[str, Any]) -> Reply:
    """Compare two LaTeX answers with math-verify; the gold answer goes first, as its comparison is not
    symmetric."""
    import math_verify

    gold = parsed(request["reference"])
    if not gold:
        return undecided("reference_unusable", "the reference answer is no mathematics that can be parsed")
    answer = parsed(request["answer"])
    if not answer:
        return undecided("answer_unparsed", "the answer is no mathematics that can be parsed")
    return {"score": float(math_verify.verify(gold, answer, timeout_seconds=None, raise_on_error=True))}


@functools.cache
def scorer(task: str) -> Callable[[str, Mapping[str, Any]], float]:
    """The score function of a reasoning-gym task; ValueError for a task it does not know."""
    score: Callable[[str, Mapping[str, Any]], float] = reasoning_gym().get_score_answer_fn(task)
    return score


@functools.lru_cache(maxsize=4096)
def distrust(task: str, entry: str) -> str:
    """Why the scorer is not to be trusted with this entry; empty where its gold answer scores 1 and junk
    scores below 0.5.

    Tested on each entry, as an entry that went through JSON may no longer be what a scorer expects (lists
    for tuples). Some scorers call any word right, some know no gold answer at all, and many give junk a few
    hundredths for trying.
    """
    row = json.loads(entry)
    if (gold := scorer(task)(row["answer"], row)) < _PASSES:
        return f"the scorer of {task} gives its own reference answer {gold:g} instead of 1"
    for junk in _JUNK:
        try:
            score = scorer(task)(junk, row)
        except FOREIGN:
            continue  # a scorer that fails on junk has not accepted it
        if score >= _JUNK_MOST:
            return f"the scorer of {task} gives the answer {junk!r} a score of {score:g}"
    return ""


def check_gym(request: Mapping[str, Any]) -> Reply:
    """The best score that reasoning-gym gives to one of the readings of an answer."""
    task, entry = request["task"], request["entry"]
    if why := distrust(task, entry):
        return undecided("scorer_untrusted", why)
    scores, failures = [], []
    for reading in request["readings"]:
        try:
            scores.append(float(scorer(task)(reading, json.loads(entry))))
        except FOREIGN as error:
            failures.append(f"the scorer of {task} failed: {type(error).__name__}: {str(error)[:200]}")
    return {"score": max(scores)} if scores else undecided("check_failed", failures[0])


CHECKS = {"math": check_math, "reasoning-gym": check_gym}


def answered(request: Mapping[str, Any]) -> Reply:
    """One reply; a check that raised decides nothing and says what happened."""
    try:
        return CHECKS[request["check"]](request)
    except FOREIGN as error:
        return undecided("check_failed", f"{request['check']} failed: {type(error).__name__}: {str(error)[:200]}")


def prepare() -> None:
    """No core file, a limit of memory, death when the clock runs out, no log lines."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    logging.disable(logging.CRITICAL)


def main() -> None:
    prepare()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no reply
    for line in sys.stdin:
        request = json.loads(line)
        __import__("math_verify") if request["check"] == "math" else reasoning_gym()
        signal.setitimer(signal.ITIMER_PROF, request["cpu_s"])
        reply = answered(request)
        signal.setitimer(signal.ITIMER_PROF, 0)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
