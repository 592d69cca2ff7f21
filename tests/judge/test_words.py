import numpy as np
import pytest

from tasks.judge.sketch import bands, digests, estimate, shingles
from tasks.judge.words import compression_ratio, jaccard, ngrams, number_key, repeated_share, words


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
    assert int(words("seven")[0]) == 1640051560310923879


def test_a_text_shorter_than_an_ngram_is_one() -> None:
    assert len(ngrams(words("two words"), 5)) == 1
    assert len(ngrams(words(""), 5)) == 0


def test_loops_repeat_and_prose_does_not() -> None:
    assert repeated_share(words("and then we add one more to the sum " * 40)) > 0.9
    assert repeated_share(words(" ".join(f"w{n}" for n in range(500)))) == 0
    assert compression_ratio(b"abcdefghij" * 400) > 5
    assert compression_ratio(b"") == 1


def test_numbers_are_compared_as_a_multiset() -> None:
    assert number_key("3 and 4 make 7") == number_key("7 is 4 plus 3")
    assert number_key("3 and 4") != number_key("3 and 4 and 4")


def test_exact_similarity_and_its_estimate_agree() -> None:
    rng = np.random.default_rng(7)
    text = [f"w{n}" for n in rng.integers(0, 5000, 800)]
    near = [word if rng.random() > 0.02 else "other" for word in text]
    left, right = shingles(words(" ".join(text))), shingles(words(" ".join(near)))
    matrix = digests([left, right])
    exact = jaccard(left, right)
    assert exact == len(set(left.tolist()) & set(right.tolist())) / len(set(left.tolist()) | set(right.tolist()))
    assert abs(estimate(matrix[:1], matrix[1:])[0] - exact) < 0.15
    assert len(set(bands(matrix)[0]) & set(bands(matrix)[1])) > 0


def test_nothing_to_sketch_gives_no_rows() -> None:
    assert bands(digests([])).shape == (0, 25)
