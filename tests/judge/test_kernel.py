"""The compiled kernel: equal to plain numpy on any text, of known error, stable, and bounded."""

import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from judge import words_in_numpy as plain

from tasks.judge import kernel
from tasks.judge.contamination import Grams
from tasks.judge.finding import whole_text, whole_texts
from tasks.judge.near import ShingleFile, similarities
from tasks.judge.sketch import Sketches, estimate, loaded, shingles, sketches, stored
from tasks.judge.words import Columns, runs, split, words

ROOT = Path(__file__).parents[2]
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
ODD = st.sampled_from(
    [*"aZ9 \n+=.éßİΣςﬁÅ\u212bK\u212aµ×数カｶ한≤²½𝟘ǅ\u0301\u00a0\u3000\ufeff\U0001f600\x00\ufffd", "\u1112\u1161\u11ab"]
)
TEXTS = st.lists(st.one_of(ANY, st.lists(ODD, max_size=40).map("".join)), max_size=6)
TRICKY = ["ΑΣ ΑΣΑ", "İstanbul", "e\u0301e", "\u0301", "…", "x" * 9000, "É" * 3000, "a+b", "数学カタ"]


def column(texts: Sequence[str | None]) -> pa.Array:
    return pa.array(texts, pa.large_string())


def rows(columns: Columns) -> list[list[int]]:
    return [columns[row].tolist() for row in range(len(columns))]


@settings(deadline=None)  # a busy machine is no failure
@given(TEXTS)
@example(TRICKY)
def test_words_are_those_of_plain_numpy_on_any_text(texts: list[str]) -> None:
    expected = [plain.words(text).tolist() for text in texts]
    assert rows(split(column(texts))) == expected
    assert [words(text).tolist() for text in texts] == expected


@settings(deadline=None)
@given(TEXTS, st.integers(1, 13))
@example(TRICKY, 5)
@example(["a " * 50, "", "b"], 8)
def test_runs_are_those_of_plain_numpy(texts: list[str], size: int) -> None:
    found = runs(split(column(texts)), size)
    assert [sorted(row) for row in rows(found)] == [
        plain.distinct(plain.ngrams(plain.words(text), size)).tolist() for text in texts
    ]


@settings(deadline=None)
@given(TEXTS)
@example([*TRICKY, "one two three four " * 30, ""])
def test_sketches_and_repetition_are_those_of_plain_numpy(texts: list[str]) -> None:
    found = sketches(column(texts))
    for row, text in enumerate(texts):
        hashes = plain.words(text)
        digest = plain.digest(plain.ngrams(hashes, 5))
        assert found.digests[row].tolist() == digest.tolist()
        assert found.bands[row].tolist() == plain.bands(digest[None])[0].tolist()
        assert found.repeated[row] == plain.repeated_share(hashes)


def test_a_column_may_have_nulls_an_offset_and_small_offsets() -> None:
    texts = pa.array(["left out", "one two", None, "Zwölf", "3+4"], pa.string())[1:]
    assert rows(split(texts)) == [words(text).tolist() for text in ("one two", "", "zwölf", "3 + 4")]
    assert len(split(texts[:0])) == 0


def test_half_a_surrogate_pair_is_no_error() -> None:
    assert words("a \ud800 b").tolist() == plain.words("a \ud800 b").tolist()


@settings(deadline=None)
@given(st.lists(st.tuples(st.none() | ANY, st.none() | ANY), max_size=5))
def test_whole_texts_of_columns_are_those_of_rows(pairs: list[tuple[str | None, str | None]]) -> None:
    reasoning, answer = ([pair[side] for pair in pairs] for side in (0, 1))
    whole = whole_texts(pa.array(reasoning, pa.large_string()), pa.array(answer, pa.large_string()))
    assert whole.to_pylist() == [whole_text(one or "", other or "") for one, other in pairs]


def near_pair(rng: random.Random, changed: float) -> tuple[str, str]:
    text = [f"w{rng.randrange(100_000)}" for _ in range(rng.randint(200, 900))]
    other = [word if rng.random() > changed else f"v{rng.randrange(100_000)}" for word in text]
    return " ".join(text), " ".join([*other, "end"])


