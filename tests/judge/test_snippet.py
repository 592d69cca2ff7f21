import json

import pytest

from tasks.judge.policy import JudgePolicy
from tasks.judge.rules import Trace, check_answer
from tasks.judge.snippet import Case, TestsUnusable, code_in, same_output, stated_tests
from tasks.judge.verify import verify


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("```python\nx = 1\n```", "x = 1\n"),
        ("```py\nx = 1\n```\nFor example:\n```\n3\n```", "x = 1\n"),
        ("```python\nx = 1\n```\nBetter:\n```python\nx = 2\n```", "x = 2\n"),
        ("```\nx = 1\n```\n```\nx = 2\n```", "x = 2\n"),
        ("```bash\nls\n```\n```Python3\nx = 1\n```", "x = 1\n"),
        ("```{.python .numberLines}\nx = 1\n```", "x = 1\n"),
        ("~~~python\nx = 1\n~~~", "x = 1\n"),
        ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''\n"),
        ("1. So:\n   ```python\n   def f():\n       return 1\n   ```", "def f():\n    return 1\n"),
        ("cut off:\n```python\nx = 1\n", "x = 1\n"),
        ("```python\r\nx = 1\r\n```", "x = 1\r\n"),
        ("def f(x):\n    return x", "def f(x):\n    return x"),
        ("print(3)", "print(3)"),
        ("The answer is 3.", None), ("Paris", None), ("42", None), ("", None), ("```python\n\n```", None),
        ("x = " + "(" * 5000, None),
    ],
)  # fmt: skip
def test_the_code_of_an_answer_is_its_last_python_block(answer: str, code: str | None) -> None:
    assert code_in(answer) == code


@pytest.mark.parametrize("answer", ["```" * 300_000, "`" * 1_000_000, "```\n" * 200_000, "~~~ x\n" * 100_000])
def test_an_answer_of_fences_is_read_in_bounded_time(answer: str) -> None:
    code_in(answer)


def test_tests_are_statements_or_inputs_and_outputs() -> None:
    assert stated_tests('{"tests": "assert f(1) == 2"}') == "assert f(1) == 2"
    assert stated_tests('{"tests": [{"stdin": "1", "stdout": "2"}, {"stdout": "3"}]}') == (
        Case("1", "2"),
        Case("", "3"),
    )


@pytest.mark.parametrize(
    "metadata",
    [
        None, "", "no JSON", "[]", "{}", '{"tests": ""}', '{"tests": []}', '{"tests": 3}', '{"tests": [1]}',
        '{"tests": [{"stdin": "1"}]}', '{"tests": [{"stdin": 1, "stdout": "2"}]}', '{"tests": "assert = 1"}',
        json.dumps({"tests": [{"stdout": "1"}] * 1001}), "[" * 100_000,
    ],
)  # fmt: skip
def test_metadata_without_usable_tests_leaves_the_answer_undecided(metadata: str | None) -> None:
    with pytest.raises(TestsUnusable):
        stated_tests(metadata)
    check = verify("code", "```python\nx = 1\n```", None, metadata)
    assert (check.score, check.code) == (None, "reference_unusable")


def test_output_is_compared_without_white_space_at_the_ends_of_lines() -> None:
    assert same_output("1 \n2\t\r\n\n\n", "1\n2")
    assert same_output("", "\n")
    assert not same_output(" 1", "1")
    assert not same_output("1\n\n2", "1\n2")
    assert not same_output("1", "2")


def test_an_answer_without_code_is_wrong() -> None:
    check = verify("code", "I would sort the list first.", None, '{"tests": "assert True"}')
    assert (check.score, check.details) == (0, "expected code, found none in the answer")


def test_the_sandbox_that_ran_is_among_the_signals_of_a_verdict() -> None:
    answer = "```python\ndef add(a, b):\n    return a + b\n```"
    trace = Trace("t", "ok", "stop", "", answer, None, "code", '{"tests": "assert add(1, 2) == 3"}')
    finding = check_answer(trace, JudgePolicy())
    if finding.reason == "no_sandbox":
        assert finding.outcome == "undecided"
        pytest.skip(finding.details)
    assert finding.outcome == "pass"
    assert finding.signal["sandbox"] in ("bubblewrap", "namespaces", "landlock")
