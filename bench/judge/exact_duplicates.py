"""Exact duplicates among many rows, by the judge's own SQL on the hash made when an answer is read.

    python bench/judge/exact_duplicates.py --rows 1000000

Writes the judged rows (hashes, no texts) in parts of 10,000 rows, one in ten of them a copy of another (half of those
of the same prompt), then times `survivors.sql` and `exact.sql` as the judge runs them, in a DuckDB bound to the
judge's memory limit, and checks what was found against what was planted. Beside it, in the same run, DuckDB groups raw
texts by their hash, and by the hash of the text with its spaces folded, which is what hashing at ingest saves.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from tasks.judge.judging import MEMORY_LIMIT  # noqa: E402
from tasks.judge.policy import JudgePolicy  # noqa: E402
from tasks.judge.rows import JUDGED  # noqa: E402
from tasks.judge.statements import statement  # noqa: E402

PART_ROWS = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--text-rows", type=int, default=100_000, help="rows of 1.4 KB of text for DuckDB's own")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parts, copies = write_judged(Path(folder), options.rows)
        for _ in range(options.repeats):
            judge_sql(parts, copies, options.rows)
        texts = write_texts(Path(folder), options.text_rows)
        for name, key in (("hash of the raw text", "hash(text)"), ("of the text, spaces folded", FOLDED)):
            with duckdb.connect() as connection:
                sql = f"select count(*) from (select {key} as k from read_parquet('{texts}') group by k)"
                seconds, spent = timed(lambda: connection.execute(sql).fetchall())  # noqa: B023
            million = 1e6 * seconds / options.text_rows
            print(f"DuckDB, {name}: {options.text_rows:,} rows {spent}, {million:.2f} s a million")


FOLDED = r"hash(regexp_replace(lower(text), '\s+', ' ', 'g'))"


def judge_sql(parts: list[str], copies: int, rows: int) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        connection.execute("create temp table vote (trace_id varchar, outcome varchar, is_elected boolean)")
        connection.execute("create temp table pass_rate (trace_id varchar, reason varchar)")
        connection.execute("create temp table held (trace_id varchar)")
        _, before = timed(lambda: connection.execute(statement("survivors"), {"judged": parts}))
        _, spent = timed(lambda: connection.execute(statement("exact"), {"across": JudgePolicy().cross_prompt_words}))
        found = connection.execute("select count(*), count(*) filter (is_duplicate) from exact").fetchall()
    assert found == [(copies, copies)], f"found {found}, planted {copies}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"judge: {rows:,} rows, {copies:,} copies, all found: exact.sql {spent}, peak {peak:.0f} MB")
    print(f"  before it survivors.sql, which reads and ranks the rows for all that follows: {before}")


def timed(work: Callable[[], object]) -> tuple[float, str]:
    """Seconds, and in words with the CPU seconds, which other work on the machine changes less."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    seconds = time.perf_counter() - wall
    return seconds, f"{seconds:.2f} s ({time.process_time() - cpu:.2f} s CPU)"


def write_judged(folder: Path, rows: int) -> tuple[list[str], int]:
    """Row n is the first of its text, but each tenth has that of the row before (same prompt) or of an earlier one."""
    numbers = np.arange(rows)
    copy = numbers % 10 == 9
    near, far = copy & (numbers % 20 == 9), copy & (numbers % 20 == 19)
    text = np.where(near, numbers - 1, np.where(far, numbers // 20 * 10, numbers))
    prompt = np.where(near, numbers - 1, numbers) // 4
    order = np.random.default_rng(5).permutation(rows)
    parts = []
    for start in range(0, rows, PART_ROWS):
        taken = order[start : start + PART_ROWS]
        path = folder / f"judged-{start:08}.parquet"
        pq.write_table(judged(taken, text[taken], prompt[taken]), path, compression="zstd")
        parts.append(str(path))
    return parts, int(rows - len(np.unique(text)))


def judged(numbers: np.ndarray, text: np.ndarray, prompt: np.ndarray) -> pa.Table:
    size = len(numbers)
    known = {
        "trace_id": [f"{7919 * int(n) % 10**12:032x}" for n in numbers],
        "prompt_id": [f"{int(n):032x}" for n in prompt],
        "text_hash": [f"{104_729 * int(n):032x}" for n in text],
        "teacher": ["mine"] * size,
        "outcome": ["kept"] * size,
        "is_right": [True] * size,
        "is_complete": [True] * size,
        "words": [300] * size,
        "numbers": [f"{int(n):016x}" for n in text],
    }
    columns = [pa.array(known[f.name], f.type) if f.name in known else pa.nulls(size, f.type) for f in JUDGED]
    return pa.Table.from_arrays(columns, schema=JUDGED)


def write_texts(folder: Path, rows: int) -> Path:
    path = folder / "texts.parquet"
    rng = np.random.default_rng(6)

    def tables() -> Iterator[pa.Table]:
        for start in range(0, rows, PART_ROWS):
            words = rng.integers(0, 10**6, (min(PART_ROWS, rows - start), 200))
            yield pa.table({"text": [" ".join(map(str, row)) for row in words.tolist()]})

    with pq.ParquetWriter(path, pa.schema([("text", pa.string())]), compression="zstd") as writer:
        for table in tables():
            writer.write_table(table)
    return path


if __name__ == "__main__":
    main()
