"""Writing a version's shards: ours, several at once, beside pyarrow's single writer with the same settings.

    python bench/publish/shards.py --mb 300

Makes rows of the published schema (reasoning traces of random words, about 5 KB each), in shards of --shard-rows, and
writes them from Arrow tables by one `pyarrow.parquet.write_table` after the other, as a single thread does, and by
`ShardWriters` with 1 and more threads, each write durable. The bytes of every file must be equal in all of them.
"""

import argparse
import hashlib
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from warehouse.shard_writers import ShardWriters  # noqa: E402
from warehouse.shards import ROW_GROUP, ROWS, SETTINGS  # noqa: E402

WORDS = 350


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=300, help="of rows in Arrow")
    parser.add_argument("--shard-rows", type=int, default=10_000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    one = shard(0, options.shard_rows)
    shards = [one, *(shard(n, options.shard_rows) for n in range(1, max(2, options.mb * 10**6 // one.nbytes)))]
    mb = sum(table.nbytes for table in shards) / 1e6
    print(f"{len(shards)} shards of {options.shard_rows:,} rows, {mb:.0f} MB in Arrow")
    for _ in range(options.repeats):
        base, digests = measured("pyarrow, one writer", mb, lambda folder: by_pyarrow(folder, shards))
        for threads in options.threads:
            seconds, same = measured(f"ours, {threads} threads", mb, lambda folder: ours(folder, shards, threads))  # noqa: B023
            assert same == digests, "the bytes differ"
            print(f"  {base / seconds:.2f} times as fast, equal bytes")
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB, the rows included")


def measured(name: str, mb: float, write) -> tuple[float, list[str]]:  # type: ignore[no-untyped-def]
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        write(Path(folder))
        seconds = time.perf_counter() - wall
        files = sorted(Path(folder).iterdir())
        size = sum(file.stat().st_size for file in files) / 1e6
        spent = time.process_time() - cpu
        print(f"{name}: {seconds:.2f} s ({spent:.2f} s CPU), {mb / seconds:.0f} MB/s, {size:.0f} MB written")
        return seconds, [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def by_pyarrow(folder: Path, shards: list[pa.Table]) -> None:
    for number, table in enumerate(shards):
        with (folder / f"{number:05}.parquet").open("wb") as file:
            pq.write_table(table, file, row_group_size=ROW_GROUP, **SETTINGS)
            file.flush()
            os.fsync(file.fileno())


def ours(folder: Path, shards: list[pa.Table], threads: int) -> None:
    with ShardWriters(threads) as writers:
        files = [writers.write(folder / f"{n:05}.parquet", table.schema, table) for n, table in enumerate(shards)]
    assert sum(file.result().rows for file in files) == sum(table.num_rows for table in shards)


def shard(number: int, rows: int) -> pa.Table:
    rng = np.random.default_rng(number)
    vocabulary = np.array(["".join(map(chr, rng.integers(97, 123, size))) for size in rng.integers(2, 10, 20_000)])
    texts = [" ".join(line) for line in vocabulary[rng.zipf(1.3, (rows, WORDS)) % len(vocabulary)]]
    answers = [f"The answer is {n}." for n in rng.integers(0, 10**6, rows)]
    message = [{"role": "user", "content": "What is 3 + 4?"}]
    known = {
        "prompt": [message] * rows,
        "completion": [
            [{"role": "assistant", "content": answer, "reasoning_content": text}]
            for answer, text in zip(answers, texts, strict=True)
        ],
        "reasoning": texts,
        "answer": answers,
        "trace_id": [rng.bytes(16).hex() for _ in range(rows)],
        "prompt_id": [rng.bytes(16).hex() for _ in range(rows)],
        "simulated": [True] * rows,
    }
    schema = ROWS["field"]
    columns = [pa.array(known.get(f.name, [f.name] * rows), f.type) for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)


if __name__ == "__main__":
    main()
