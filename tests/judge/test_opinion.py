"""What an LLM judge is asked, and how its reply is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.simulated_teacher.grader import grade
from tasks.judge.finding import Trace
from tasks.judge.opinion import LlmJudge, asked, dataset_of, read
from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import judge_trace
from tasks.judge.rules import rule_set

WITH_JUDGE = JudgePolicy(llm=LlmJudge(teacher="strong"))


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("It adds up.\nAnswer: correct", "correct"),
        ("**Answer: Incorrect.**", "incorrect"),
        ("Answer: correct\nOn second thought, 4 is not 5.\nAnswer: incorrect", "incorrect"),
        (r"\boxed{\text{unsure}}", None),
        ("The answer is correct.", "correct"),
        ("Answer: unsure", "unsure"),
        ("Answer: correct or incorrect", None),
        ("I would rather not say.", None),
        ("", None),
        (None, None),
    ],
)
def test_a_reply_is_read_from_its_last_line_that_says_it(reply: str | None, said: str | None) -> None:
    assert read(reply) == said


@given(st.text(max_size=200), st.text(max_size=200))
def test_an_answer_cannot_end_the_mark_around_it(question: str, answer: str) -> None:
    text = asked(question, "7", answer)
    code = text.partition("<<")[2][:8]
    assert code not in question + answer
    assert text.count(f"<<{code}\n") == 3


def test_what_is_asked_is_equal_for_equal_texts_and_holds_no_more_than_the_end_of_the_answer() -> None:
    assert asked("q", " 7 ", "a") == asked("q", "7", "a") != asked("q", None, "a")
    assert len(asked("q", None, "x" * 10**6)) < 10_000
    assert "There is no reference" in asked("q", "  ", "a")


def trace(opinion: str | None, verifier: str = "numeric", reference: str | None = "3 or 4") -> Trace:
    answer = "I add one and two, which makes three. The answer is 3."
    return Trace("t", "ok", "stop", "", answer, reference, verifier, None, "What is 1 + 2?", opinion, "reply", "strong")


@pytest.mark.parametrize(
    ("opinion", "outcome", "reason"),
    [
        ("Answer: correct", "kept", None),
        ("Answer: incorrect", "rejected", "judged_wrong"),
        ("Answer: unsure", "undecided", "judge_unsure"),
        ("Hm.", "undecided", "judge_unsure"),
        (None, "undecided", "reference_unusable"),
    ],
)
def test_an_opinion_decides_what_the_verifier_could_not(opinion: str | None, outcome: str, reason: str | None) -> None:
    row = judge_trace(trace(opinion), WITH_JUDGE)
    assert (row["outcome"], row["reason"]) == (outcome, reason)
    signal = json.loads(str(row["signals"]))["answer"]
    assert signal["undecided"] == "reference_unusable"
    assert opinion is None or (signal["opinion_by"], signal["opinion_id"]) == ("strong", "reply")
    assert row["is_right"] == (outcome == "kept")


def test_an_opinion_never_overrules_a_verifier_and_counts_only_where_the_policy_has_a_judge() -> None:
    assert judge_trace(trace("Answer: incorrect", reference="3"), WITH_JUDGE)["outcome"] == "kept"
    assert judge_trace(trace("Answer: correct", reference="4"), WITH_JUDGE)["reason"] == "wrong_answer"
    assert judge_trace(trace("Answer: correct"), JudgePolicy())["reason"] == "reference_unusable"
    assert judge_trace(trace("Answer: incorrect", "none", None), WITH_JUDGE)["reason"] == "judged_wrong"


def test_another_judge_is_another_rule_set_and_another_budget_is_not() -> None:
    other = JudgePolicy(llm=LlmJudge(teacher="other"))
    dearer = JudgePolicy.model_validate({"llm": {"teacher": "strong", "budget": {"requests": 9}}})
    assert len({rule_set(policy) for policy in (JudgePolicy(), WITH_JUDGE, other)}) == 3
    assert rule_set(dearer) == rule_set(WITH_JUDGE)


def test_no_recipe_can_have_the_name_of_the_questions_to_a_judge() -> None:
    from flows.recipe import parse_recipe
    from warehouse.errors import BadInput

    recipe = {"dataset": dataset_of("sums"), "prompts": {"source": "p.jsonl", "license": "MIT"}, "teachers": ["t"]}
    with pytest.raises(BadInput, match="dataset"):
        parse_recipe(recipe, "r")


def test_the_simulated_teacher_grades_what_our_question_asks_it_to() -> None:
    right, wrong = "1 + 2 = 3.\n\nAnswer: 3", "1 + 2 = 4.\n\nAnswer: 4"
    said = [grade(asked("What is 1 + 2?", reference, answer)) for reference in ("3", None) for answer in (right, wrong)]
    assert [one and one.answer for one in said] == ["correct", "incorrect"] * 2
    assert grade("What is 1 + 2?") is None
    unknown = grade(asked("Who wrote it?", None, "She did."))
    assert unknown is not None
    assert unknown.answer == "unsure"
