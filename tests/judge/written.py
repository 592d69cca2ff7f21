"""A trace as a teacher may have written it."""

from typing import Any

from tasks.judge.finding import Trace

PLAIN = "First I add 3 and 4, which makes 7, and then I double it. The answer is 14."


def trace(answer: str = PLAIN, **fields: Any) -> Trace:
    known: dict[str, Any] = {
        "trace_id": "t",
        "outcome": "ok",
        "finish_reason": "stop",
        "reasoning": "",
        "reference": None,
        "verifier": "none",
        "metadata": None,
        "question": "What is 3 + 4?",
    }
    return Trace(answer=answer, **known | fields)
