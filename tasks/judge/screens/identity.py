"""Whether answers came from the model that was asked for, as it was, with the reasoning that was promised (pure).

Each is exact, by what the responses themselves say; a swap that keeps name and fingerprint passes. What deviates is put
aside, one look for each way in which it does, so that a person can let that one through and no other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.judge.screens.look import Look, Verdict

_EXPECTED, _SERVED, _FINGERPRINT, _REASONING = 1, 2, 3, 4  # the numbers of the looks


@dataclass(frozen=True)
class Arrived:
    """What one answer says of where it came from."""

    trace_id: str
    received_at: datetime
    served_model: str | None
    fingerprint: str | None
    reasoning: str | None
    """summary or encrypted, where the response says so of its reasoning; None: it does not."""


@dataclass(frozen=True)
class Deviation:
    """One way in which answers are not what was asked for, and those that are so."""

    look: Look
    traces: tuple[str, ...]


def identify(
    teacher: str, expected: Sequence[str], promised: str, arrived: Iterable[Arrived]
) -> tuple[Look | None, list[Deviation]]:
    """Of a teacher's answers in the order in which they came: what is as expected (None: all deviate, or there are
    none), and what is not. `promised` is the registry's word on the reasoning."""
    found: dict[tuple[int, str], list[Arrived]] = {}
    good: list[Arrived] = []
    first: str | None = None
    for each in arrived:
        first = first or each.fingerprint
        deviation = _deviation(each, expected, promised, first)
        if deviation is None:
            good.append(each)
        else:
            found.setdefault(deviation, []).append(each)
    deviations = [
        Deviation(_look(teacher, number, "fired", statistic, traces), tuple(each.trace_id for each in traces))
        for (number, statistic), traces in sorted(found.items())
    ]
    return (_as_expected(teacher, good) if good else None), deviations


def _deviation(each: Arrived, expected: Sequence[str], promised: str, first: str | None) -> tuple[int, str] | None:
    """The first way in which an answer deviates; the words hold no counts, as they name the look."""
    if each.served_model is not None and each.served_model not in expected:
        return _SERVED, f"served as {each.served_model}, not as {', '.join(expected)}"
    if promised == "raw" and each.reasoning is not None:
        return _REASONING, f"reasoning comes as {each.reasoning}, and the registry says raw"
    if each.fingerprint is not None and each.fingerprint != first:
        return _FINGERPRINT, f"system fingerprint {each.fingerprint}, and {first} before"
    return None


def _as_expected(teacher: str, good: Sequence[Arrived]) -> Look:
    names = sorted({each.served_model for each in good if each.served_model is not None})
    if not names:
        return _look(teacher, _EXPECTED, "unknown", "no response names its model", good)
    prints = sorted({each.fingerprint for each in good if each.fingerprint is not None})
    statistic = f"served as {', '.join(names)}, fingerprint {prints[0] if prints else 'not said'}"
    return _look(teacher, _EXPECTED, "passed", statistic, good)


def _look(teacher: str, number: int, verdict: Verdict, statistic: str, traces: Sequence[Arrived]) -> Look:
    power = "a swap that keeps its names passes" if verdict == "passed" else ""
    return Look(
        teacher=teacher,
        screen="identity",
        window=number,
        verdict=verdict,
        n=len(traces),
        reference_n=0,
        statistic=statistic,
        p=None,
        level=0.0,
        power=power,
        from_at=traces[0].received_at,
        to_at=traces[-1].received_at,
        counts={},
    )
