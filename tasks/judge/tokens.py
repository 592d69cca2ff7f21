"""Counting tokens of a named tokenizer, fast: cl100k_base as tiktoken counts it, whichever library counts.

tokie counts many times as many tokens a second as tiktoken, but not every text alike. Its version 0.1.4 glues a tab
to the mark behind it, cuts blank lines that hold spaces, takes roman numerals and vowel signs for letters, and cuts
10 KB and more into as many pieces as there are CPUs, anywhere. So it gets texts that hold nothing on which the two
differ, in slices that both would cut there, and tiktoken gets all others, and every text where tokie is not installed
or is another version than the one that was compared. Text that spells a special token counts as the plain text it is;
a lone surrogate as U+FFFD.
"""

import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs
import tiktoken

from tasks.judge.merges import tokenizer_json

TOKENIZER = "cl100k_base"
COMPARED = "0.1.4"
"""The version of tokie whose pieces were compared with tiktoken's, character by character
(`tests/judge/test_tokens.py`)."""

_AGREED = frozenset(
    ["Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "No", *(f"P{kind}" for kind in "cdseifo"), "Sm", "Sc", "Sk", "So"]
)
"""General categories that both cut alike. Not among them: marks, and roman numerals (Nl), which have the property
Alphabetic by which tokie tells letters; spaces; controls; and what this Python's Unicode does not know."""
_NOT_AGREED = (range(0x17F, 0x180), range(0x24B6, 0x24EA), range(0x1F130, 0x1F18A))
"""The long s, an s in "'s" to tiktoken; enclosed letters, which are Alphabetic."""
_TABLE = 0x20000
"""Code points in the table of agreed ones; what lies above, rare Han, is counted by tiktoken."""
_BLANK_LINE = re.compile("\n +\n")
_BLANKS = re.compile(r"\s{10000}")
_BORDER = re.compile(r"(?<=\S)(?= [A-Za-z])|(?<=\n)(?=[^\W_])")
"""Where no token spans, whatever stands around: before a space and a word, or between a newline and a word."""
MOST_BYTES = 9_999
"""Longest text that tokie takes whole."""
SLICE = 1_000
"""A long text, or one on which the two differ somewhere, is counted in slices, so that tiktoken gets only a few."""


def count_tokens(text: str) -> int:
    """Tokens of a text."""
    count = _fast()
    if count is None:
        return count_by_tiktoken(text)
    if is_agreed(text):
        return count(text)
    return sum(count(part) if is_agreed(part) else count_by_tiktoken(part) for part in slices(text))


def count_by_tiktoken(text: str) -> int:
    """The reference. A run of 10,000 blanks is counted by itself, as a million of them overflow tiktoken's stack."""
    cuts = [0, *(run.end() for run in _BLANKS.finditer(text)), len(text)]
    return sum(len(_encoding().encode_ordinary(text[start:end])) for start, end in pairwise(cuts))


def is_agreed(text: str) -> bool:
    """Whether both libraries cut a text alike."""
    if len(text) > (MOST_BYTES if text.isascii() else MOST_BYTES // 4):
        return False
    if "\n " in text and _BLANK_LINE.search(text):
        return False
    if text.isascii():
        return not ("\t" in text or "\r" in text or "\x0b" in text or "\x0c" in text)
    return not _others().search(text)


def slices(text: str) -> Iterator[str]:
    """A text in slices of some SLICE characters, cut between tokens; longer where there is no such place."""
    start = 0
    while found := _BORDER.search(text, start + SLICE):
        yield text[start : found.start()]
        start = found.start()
    yield text[start:]


@cache
def agreed() -> npt.NDArray[np.bool_]:
    """For each code point below _TABLE, whether a text that holds it is cut alike."""
    table = np.fromiter((unicodedata.category(chr(code)) in _AGREED for code in range(_TABLE)), np.bool_, _TABLE)
    table[[ord(" "), ord("\n")]] = True
    for codes in _NOT_AGREED:
        table[codes.start : codes.stop] = False
    return table


@cache
def _others() -> re.Pattern[str]:
    """Finds a character on which the two are not known to agree."""
    edges = np.flatnonzero(np.diff(agreed().astype(np.int8), prepend=0, append=0))
    runs = (f"{re.escape(chr(first))}-{re.escape(chr(last - 1))}" for first, last in edges.reshape(-1, 2))
    return re.compile(f"[^{''.join(runs)}]")


@cache
def _encoding() -> tiktoken.Encoding:
    return tiktoken.get_encoding(f"{TOKENIZER}_offline")


@cache
def _fast() -> Callable[[str], int] | None:
    """tokie's count, or None where it is not to be had."""
    try:
        if version("tokie") != COMPARED:
            return None
        import tokie
    except (PackageNotFoundError, ImportError):
        return None
    file = cache_folder() / f"{TOKENIZER}-tokie-{COMPARED}.tkz"
    tokenizer: Any = None
    with suppress(tokie.TokieError):
        tokenizer = tokie.Tokenizer.from_file(str(file))
    if tokenizer is None:
        tokenizer = build(_encoding())
        with suppress(tokie.TokieError, OSError):
            _keep(tokenizer, file)
    count: Callable[[str], int] = tokenizer.count_tokens
    return count


def cache_folder() -> Path:
    """Where the tokenizer that tokie builds, 7 MB in 2 s, is kept for the next process."""
    return platformdirs.user_cache_path("stillhouse")


def build(encoding: tiktoken.Encoding) -> Any:
    """The same tokenizer for tokie, from tiktoken's ranks."""
    import tokie

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tokenizer.json"
        file.write_text(json.dumps(tokenizer_json(encoding)), encoding="utf-8")
        return tokie.Tokenizer.from_json(str(file))


def _keep(tokenizer: Any, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        whole = Path(folder) / file.name
        tokenizer.save(str(whole))
        os.replace(whole, file)
