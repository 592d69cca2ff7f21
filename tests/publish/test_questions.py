"""When questions count as the same, and when as near."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.publish.questions import (
    LARGEST,
    Clusters,
    Question,
    buckets,
    is_near,
    key_id,
    numbers,
    question_key,
    shingles,
)

STORY = (
    "{name} bought {count} pencils at the market on a sunny morning, gave two of them to a friend who was waiting "
    "outside, and then put the rest into a wooden box at home; how many pencils are in the box now?"
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 2 + 2?", "  what IS 2+2 ? "),
        ("Straße", "STRASSE"),
        ("ﬁnd x", "find x"),
        ("12\u00a0km", "12 km"),
    ],
)
def test_case_width_and_white_space_do_not_make_a_new_question(one: str, other: str) -> None:
    assert question_key(one) == question_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 2 + 2?", "What is 2 - 2?"),
        ("What is 12?", "What is 1 2?"),
        ("What is 2²?", "What is 22?"),
        ("What is H₂?", "What is H2?"),
        ("What is 3½?", "What is 31/2?"),
        ("x < y", "x > y"),
    ],
)
def test_digits_and_operators_make_a_new_question(one: str, other: str) -> None:
    assert question_key(one) != question_key(other)


def test_numbers_are_counted_in_digits_and_in_words() -> None:
    assert numbers(question_key("Half of 12 is six, and 12 more")) == {"12": 2, "half": 1, "six": 1}


def test_another_name_is_near_and_another_number_is_not() -> None:
    ada = question_key(STORY.format(name="Ada", count="12"))
    assert is_near(ada, question_key(STORY.format(name="Grace", count="12")))
    assert not is_near(ada, question_key(STORY.format(name="Ada", count="13")))
    assert not is_near(ada, question_key(STORY.format(name="Ada", count="12").replace("two", "three")))


def test_near_questions_share_a_bucket_and_other_numbers_share_none() -> None:
    texts = [STORY.format(name=name, count=count) for name in ("Ada", "Grace") for count in (12, 13)]
    ada12, ada13, grace12, _ = (set(row) for row in buckets([question_key(text) for text in texts]).tolist())
    assert ada12 & grace12
    assert not ada12 & ada13


def test_buckets_do_not_depend_on_the_batch() -> None:
    keys = [question_key(STORY.format(name=name, count=7)) for name in ("Ada", "Grace", "Emmy")]
    assert buckets(keys)[2].tolist() == buckets(keys[2:])[0].tolist()


def test_an_empty_question_has_a_key_a_bucket_and_no_near_one() -> None:
    assert question_key(" \n") == ""
    assert buckets([""]).shape == (1, 25)
    assert not is_near("", question_key("What is 2?"))


def joined(questions: list[Question], pairs: list[tuple[Question, Question]]) -> set[frozenset[str]]:
    clusters = Clusters()
    for one, other in pairs:
        clusters.consider(one, other)
    linked = clusters.linked()
    groups: dict[str, set[str]] = {}
    for question in questions:
        groups.setdefault(linked.get(question.key_id, question.key_id), set()).add(question.key)
    return {frozenset(group) for group in groups.values()}


@given(st.permutations(range(8)))
def test_clusters_are_the_same_in_any_order(order: list[int]) -> None:
    chain = [[f"w{chr(97 + n)}" for n in range(10 - cut)] for cut in range(3)]
    texts = [" ".join(words) + f" {tail}" for words in chain for tail in ("a", "b")] + ["other words", "and more"]
    questions = [Question(key_id(text), text) for text in texts]
    shuffled = [questions[place] for place in order]
    assert joined(questions, list(combinations(shuffled, 2))) == joined(questions, list(combinations(questions, 2)))


def test_a_chain_of_more_than_a_hundred_fillings_is_a_template_and_stands_alone() -> None:
    key = "sort these words in ascending order and return them as a comma separated list please : " * 3
    questions = [Question(f"{n:03d}", key + "x" * n) for n in range(LARGEST + 1)]
    assert len(joined(questions[:-1], list(combinations(questions[:-1], 2)))) == 1
    assert len(joined(questions, list(combinations(questions, 2)))) == LARGEST + 1


def test_near_means_an_exact_jaccard_of_four_fifths() -> None:
    key = " ".join(f"w{chr(97 + n)}" for n in range(20))  # 18 shingles
    longer = key + " za zb zc zd"  # 22 shingles, 18 shared: 0.818
    longest = longer + " ze"  # 23 shingles: 0.783
    assert len(shingles(key)) == 18
    assert is_near(key, longer)
    assert not is_near(key, longest)
