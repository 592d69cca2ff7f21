"""One library's near duplicates of a file of texts, one a line; near_duplicates.py runs it in the peers' environment.

    python near_peers.py rensa texts.txt removed.txt

Writes the places of the texts that it would remove, and prints what that took. Every library gets the texts in memory,
word 5-grams, about 128 hashes in 16 bands of 8 (`gaoya-exact` in 25 of 5), and a threshold of 0.8; its imports are
not counted.
"""

import json
import os
import resource
import shutil
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

BANDS, ROWS, SHINGLE, THRESHOLD = 16, 8, 5, 0.8
CORES = os.cpu_count() or 1


def shingles(text: str) -> list[str]:
    words = text.split(" ")
    return [" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1))]


def rensa(texts: list[str], place: Path) -> Callable[[], Iterable[int]]:
    """Its own deduplicator, with its LSH; Python makes the shingles. One thread."""
    from rensa import RMinHash, RMinHashDeduplicator

    def run() -> Iterator[int]:
        known = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=BANDS * ROWS, use_lsh=True, num_bands=BANDS)
        for number, text in enumerate(texts):
            sketch = RMinHash(num_perm=BANDS * ROWS, seed=42)
            sketch.update(shingles(text))
            if not known.add(str(number), sketch):
                yield number

    return run


def gaoya(texts: list[str], place: Path) -> Callable[[], Iterable[int]]:
    """Its string index, whose shingles, hashes and look-ups run in Rust on all cores."""
    from gaoya.minhash import MinHashStringIndex

    def run() -> Iterator[int]:
        return clustered(_gaoya_pairs(MinHashStringIndex, texts, BANDS, ROWS, THRESHOLD))

    return run


def gaoya_exact(texts: list[str], place: Path) -> Callable[[], Iterable[int]]:
    """What its user would do who wants what we promise: our bands, an estimate with our margin, and then the exact
    Jaccard of what it proposes, by Python's sets."""
    from gaoya.minhash import MinHashStringIndex

    def run() -> Iterator[int]:
        sets: dict[int, frozenset[str]] = {}

        def shared(one: int, other: int) -> float:
            for number in (one, other):
                if number not in sets:
                    sets[number] = frozenset(shingles(texts[number]))
            both = len(sets[one] & sets[other])
            return both / (len(sets[one]) + len(sets[other]) - both)

        proposed = _gaoya_pairs(MinHashStringIndex, texts, 25, 5, THRESHOLD - 0.15)
        return clustered(pair for pair in proposed if pair[0] < pair[1] and shared(*pair) >= THRESHOLD)

    return run


def _gaoya_pairs(index_of: Any, texts: list[str], bands: int, rows: int, threshold: float) -> Iterator[tuple[int, int]]:
    """What gaoya's index proposes, each pair both ways."""
    index = index_of(
        hash_size=32, jaccard_threshold=threshold, num_bands=bands, band_size=rows, num_hashes=bands * rows,
        analyzer="word", ngram_range=(SHINGLE, SHINGLE), id_container="smallvec",
    )  # fmt: skip
    index.par_bulk_insert_docs(list(range(len(texts))), texts)
    return ((number, other) for number, met in enumerate(index.par_bulk_query(texts)) for other in met)


def datasketch(texts: list[str], place: Path) -> Callable[[], Iterable[int]]:
    """MinHash and MinHashLSH with given bands, and its estimate of what they propose. One thread."""
    from datasketch import MinHash, MinHashLSH

    def pairs() -> Iterator[tuple[int, int]]:
        index, sketches = MinHashLSH(params=(BANDS, ROWS), num_perm=BANDS * ROWS), {}
        blank = MinHash(num_perm=BANDS * ROWS)
        for number, text in enumerate(texts):
            sketch = sketches[number] = blank.copy()
            sketch.update_batch([shingle.encode() for shingle in shingles(text)])
            yield from (
                (number, other) for other in index.query(sketch) if sketch.jaccard(sketches[other]) >= THRESHOLD
            )
            index.insert(number, sketch, check_duplication=False)

    return lambda: clustered(pairs())


class Lines:
    """A task's share of the texts, as datatrove wants them."""

    def __init__(self, path: Path, share: int) -> None:
        self.path, self.share = path, share

    def __call__(self, data: object, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        from datatrove.data import Document

        with self.path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if number // self.share == rank:
                    yield Document(text=line.rstrip("\n"), id=str(number))


class Split:
    """Words by spaces: datatrove's own tokenizers need spaCy, and most of its time."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split(" ")


def datatrove(texts: list[str], place: Path) -> Callable[[], Iterable[int]]:
    """Its three local stages on all cores. It compares nothing: what shares a band is a duplicate."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupSignature,
    )
    from datatrove.utils.text import TextNormConfig

    work, share = place.with_suffix(".datatrove"), -(-len(texts) // CORES)
    config = MinhashConfig(SHINGLE, BANDS, ROWS, norm_config=TextNormConfig(norm_numbers=False))

    def stage(name: str, steps: list[Any], tasks: int) -> None:
        LocalPipelineExecutor(
            steps, tasks=tasks, workers=min(tasks, CORES), logging_dir=str(work / f"log-{name}"), start_method="fork"
        ).run()

    def run() -> Iterator[int]:
        signature = MinhashDedupSignature(str(work / "signatures"), config, language="aii")
        signature.word_tokenizer = Split()
        stage("signatures", [Lines(place.parent / "texts.txt", share), signature], CORES)
        stage("buckets", [MinhashDedupBuckets(str(work / "signatures"), str(work / "buckets"), config=config)], BANDS)
        stage("clusters", [MinhashDedupCluster(str(work / "buckets"), str(work / "removed"), config)], 1)
        for file in sorted((work / "removed").glob("*.remove")):
            yield from (int(file.stem) * share + number for (number,) in struct.iter_unpack("<I", file.read_bytes()))
        shutil.rmtree(work)

    return run


def clustered(pairs: Iterable[tuple[int, int]]) -> Iterator[int]:
    """All but the lowest of each set that pairs connect."""
    above: dict[int, int] = {}

    def root(place: int) -> int:
        while (up := above.get(place, place)) != place:
            above[place] = above.get(up, up)
            place = up
        return place

    for left, right in pairs:
        low, high = sorted((root(left), root(right)))
        if low != high:
            above[high] = low
    return iter(sorted(above))


def peak_mb() -> float:
    """Of this process's memory; `getrusage` would count what its parent had."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def spent() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


PEERS = {
    "rensa": rensa,
    "gaoya": gaoya,
    "gaoya-exact": gaoya_exact,
    "datasketch": datasketch,
    "datatrove": datatrove,
}


def main() -> None:
    name, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    texts = source.read_text(encoding="utf-8").splitlines()
    run = PEERS[name](texts, target)
    base = peak_mb()
    used, began = spent(), time.perf_counter()
    removed = list(run())
    took = {"seconds": time.perf_counter() - began, "cpu": spent() - used, "base_mb": base}
    peak = peak_mb()
    below = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    target.write_text("\n".join(map(str, removed)))
    print(json.dumps(took | {"peak_mb": peak, "child_mb": below}))


if __name__ == "__main__":
    main()
