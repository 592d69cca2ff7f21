"""Whether the reasoning comes to the answer that is given: what differs, what does not, and where nothing is said."""

import json

import pytest
from judge.written import trace

from tasks.judge import check_process
from tasks.judge.consistency import check_consistency
from tasks.judge.final_answer import last_statement
from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import judge_trace
from tasks.judge.rules import row_rule_set

DIFFERENT = [
    ("numeric", "So the answer is 7.", "8"),
    ("numeric", "Hence \\boxed{7}.", "The answer is 8."),
    ("numeric", "#### 7", "Answer: 8"),
    ("numeric", "<answer>7</answer>", "<answer>8</answer>"),
    ("numeric", "Final answer: 1,700", "\\boxed{1,800}"),
    ("numeric", "The answer is 3? No: it is five. So the answer is 7.", "8"),
    ("numeric", "First \\boxed{8}, but I forgot one. " + "So on. " * 60 + "The answer is 7.", "8"),
    ("numeric", "The answer is 5. " + "I go on. " * 60 + "Now the answer is 7 apples.", "5 apples"),
    ("numeric", "The answer is $7.50.", "$8.75"),
    ("math", "So \\boxed{\\frac{1}{2}}.", "\\boxed{\\frac{1}{3}}"),
    ("math", "So \\boxed{12}.", "The answer is $\\boxed{13}$."),
    ("exact", "The answer is B.", "C"),
    ("exact", "The answer is (B).", "Answer: option C"),
    ("exact", "So the answer is yes.", "No"),
    ("exact", "The answer is 7.", "8"),
]
SAME = [
    ("numeric", "So the answer is 7.", "7"),
    ("numeric", "The answer is 1,000.", "\\boxed{1000}"),
    ("numeric", "The answer is 0.5.", "1/2"),
    ("numeric", "I try \\boxed{8}. No. " + "So on. " * 60 + "The answer is 7.", "7"),
    ("math", "So \\boxed{\\dfrac{1}{2}}.", "\\boxed{\\frac12}"),
    ("math", "So \\boxed{x+1}.", "\\boxed{x + 1}"),
    ("exact", "The answer is B.", "**B**"),
    ("exact", "So the answer is yes.", "Yes."),
]
UNDECIDED = [
    ("math", "So \\boxed{x+1}.", "\\boxed{1+x}"),  # sympy would have to be asked
    ("math", "So \\boxed{(1,2)}.", "\\boxed{(2,1)}"),
    ("numeric", "The answer is 7 or 9.", "8"),
    ("numeric", "The answer is \\boxed{answer}.", "8"),
    ("numeric", "The answer is x.", "8"),
    ("numeric", "The answer is 7, no, 8 it is.", "8"),
    ("numeric", "The answer is 2 hours.", "120 minutes"),
    ("numeric", "The answer is 0.25.", "25 %"),
    ("numeric", "The answer is 3.3333.", "3.33"),
    ("numeric", "The answer is 12.5.", "13"),
    ("numeric", "The answer is 7.", "He has 7 left on day 3."),
    ("numeric", "The answer is 7.", "I take 3 and 4.\nThat was on day 2."),
    ("exact", "The answer is Paris.", "The capital of France"),
    ("exact", "The answer is seven.", "7"),
    ("exact", "The answer is the second one.", "B"),
    ("exact", "The answer is yes.", "B"),
]
NOT_STATED = [
    "", "I add 3 and 4, which makes 7.", "If the answer is 7, it fits.", "Suppose the answer is 7.", "The answer is 7?",
    "Is it so that the answer is 7? Let me see.", "The answer is 7. Wait, I forgot one.",
    "The answer is not 7.", "The answer would be 7 without tax.", "Maybe the answer is 7.", "I guess \\boxed{7}",
    "\\boxed{7}. Hmm, that does not fit.", "I must write my answer in \\boxed{}.",
]  # fmt: skip


def found(verifier: str, reasoning: str, answer: str) -> tuple[str, str | None, object]:
    finding = check_consistency(trace(answer, reasoning=reasoning, verifier=verifier, reference="99"), JudgePolicy())
    return finding.outcome, finding.reason, finding.signal.get("same", "none")


@pytest.mark.parametrize(("verifier", "reasoning", "answer"), DIFFERENT)
def test_reasoning_that_comes_to_another_answer_is_found(verifier: str, reasoning: str, answer: str) -> None:
    assert found(verifier, reasoning, answer) == ("quarantine", "answers_differ", False)


@pytest.mark.parametrize(("verifier", "reasoning", "answer"), SAME)
def test_one_answer_in_two_forms_is_one(verifier: str, reasoning: str, answer: str) -> None:
    assert found(verifier, reasoning, answer) == ("pass", None, True)


@pytest.mark.parametrize(("verifier", "reasoning", "answer"), UNDECIDED)
def test_where_it_cannot_be_told_cheaply_nothing_is_said(verifier: str, reasoning: str, answer: str) -> None:
    assert found(verifier, reasoning, answer)[:2] == ("pass", None)


@pytest.mark.parametrize("reasoning", NOT_STATED)
def test_reasoning_that_states_no_answer_passes_and_the_signal_says_so(reasoning: str) -> None:
    finding = check_consistency(trace("8", reasoning=reasoning, verifier="numeric"), JudgePolicy())
    assert (finding.outcome, finding.signal) == ("pass", {"stated": None})


@pytest.mark.parametrize("verifier", ["none", "code", "reasoning-gym", "of another time"])
def test_a_verifier_that_compares_no_answers_says_nothing(verifier: str) -> None:
    assert found(verifier, "The answer is 7.", "8") == ("pass", None, "none")


def test_no_process_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(request: object) -> None:
        raise AssertionError(request)

    monkeypatch.setattr(check_process.shared, "ask", asked)
    assert found("math", "So \\boxed{\\sqrt{2}+1}.", "\\boxed{1+\\sqrt{2}}")[0] == "pass"


def test_it_is_noted_and_put_aside_where_the_policy_says_so() -> None:
    given = trace("The answer is 8.", reasoning="I add. The answer is 7.", verifier="numeric", reference="8")
    noted, aside = judge_trace(given, JudgePolicy()), judge_trace(given, JudgePolicy(consistency="quarantine"))
    assert (noted["outcome"], noted["is_right"]) == ("kept", True)
    assert json.loads(str(noted["signals"]))["consistency"] == {"found": "answers_differ", "same": False, "stated": "7"}
    assert (aside["outcome"], aside["reason"], aside["rule"]) == ("quarantined", "answers_differ", "consistency")
    assert aside["details"] == "the reasoning comes to '7', the answer is '8'"
    assert row_rule_set(JudgePolicy()) != row_rule_set(JudgePolicy(consistency="quarantine"))


def test_only_the_end_of_a_long_text_is_searched() -> None:
    assert last_statement("The answer is 7. " + "x" * 30_000) is None
