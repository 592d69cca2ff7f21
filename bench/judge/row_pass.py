"""What is measured on the words of a trace, in one pass and part by part: words, repetition, sketch, contamination,
templates.

    python -m venv PEERS && PEERS/bin/pip install -r bench/judge/peers.txt
    python bench/judge/row_pass.py gsm8k/test.jsonl math500/test.jsonl --venv PEERS

Documents are those of `near_texts.py`, 400 to 1,400 words; the files are the evaluation pack as well. The pass is the
judge's own, over a column of texts; then each of its parts runs by itself on the same column, as a pass of its own
would. In the peers' environment the same parts run one by one with what users have: xxhash, datatrove's repeated
n-grams, its n-grams in a set of the pack's, rensa's sketch. One process each; microseconds of CPU a document.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import pyarrow as pa  # noqa: E402
from near_texts import families, read_source  # noqa: E402

from tasks.judge.contamination import Evaluation  # noqa: E402
from tasks.judge.packs import Pack, read_packs  # noqa: E402
from tasks.judge.sketch import sketched, sketches  # noqa: E402
from tasks.judge.template import template_grams  # noqa: E402
from tasks.judge.words import split  # noqa: E402

PEERS = Path(__file__).with_name("row_pass_peers.py")


def spent(work: Callable[[], object], repeats: int) -> float:
    """Seconds of CPU, the least of several."""
    least = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        work()
        least = min(least, time.process_time() - began)
    return least


def ours(texts: pa.Array, evaluation: Evaluation, repeats: int) -> dict[str, float]:
    """The pass, and its parts; seconds of CPU."""
    rows = range(len(texts))

    def whole() -> None:
        found = sketches(texts)
        for row in rows:
            evaluation.in_trace(found.words[row])
            template_grams(found.words[row])

    def contamination() -> None:
        words = split(texts)
        for row in rows:
            evaluation.in_trace(words[row])

    def templates() -> None:
        words = split(texts)
        for row in rows:
            template_grams(words[row])

    parts: Mapping[str, Callable[[], object]] = {
        "the pass": whole,
        "words": lambda: split(texts),
        "repetition and sketch": lambda: sketched(split(texts)),
        "contamination": contamination,
        "templates": templates,
    }
    whole()
    return {name: spent(work, repeats) for name, work in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--documents", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--venv", type=Path, help="of the peers")
    options = parser.parse_args()
    packs = read_packs(options.files)
    made = itertools.chain.from_iterable(families(read_source(options.files), options.documents, 1))
    texts = list(itertools.islice(made, options.documents))
    took = ours(pa.array(texts, pa.large_string()), Evaluation(packs), options.repeats)
    whole = took.pop("the pass")
    size = sum(map(len, texts)) / 1e6
    print(f"{len(texts):,} documents, {size:.0f} MB, {sum(len(pack.questions) for pack in packs):,} questions")
    print(f"the pass: {len(texts) / whole:,.0f} documents and {size / whole:.0f} MB a second of CPU")
    told("ours, part by part", took, whole, len(texts))
    if options.venv:
        told("libraries, part by part", libraries(options, texts, packs), whole, len(texts))


def libraries(options: argparse.Namespace, texts: list[str], packs: Sequence[Pack]) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="row-pass-") as folder:
        given = Path(folder) / "given.json"
        questions = [question for pack in packs for question in pack.questions]
        given.write_text(json.dumps({"texts": texts, "questions": questions}))
        command = [str(options.venv / "bin" / "python"), str(PEERS), str(given), str(options.repeats)]
        return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def told(name: str, took: Mapping[str, float], whole: float, count: int) -> None:
    parts = ", ".join(f"{part} {1e6 * seconds / count:.0f}" for part, seconds in took.items())
    times = sum(took.values()) / whole
    print(f"{name}: {parts} us; together {times:.1f} times the pass ({1e6 * whole / count:.0f} us)")


if __name__ == "__main__":
    main()
