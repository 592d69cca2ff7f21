"""Our near duplicates of a file of texts in memory, as near_peers.py measures the others; near_duplicates.py runs it.

    python bench/judge/near_in_memory.py texts.txt removed.txt

The judge's own functions without its files: sketches of 250 texts at a time on each core, DuckDB's join of their
bands, the estimate, the exact Jaccard of what is likely, clusters. All stays in memory, words included.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.dataset  # noqa: E402  (DuckDB would import it during the run; no method's imports are counted)
from near_duplicates import peak_mb  # noqa: E402
from near_texts import THRESHOLD  # noqa: E402

from tasks.judge.near import ESTIMATE_MARGIN, clusters, similarities  # noqa: E402
from tasks.judge.sketch import BANDS, Digests, Sketches, estimate, shingles, sketched  # noqa: E402
from tasks.judge.words import Arrow, Columns, Counts, split  # noqa: E402

AT_ONCE = 250
CORES = os.cpu_count() or 1
SHARED_BAND = """
    with crowded as (select bucket from keyed group by bucket having count(*) > 1),
    seated as (select bucket, place from keyed semi join crowded using (bucket))
    select distinct a.place as one, b.place as other
    from seated as a join seated as b on a.bucket = b.bucket and a.place < b.place
    order by all
"""


def sketches(texts: Arrow) -> Sketches:
    """The judge's sketches, without the share of repeated runs, which is another rule's."""
    words = split(texts)
    return sketched(words, repeated_run=len(words.hashes))


def candidates(found: list[Sketches]) -> tuple[Counts, Counts]:
    """Pairs of texts that share a band, by their places."""
    keys = np.concatenate([some.bands for some in found])
    places = np.repeat(np.arange(len(keys), dtype=np.int64), BANDS)
    with duckdb.connect(config={"threads": CORES}) as connection:
        connection.register("keyed", pa.table({"bucket": keys.reshape(-1), "place": places}))
        pairs = connection.execute(SHARED_BAND).fetchnumpy()
    return pairs["one"], pairs["other"]


def likely(found: list[Sketches], left: Counts, right: Counts) -> tuple[Counts, Counts]:
    digests: Digests = np.concatenate([some.digests for some in found])
    close = estimate(digests[left], digests[right]) >= THRESHOLD - ESTIMATE_MARGIN
    return left[close], right[close]


def sets_of(found: Sketches, rows: Counts) -> Columns:
    """The shingles of some of a chunk's texts."""
    words = [found.words[row] for row in rows]
    ends = np.cumsum([0, *map(len, words)])
    return shingles(Columns(np.concatenate(words), ends)) if words else Columns(np.empty(0, np.uint64), ends)


def removed(texts: pa.Array, pool: ThreadPoolExecutor) -> list[int]:
    """The places of the texts that are near duplicates of one before them."""
    found = list(pool.map(sketches, (texts[at : at + AT_ONCE] for at in range(0, len(texts), AT_ONCE))))
    left, right = likely(found, *candidates(found))
    paired = np.unique(np.concatenate([left, right]))
    rows = [paired[paired // AT_ONCE == chunk] % AT_ONCE for chunk in range(len(found))]
    sets = list(pool.map(sets_of, found, rows))
    starts = np.cumsum([0, *(some.ends[-1] for some in sets)])
    ends = np.concatenate([[0], *(some.ends[1:] + start for some, start in zip(sets, starts, strict=False))])
    together = Columns(np.concatenate([some.hashes for some in sets]), ends)
    jaccards = similarities(together, np.searchsorted(paired, left), np.searchsorted(paired, right))
    close = jaccards >= THRESHOLD
    return list(clusters(zip(left[close].tolist(), right[close].tolist(), strict=True)))


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
