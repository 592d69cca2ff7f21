import pytest

from tasks.judge.final_answer import FinalAnswer, final_answer, last_statement
from tasks.judge.verify import verify


@pytest.mark.parametrize(
    ("text", "answer", "form"),
    [
        ("I add them.\nAnswer: 42", "42", "marker"),
        ("**Answer:** 42", "42", "marker"),
        ("**Answer: 42**", "42", "marker"),
        ("So it is done. Final answer: 1,000.00.", "1,000.00", "marker"),
        ("Final Answer:\n\n 12 apples", "12 apples", "marker"),
        ("The sum is \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}", "boxed"),
        ("Answer: $\\boxed{5}$.", "5", "boxed"),
        ("Therefore \\boxed 7.", "7", "boxed"),
        ("12 + 3 = 15\n#### 15", "15", "hashes"),
        ("<answer> Paris </answer>", "Paris", "tag"),
        ("Hence the answer is 3.5. This is because 7/2 = 3.5.", "3.5", "sentence"),
        ("She has 12 apples left", "She has 12 apples left", "whole"),
        ("", "", "whole"),
    ],
)
def test_the_final_answer_is_found_in_every_usual_form(text: str, answer: str, form: str) -> None:
    found = final_answer(text)
    assert (found.text, found.form) == (answer, form)


def test_the_last_of_several_explicit_answers_counts() -> None:
    assert final_answer("Answer: 5\nWait, that is wrong.\nAnswer: 6").text == "6"
    assert final_answer("First \\boxed{1}, then \\boxed{2}.").text == "2"


def test_talk_about_the_answer_is_no_answer() -> None:
    assert final_answer("So \\boxed{44}. Checking our answer: 17 x 44 = 748, so our answer is correct").text == "44"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("The answer is not 7.", "The"),
        ("The answer isn't 7", "The"),
        ("Clearly the answer cannot be 7.5. I do not know it.", "Clearly the . I do not know it"),
        ("So the answer is certainly not 7, but 8.", "So the , but 8"),
        ("The answer is not obvious, so I count.\n3 + 4 = 7", "The , so I count.\n3 + 4 = 7"),
        ("The answer was never 1,000 or 2,000", "The"),
    ],
)
def test_what_the_answer_is_said_not_to_be_is_no_answer(text: str, left: str) -> None:
    assert final_answer(text) == FinalAnswer(left, "whole", left)


@pytest.mark.parametrize(
    "text",
    ["The answer is 8. The answer is not 7.", "The answer is not 7. The answer is 8.", "The answer is 8, not 7.",
     "The answer is 8, which is not far off."],
)  # fmt: skip
def test_a_denial_does_not_hide_the_answer_that_is_stated(text: str) -> None:
    found = final_answer(text)
    assert (found.form, found.text[:1]) == ("sentence", "8")


def test_a_denied_answer_is_not_checked_as_if_it_were_given() -> None:
    assert verify("numeric", "I think that the answer is not 7.", "7").score == 0
    assert verify("numeric", "The answer is not 7 but 8.", "8").score == 1


def test_thoughts_that_deny_an_answer_do_not_state_it() -> None:
    assert last_statement("So the answer isn't 7") is None
    assert last_statement("So the answer is 7.") == FinalAnswer("7", "sentence", "7")


def test_an_unclosed_box_is_no_answer() -> None:
    assert final_answer("It is \\boxed{12").form == "whole"


def test_an_answer_of_several_lines_keeps_its_block() -> None:
    assert final_answer("Answer:\n1 2\n3 4").block == "1 2\n3 4"


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{" * 50_000,
        "<answer>" * 50_000,
        "answer: " * 50_000,
        "`" * 400_000,
        "the answer is not " * 50_000,
        "answer is " + "a" * 400_000,
    ],
)
def test_a_text_made_to_be_slow_is_read_in_bounded_time(text: str) -> None:
    assert len(final_answer(text).text) <= 20_000
