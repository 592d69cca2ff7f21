"""Which family of models a name belongs to, and whether teacher and student share one (pure).

Traits pass from a teacher to a student through data that says nothing of them, and filtering the data does not stop
it, if both come from the same base model (Cloud et al., subliminal learning, arXiv 2507.14805). No text shows that;
the names do.
"""

from collections.abc import Mapping, Sequence

from tasks.judge.screens.look import Look, Verdict

# Names of series as their makers write them. The one that a model was tuned from comes last in its name, as in
# DeepSeek-R1-Distill-Qwen-7B, so the last match counts.
_FAMILIES = (
    "qwen", "qwq", "llama", "gemma", "mistral", "mixtral", "ministral", "magistral", "deepseek", "phi", "glm", "kimi",
    "gpt-oss", "olmo", "command", "minimax", "nemotron", "granite", "falcon", "smollm", "gpt", "claude",
    "gemini", "grok",
)  # fmt: skip
_SAME = {
    "qwq": "qwen", "mixtral": "mistral", "ministral": "mistral", "magistral": "mistral",
}  # fmt: skip
_WHOSE_BASE_DIFFERS = frozenset({"nemotron"})
"""Series whose members have different bases: the name alone says nothing."""


def family_of(model: str) -> str | None:
    """The family of a model's base, by its name; None: the name does not say."""
    name = model.lower()
    found = [(name.rfind(each) + len(each), len(each), each) for each in _FAMILIES if each in name]
    if not found:
        return None
    family = max(found)[2]
    return None if family in _WHOSE_BASE_DIFFERS else _SAME.get(family, family)


def match_student(teacher: str, model: str, student: str | None) -> Look:
    """Whether teacher and student are of one family: then what the rows do not show may pass on all the same."""
    own, other = family_of(model), family_of(student) if student else None
    names = f"teacher {model} ({own or 'family unknown'})"
    if student is None:
        return _look(teacher, 1, "unknown", 0, f"{names}, and the recipe names no student")
    names += f", student {student} ({other or 'family unknown'})"
    if own is None or other is None:
        return _look(teacher, 1, "unknown", 0, names)
    if own == other:
        why = "traits may pass that no row shows: evaluate the student's behaviour before and after"
        return _look(teacher, 1, "fired", 0, f"{names}: {why}")
    return _look(teacher, 1, "passed", 0, names)


def match_served(teacher: str, expected: Sequence[str], served: Mapping[str | None, int]) -> Look:
    """Whether the answers came from the model that the registry expects, by what the responses themselves say."""
    n = sum(served.values())
    others = {name: count for name, count in served.items() if name is not None and name not in expected}
    silent = served.get(None, 0)
    if others:
        names = ", ".join(f"{name} ({count:,})" for name, count in sorted(others.items(), key=lambda each: -each[1]))
        return _look(teacher, 2, "fired", n, f"of {n:,} answers some are from {names}, not {', '.join(expected)}")
    if not n or silent == n:
        return _look(teacher, 2, "unknown", n, f"none of {n:,} responses names its model")
    said = f"{n - silent:,} of {n:,} responses name {', '.join(sorted(name for name in served if name))}"
    return _look(teacher, 2, "passed", n, said, "a swapped model that keeps the name passes")


def _look(teacher: str, number: int, verdict: Verdict, n: int, statistic: str, power: str = "") -> Look:
    return Look(teacher, "family", number, verdict, n, 0, statistic, None, 0.0, power, None, None, {})
