"""The row that is published."""

from tasks.ask.sampling import Ask, Example
from tasks.publish.rows import completion, inline, published_row, student_wording

ASK = Ask(system="Think first.", template="Q: {prompt}", examples=(Example(prompt="1+1", answer="2"),))
KEPT = {
    "messages": [{"role": "user", "content": "2+2"}],
    "reasoning": "Two and two.",
    "answer": "4",
    "trace_id": "t",
    "prompt_id": "p",
    "teacher": "mine",
    "terms_id": "mine.1",
    "terms_sha256": "ab",
    "simulated": False,
    "family": None,
    "license": "MIT",
}


def test_the_student_is_asked_in_the_recipes_words_without_its_examples() -> None:
    assert published_row(KEPT, student_wording(ASK), "inline")["prompt"] == [
        {"role": "system", "content": "Think first."},
        {"role": "user", "content": "Q: 2+2"},
    ]


def test_reasoning_has_a_field_of_its_own_in_the_form_field() -> None:
    row = published_row(KEPT, ASK, "field")
    assert row["completion"] == [{"role": "assistant", "content": "4", "reasoning_content": "Two and two."}]


def test_reasoning_is_in_the_content_in_the_form_inline() -> None:
    row = published_row(KEPT, ASK, "inline")
    assert row["completion"] == [{"role": "assistant", "content": "<think>\nTwo and two.\n</think>\n\n4"}]
    assert inline("a", "b") == "<think>\na\n</think>\n\nb"


def test_an_answer_without_reasoning_has_no_tags() -> None:
    assert completion("", "4", "inline") == [{"role": "assistant", "content": "4"}]
    assert completion(None, "4", "field") == [{"role": "assistant", "content": "4", "reasoning_content": None}]
    assert published_row(KEPT | {"reasoning": ""}, ASK, "inline")["reasoning"] is None
