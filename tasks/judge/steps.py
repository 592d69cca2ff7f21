"""Arithmetic that a trace states and that is not so (pure).

A teacher whose steps are wrong while its answers stay right passes every check of answers (anti-distillation, arXiv
2504.13146, 2510.11545); where its steps are equations, this sees it.
"""

from tasks.judge.equations import check_equations
from tasks.judge.finding import Finding, Signal, Trace, passed, rejected
from tasks.judge.policy import JudgePolicy

VERSION = 1
_SHOWN = 3
_SHORT = 60


def check_steps(trace: Trace, policy: JudgePolicy) -> Finding:
    """Of the equations between numbers in reasoning and answer, few enough are false."""
    checked, false = check_equations(trace.text, trace.question)
    if not false:
        return passed(checked=checked, false=0, share=0.0)
    share = round(len(false) / checked, 4)
    first = "; ".join(_short(each) for each in list(dict.fromkeys(false))[:_SHOWN])
    signal: Signal = {"checked": checked, "false": len(false), "share": share, "first": first}
    if share <= policy.max_false_steps:
        return passed(**signal)
    said = f"{len(false)} of {checked} equations are not so: {first}"
    return rejected("false_step", f"{said}; max_false_steps is {policy.max_false_steps:.0%}", **signal)


def _short(equation: str) -> str:
    return equation if len(equation) <= _SHORT else f"{equation[: _SHORT - 3]}..."