def test_estimates_are_unbiased_and_as_sure_as_125_hashes_can_be() -> None:
    """Their standard deviation is the square root of J (1 - J) / 125, and the mean of 400 errors is within 4 of its
    own."""
    rng = random.Random(11)
    for changed in (0.01, 0.025, 0.1):
        left, right = zip(*(near_pair(rng, changed) for _ in range(400)), strict=True)
        both = column([*left, *right])
        pairs = np.arange(400), np.arange(400, 800)
        exact = similarities(shingles(split(both)), *pairs)
        digests = sketches(both).digests
        errors = (estimate(digests[pairs[0]], digests[pairs[1]]) - exact) / np.sqrt(exact * (1 - exact) / 125)
        assert abs(errors.mean()) < 4 / 20
        assert 0.85 < errors.std() < 1.15
        assert np.abs(errors).max() < 5


def test_bands_propose_pairs_as_often_as_their_formula_says() -> None:
    rng = random.Random(5)
    left, right = zip(*(near_pair(rng, 0.12) for _ in range(600)), strict=True)
    both = column([*left, *right])
    exact = similarities(shingles(split(both)), np.arange(600), np.arange(600, 1200))
    keys = sketches(both).bands
    found = (keys[:600] == keys[600:]).any(axis=1)
    expected = 1 - (1 - exact**5) ** 25
    assert abs(found.sum() - expected.sum()) < 4 * np.sqrt((expected * (1 - expected)).sum())


@settings(deadline=None)
@given(st.lists(st.sets(st.integers(1, 60), max_size=40), min_size=2, max_size=6), st.data())
def test_similarity_is_that_of_python_sets(sets: list[set[int]], data: st.DataObject) -> None:
    flat = np.array([value for one in sets for value in one], dtype=np.uint64)
    ends = np.cumsum([0, *map(len, sets)], dtype=np.int64)
    which = st.lists(st.integers(0, len(sets) - 1), min_size=4, max_size=4)
    left, right = data.draw(which), data.draw(which)
    expected = [
        len(sets[a] & sets[b]) / len(sets[a] | sets[b]) if sets[a] | sets[b] else 1.0
        for a, b in zip(left, right, strict=True)
    ]
    assert similarities(Columns(flat, ends), np.array(left), np.array(right)).tolist() == expected


def test_sets_on_disk_are_compared_as_in_memory(tmp_path: Path) -> None:
    texts = ["one two three four five six", "one two three four five seven", "", "other words stand in this one"]
    with ShingleFile(tmp_path / "sets") as sets:
        assert sets.similarities([]) == []
        sets.add([7, 9], shingles(split(column(texts[:2]))))
        sets.add([2, 4], shingles(split(column(texts[2:]))))
        assert sets.similarities([(7, 9), (7, 4), (2, 2), (2, 7), (9, 9)]) == [1 / 3, 0, 1, 0, 1]
    assert not (tmp_path / "sets").exists()


def test_what_is_stored_is_what_is_loaded_and_the_rest_is_null() -> None:
    found = sketches(column(["one two three", "", "four five six"]))
    wanted = np.array([True, False, True])
    columns = stored(found, wanted)
    assert loaded(columns["digest"].drop_null()).tolist() == found.digests[wanted].tolist()
    assert loaded(columns["digest"][2:]).tolist() == found.digests[2:].tolist()
    assert columns["bands"].to_pylist() == [found.bands[0].tolist(), None, found.bands[2].tolist()]


def test_coverage_is_the_share_of_the_runs_of_a_question() -> None:
    questions = ["a b c d e f", "b c d e", "x y", ""]
    grams = Grams(split(column(questions)), 4)
    assert grams.covered(words("z b c d e f")) == (1.0, 1, 1)
    assert grams.covered(words("a b c d e f, and a b c d e f")) == (1.0, 0, 3)
    assert grams.covered(words("c d e f")) == (1 / 3, 0, 1)
    assert grams.covered(words("x y")) == (1.0, 2, 1)
    assert grams.covered(words("")) == (0.0, -1, 0)


