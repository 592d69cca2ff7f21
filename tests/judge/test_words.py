import numpy as np
import pytest

from tasks.judge.sketch import measured
from tasks.judge.words import compression_ratio, number_key, one, runs, words


def same(left: str, right: str) -> bool:
    return bool(np.array_equal(words(left), words(right)))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        (" \n", 0),
        ("3 + 4 = 7", 5),
        ("3+4=7", 5),
        ("héllo wörld", 2),
        ("数学", 2),
        ("x ≤ y", 3),
        ("...", 0),
    ],
)
def test_words_are_counted_in_every_script(text: str, count: int) -> None:
    assert len(words(text)) == count


def test_space_case_and_form_make_no_difference_and_digits_and_operators_do() -> None:
    assert same("Add  THREE,\nthen 4.", "add three then 4")
    assert same("\ufb01ne", "fine")
    assert not same("add 3", "add 4")
    assert not same("3 + 4", "3 - 4")


def test_the_hash_of_a_word_does_not_depend_on_where_it_stands() -> None:
    assert words("one two three")[2] == words("three")[0]


def test_hashes_are_the_same_in_every_process() -> None:
    assert words("seven")[0] == np.uint64(words("Seven")[0])
    assert int(words("seven")[0]) == 18014505966340843462


def test_a_text_shorter_than_a_run_is_one() -> None:
    assert len(runs(one(words("two words")), 5)[0]) == 1
    assert len(runs(one(words("")), 5)[0]) == 0


def test_loops_repeat_and_prose_does_not() -> None:
    assert measured("and then we add one more to the sum " * 40).repeated > 0.9
    assert measured(" ".join(f"w{n}" for n in range(500))).repeated == 0
    assert compression_ratio(b"abcdefghij" * 400) > 5
    assert compression_ratio(b"") == 1


def test_numbers_are_compared_as_a_multiset() -> None:
    assert number_key("3 and 4 make 7") == number_key("7 is 4 plus 3")
    assert number_key("3 and 4") != number_key("3 and 4 and 4")
