"""Our near duplicates of a file of texts in memory, as near_peers.py measures the others; near_duplicates.py runs it.

    python bench/judge/near_in_memory.py texts.txt removed.txt

The judge's own functions without its files: sketches of 250 texts at a time on each core, DuckDB's join of their
bands, the estimate, the exact Jaccard of what is likely, clusters. As in the judge, the words of a text are made anew
for the exact comparison: few are compared, and keeping all words takes longer than making those of few again.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.dataset  # noqa: E402  (DuckDB would import it during the run; no method's imports are counted)
from near_duplicates import peak_mb  # noqa: E402
from near_texts import THRESHOLD  # noqa: E402

from tasks.judge import kernel  # noqa: E402
from tasks.judge.near import ESTIMATE_MARGIN, Pair, clusters  # noqa: E402
from tasks.judge.sketch import BANDS, Digests, estimate, shingles, sketched  # noqa: E402
from tasks.judge.words import Arrow, Counts, Hashes, split  # noqa: E402

AT_ONCE = 250
"""Texts, and pairs of them."""
CORES = os.cpu_count() or 1
SHARED_BAND = """
    with crowded as (select bucket from keyed group by bucket having count(*) > 1),
    seated as (select bucket, place from keyed semi join crowded using (bucket))
    select distinct a.place as one, b.place as other
    from seated as a join seated as b on a.bucket = b.bucket and a.place < b.place
    order by all
"""


def sketches(texts: Arrow) -> tuple[Digests, Hashes]:
    """The judge's digests and bands, without the share of repeated runs, which is another rule's."""
    words = split(texts)
    found = sketched(words, repeated_run=len(words.hashes))
    return found.digests, found.bands


def candidates(bands: Hashes) -> tuple[Counts, Counts]:
    """Pairs of texts that share a band, by their places."""
    places = np.repeat(np.arange(len(bands), dtype=np.int64), BANDS)
    with duckdb.connect(config={"threads": CORES}) as connection:
        connection.register("keyed", pa.table({"bucket": bands.reshape(-1), "place": places}))
        pairs = connection.execute(SHARED_BAND).fetchnumpy()
    return pairs["one"], pairs["other"]


def similar(texts: Arrow, left: Counts, right: Counts) -> list[Pair]:
    """The pairs whose exact Jaccard is at least the threshold."""
    rows = np.unique(np.concatenate([left, right]))
    sets, jaccards = shingles(split(texts.take(pa.array(rows)))), np.empty(len(left), np.float64)
    kernel.similarities(sets.hashes, sets.ends, np.searchsorted(rows, left), np.searchsorted(rows, right), jaccards)
    close = jaccards >= THRESHOLD
    return list(zip(left[close].tolist(), right[close].tolist(), strict=True))


def removed(texts: Arrow, pool: ThreadPoolExecutor) -> list[int]:
    """The places of the texts that are near duplicates of one before them."""
    found = list(pool.map(sketches, (texts[at : at + AT_ONCE] for at in range(0, len(texts), AT_ONCE))))
    digests, bands = (np.concatenate(columns) for columns in zip(*found, strict=True))
    left, right = candidates(bands)
    likely = estimate(digests[left], digests[right]) >= THRESHOLD - ESTIMATE_MARGIN
    left, right = left[likely], right[likely]
    some = [slice(at, at + AT_ONCE) for at in range(0, len(left), AT_ONCE)]
    close = pool.map(lambda at: similar(texts, left[at], right[at]), some)
    return list(clusters(chain.from_iterable(close)))


def main(source: Path, target: Path) -> None:
    texts = pa.array(source.read_text(encoding="utf-8").splitlines(), pa.large_string())
    sketches(pa.array(["compiled, or loaded, once"]))
    base, used, began = peak_mb(), time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        gone = removed(texts, pool)
    took = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - used}
    target.write_text("\n".join(map(str, gone)))
    print(json.dumps(took | {"base_mb": base, "peak_mb": peak_mb(), "child_mb": 0}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