def extreme(kind: str) -> str:
    junk = random.Random(3).randbytes(1_000_000)
    return {
        "nothing": "",
        "spaces": " " * 1_000_000,
        "one word": "x" * 1_000_000,
        "a million tokens": "again " * 1_000_000,
        "a million operators": "+" * 1_000_000,
        "a million different words": " ".join(map(str, range(1_000_000))),
        "binary": junk.decode("utf-8", "replace"),
        "binary in one byte each": junk.decode("latin-1"),
        "marks on a letter": "a" + "\u0301" * 500_000,
    }[kind]


EXTREMES = ["nothing", "spaces", "one word", "a million tokens", "a million operators", "a million different words"]


@pytest.mark.parametrize("kind", [*EXTREMES, "binary", "binary in one byte each", "marks on a letter"])
def test_extreme_texts_equal_plain_numpy_and_need_bounded_memory(kind: str) -> None:
    text = extreme(kind)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found: Sketches = sketches(column([text, "beside it"]))
    sets = shingles(found.words)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    hashes = plain.words(text)
    assert found.words[0].tolist() == hashes.tolist()
    assert found.repeated[0] == plain.repeated_share(hashes)
    assert sorted(sets[0].tolist()) == plain.distinct(plain.ngrams(hashes, 5)).tolist()
    assert grown < 150 * 2**20


PINNED = "Add 3 + 4 to get SEVEN, then éclair ≤ 数学 again and again."
SHOW = (
    "import pyarrow as pa\n"
    "from tasks.judge.sketch import sketches, shingles\n"
    f"found = sketches(pa.array([{PINNED!r}], pa.large_string()))\n"
    "print(*found.words[0][:2], *found.digests[0, [0, 1, 124]], *found.bands[0, [0, 24]], shingles(found.words)[0][0])"
)
VALUES = [
    12354735687091793023,
    15991862466037070042,
    162320798,
    257200689,
    264660302,
    6667114969107001825,
    934968234099583518,
    2139782303084654209,
]


def in_a_process(place: Path, cache: str = "") -> list[int]:
    """What another process computes with the package in `place`."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(place / "nobody"),
        "PYTHONPATH": os.pathsep.join(sys.path[1:]),
    }
    environment["PYTHONPATH"] = os.pathsep.join([str(place), environment["PYTHONPATH"]])
    if cache:
        environment["NUMBA_CACHE_DIR"] = cache
    done = subprocess.run([sys.executable, "-W", "error", "-c", SHOW], env=environment, cwd=place, capture_output=True)
    assert not done.returncode, done.stderr.decode()
    return [int(value) for value in done.stdout.split()]


def test_values_are_the_same_in_every_process_and_never_change() -> None:
    """They are stored, so a change of any of them needs a new `sketch.VERSION`."""
    found = sketches(column([PINNED]))
    here = [*found.words[0][:2], *found.digests[0, [0, 1, 124]], *found.bands[0, [0, 24]], shingles(found.words)[0][0]]
    assert [int(value) for value in here] == VALUES
    assert in_a_process(ROOT) == VALUES


@pytest.mark.slow
def test_where_no_cache_can_be_written_the_kernel_is_compiled_all_the_same(tmp_path: Path) -> None:
    """Its folders are files here, which stops root too."""
    package = tmp_path / "tasks" / "judge"
    shutil.copytree(ROOT / "tasks" / "judge", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "warehouse", tmp_path / "warehouse", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tasks" / "__init__.py").touch()
    for blocked in (package / "__pycache__", tmp_path / "nobody"):
        blocked.touch()
    assert in_a_process(tmp_path) == VALUES


def test_who_only_reads_the_rules_does_not_load_the_compiler() -> None:
    asks = "import sys, tasks.judge.rules; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asks], cwd=ROOT).returncode == 0


def test_the_kernel_is_kept_in_its_cache() -> None:
    loops = (kernel.split, kernel.sketch, kernel.distinct_runs, kernel.similarities, kernel.enter, kernel.meet)
    for loop in loops:
        stats = loop.stats  # type: ignore[attr-defined]
        assert stats.cache_path
