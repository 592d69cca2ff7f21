"""The code in an answer, and the tests of a prompt (pure).

Tests are the prompt's metadata, JSON in one of two forms:

    {"tests": "assert add(1, 2) == 3"}                       statements that run after the code, in its module
    {"tests": [{"stdin": "1 2\\n", "stdout": "3\\n"}, ...]}    the code is a program; white space at the end of a
                                                             line, and empty lines at the end, count for nothing
"""

import ast
import json
import re
import textwrap
import warnings
from dataclasses import dataclass
from typing import Any

MOST_CASES = 1_000
MOST_CHARACTERS = 1_000_000
"""Of an answer's code; what is longer is no answer to a coding question."""

_FENCE = re.compile(
    r"^([ \t]*)(`{3,}|~{3,})[ \t]*([^\n`]*)\n(.*?)(?:^[ \t]*\2[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_PYTHON = frozenset({"python", "py", "python3", "py3"})


class TestsUnusable(ValueError):
    """The metadata states no tests; the message says what it lacks."""

    __test__ = False


@dataclass(frozen=True)
class Case:
    """What a program reads, and what it has to print."""

    stdin: str
    stdout: str


def code_in(answer: str) -> str | None:
    """The last fenced block tagged python, else the last fenced block, else the whole answer where it parses.

    A fence that is never closed reaches to the end. None where there is no code.
    """
    found = [(indent, _tag(info), text) for indent, _, info, text in _FENCE.findall(answer)]
    blocks = [(tag, textwrap.dedent(text) if indent else text) for indent, tag, text in found]
    tagged = [text for tag, text in blocks if tag in _PYTHON]
    for text in (tagged or [text for _, text in blocks])[-1:]:
        return text if text.strip() else None
    return answer if _is_code(answer) else None


def _tag(info: str) -> str:
    words = info.replace("{", " ").replace("}", " ").split()
    return words[0].strip(".").lower() if words else ""


def _is_code(text: str) -> bool:
    """It parses, and does more than name something: `Paris` and `42` parse too."""
    if not text.strip() or len(text) > MOST_CHARACTERS:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call | ast.Await) for node in body)


def stated_tests(metadata: str | None) -> str | tuple[Case, ...]:
    """The tests that a prompt's metadata states; TestsUnusable where it states none."""
    try:
        given = json.loads(metadata or "null")
    except (ValueError, RecursionError):
        raise TestsUnusable("its metadata is no JSON") from None
    tests = given.get("tests") if isinstance(given, dict) else None
    if isinstance(tests, str) and tests.strip():
        return _statements(tests)
    if isinstance(tests, list) and tests:
        if len(tests) > MOST_CASES:
            raise TestsUnusable(f"it has {len(tests)} tests, at most {MOST_CASES} are run")
        return tuple(_case(number, test) for number, test in enumerate(tests, start=1))
    raise TestsUnusable('its metadata has no tests: {"tests": "assert ..."} or {"tests": [{"stdin", "stdout"}, ...]}')


def _statements(tests: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(tests)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise TestsUnusable(f"its tests are no Python: {error}") from None
    return tests


def _case(number: int, test: Any) -> Case:
    if not isinstance(test, dict) or not isinstance(test.get("stdout"), str):
        raise TestsUnusable(f"test {number} has no text as its stdout")
    if not isinstance(stdin := test.get("stdin", ""), str):
        raise TestsUnusable(f"test {number} has a stdin that is no text")
    return Case(stdin, test["stdout"])


def same_output(got: str, expected: str) -> bool:
    """Equal but for white space at the ends of lines and empty lines at the end."""
    return _lines(got) == _lines(expected)


def _lines(text: str) -> list[str]:
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip("\n").split("\n")
