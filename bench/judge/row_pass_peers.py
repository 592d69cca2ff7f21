"""The parts of the row pass with the libraries that users have; row_pass.py runs it in the peers' environment.

    python row_pass_peers.py given.json 3

Prints, as JSON, the seconds of CPU of each part over all texts, the least of so many times.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import xxhash
from datatrove.pipeline.filters.gopher_repetition_filter import find_all_duplicate, get_n_grams
from rensa import RMinHash

SKETCH, REPEATED, EVALUATION, TEMPLATE = 5, 8, 13, 20


def spent(work: Callable[[str], object], texts: list[str], repeats: int) -> float:
    least = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        for text in texts:
            work(text)
        least = min(least, time.process_time() - began)
    return least


def main() -> None:
    given, repeats = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])
    known = {gram for question in given["questions"] for gram in get_n_grams(question.lower().split(), EVALUATION)}

    def sketch(text: str) -> list[int]:
        minhash = RMinHash(num_perm=128, seed=42)
        minhash.update(get_n_grams(text.lower().split(), SKETCH))
        return list(minhash.digest())

    parts: dict[str, Callable[[str], object]] = {
        "hash of the words (xxhash)": lambda text: xxhash.xxh64_intdigest(" ".join(text.lower().split())),
        "repetition (datatrove)": lambda text: find_all_duplicate(text.lower().split(), REPEATED),
        "sketch (rensa)": sketch,
        "contamination (a set of n-grams)": lambda text: known.intersection(
            get_n_grams(text.lower().split(), EVALUATION)
        ),
        "templates (a set of n-grams)": lambda text: set(get_n_grams(text.lower().split(), TEMPLATE)),
    }
    print(json.dumps({name: spent(work, given["texts"], repeats) for name, work in parts.items()}))


if __name__ == "__main__":
    main()
