"""What each arm trains on, and what its rules found (pure)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.judge.equations import check_equations

Trace = Mapping[str, Any]


@dataclass(frozen=True)
class Arm:
    """A teacher's traces, of which `policy` chose; None takes all that were answered."""

    teacher: str
    policy: str | None


ARMS: Mapping[str, Arm] = {
    "raw": Arm("degraded", None),
    "deduplicated": Arm("degraded", "deduplicated"),
    "judged": Arm("degraded", "judged"),
    "judged, sft": Arm("degraded", "sft"),
    "perfect teacher": Arm("perfect", None),
    "spoiled, raw": Arm("spoiled", None),
    "spoiled, judged": Arm("spoiled", "judged"),
}
BASELINE: Mapping[str, str] = {
    "deduplicated": "raw",
    "judged": "raw",
    "judged, sft": "raw",
    "perfect teacher": "raw",
    "spoiled, raw": "perfect teacher",
    "spoiled, judged": "spoiled, raw",
}
"""What each arm is compared with."""


def chosen(traces: Sequence[Trace], policy: str | None) -> list[Trace]:
    """The traces that a policy keeps, in the order of their ids."""
    return [trace for trace in traces if policy is None or trace["verdicts"][policy]["outcome"] == "kept"]


def hits(traces: Sequence[Trace], policy: str) -> Counter[str]:
    """In how many traces each rule found something, whether or not that rejected it; `duplicate` by its verdict.

    A policy in which every rule annotates leaves none out, as the answer check is skipped in what another rejected.
    """
    found: Counter[str] = Counter()
    for trace in traces:
        verdict = trace["verdicts"][policy]
        found.update(rule for rule, signal in verdict["signals"].items() if "found" in signal)
        found["duplicate"] += verdict["reason"] in ("exact_duplicate", "near_duplicate")
    return +found


MEASURES: Mapping[str, Callable[[Trace], float]] = {
    "repeated 8-grams": lambda trace: float(_signal(trace, "repetition", "repeated")),
    "compression": lambda trace: float(_signal(trace, "repetition", "compression")),
    "tokens": lambda trace: float(_signal(trace, "length", "tokens")),
    "foreign script": lambda trace: float(_signal(trace, "script", "foreign_script")),
    "pass rate": lambda trace: _signal(trace, "pass_rate", "passed") / max(1, _signal(trace, "pass_rate", "tried")),
    "false equations": lambda trace: float(bool(check_equations(trace["reasoning"]).false)),
}
"""What the rules measured; false equations are looked for again, as traces may be kept from before there was a rule."""


def _signal(trace: Trace, rule: str, name: str) -> float:
    return float(trace["verdicts"]["deduplicated"]["signals"].get(rule, {}).get(name) or 0)
