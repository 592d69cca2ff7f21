"""Near duplicates, beside other libraries in the same run: speed, memory, recall and precision.

    python -m venv PEERS && PEERS/bin/pip install -r bench/judge/peers.txt
    python bench/judge/near_duplicates.py gsm8k/train.jsonl math500/test.jsonl --venv PEERS --documents 20000
    python bench/judge/near_duplicates.py gsm8k/train.jsonl math500/test.jsonl --linear 10000 100000 1000000

Makes documents of 400 to 1,400 words from the words of the files (`near_texts.py`), with variants whose exact Jaccard
is known, and asks each library, in a process of its own, which to remove. Ours is the judge's own path, from the chunk
files that its workers read: `sketches` for each chunk, one at a time on each core as on Ray, then `compare` (DuckDB's
band join, estimate, exact Jaccard, union-find). `ours-in-memory` is the same without files, as the others get the texts
in memory too (`near_in_memory.py`).

A row is found if its cluster (exact Jaccard >= 0.8, transitive) loses as many as it must; which one stays is not
scored, as libraries differ there. What more is removed is wrong. Memory is the peak of the process, what it was before
its run (with texts in memory for the others) in brackets.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.dataset  # noqa: E402  (DuckDB would import it during the run; no method's imports are counted)
import pyarrow.parquet as pq  # noqa: E402
from near_texts import SHINGLE, THRESHOLD, Member, Source, Truth, families, jaccard, mixed, read_source  # noqa: E402

from tasks.judge.chunk import as_bytes, put_inputs, put_judged  # noqa: E402
from tasks.judge.duplicates import compare, likely_pairs  # noqa: E402
from tasks.judge.finding import whole_texts  # noqa: E402
from tasks.judge.judging import CHUNK_ROWS, MEMORY_LIMIT, Chunk  # noqa: E402
from tasks.judge.policy import JudgePolicy  # noqa: E402
from tasks.judge.rows import CARRIED, INPUTS, JUDGED  # noqa: E402
from tasks.judge.sketch import sketches, stored  # noqa: E402
from tasks.judge.together import vote_and_rate  # noqa: E402

OURS = ("ours", "ours-in-memory")
PEERS = ("rensa", "gaoya", "gaoya-exact", "datasketch", "datatrove")
POOL = 20_000
"""Variants in memory at a time while documents are made."""


@dataclass(frozen=True)
class Made:
    """A folder of documents and what is true of them."""

    folder: Path
    members: list[Member]
    """Which text of which family each document is."""
    truth: Truth

    @property
    def wanted(self) -> int:
        """How many rows should go."""
        return sum(len(cluster) - 1 for cluster in self.truth.clusters())


def make(source: Source, count: int, seed: int, folder: Path) -> Made:
    """`texts.txt`, one document a line, and the same as the judge's chunk files."""
    truth, members, rows = Truth(), [], []
    with (folder / "texts.txt").open("w", encoding="utf-8") as lines:
        for member, text in mixed(truth.noting(families(source, count, seed)), min(POOL, count // 8), seed):
            members.append(member)
            rows.append(text)
            lines.write(text + "\n")
            if len(rows) == CHUNK_ROWS or len(members) == count:
                _write_chunk(folder, len(members) - len(rows), rows)
                rows = []
    return Made(folder, members, truth)


def _write_chunk(folder: Path, first: int, texts: Sequence[str]) -> None:
    ids = [f"{first + row:08}" for row in range(len(texts))]
    given: dict[str, Any] = {name: ids for name in CARRIED} | {"answer": texts, "verifier": ["none"] * len(texts)}
    columns = [pa.array(given.get(field.name, [None] * len(texts)), field.type) for field in INPUTS]
    put_inputs(folder / f"inputs-{first:08}.parquet", pa.table(columns, INPUTS))


def background(folder: Path, members: Sequence[Member]) -> tuple[float, float]:
    """Median and 99th percentile of the Jaccard of neighbours that are of different families."""
    with (folder / "texts.txt").open(encoding="utf-8") as lines:
        texts = [line.rstrip("\n") for line, _ in zip(lines, range(1001), strict=False)]
    found = [
        jaccard(*two) for two, who in zip(pairwise(texts), pairwise(members), strict=False) if who[0][0] != who[1][0]
    ]
    return float(np.median(found)), float(np.quantile(found, 0.99))


def judged(chunk: Chunk) -> None:
    """What a worker makes of a chunk, as far as near duplicates need it: all rules let it pass."""
    inputs = pq.read_table(chunk.inputs, columns=[*CARRIED, "reasoning", "answer"]).combine_chunks()
    texts = whole_texts(*(inputs[name].combine_chunks() for name in ("reasoning", "answer")))
    found = sketches(texts)
    words, rows = found.words.counts, len(inputs)
    columns: dict[str, Any] = {name: inputs[name] for name in CARRIED} | stored(found, words > 0)
    columns |= {"outcome": ["kept"] * rows, "is_complete": [True] * rows, "words": words}
    columns |= dict.fromkeys(("is_right", "is_tried"), [False] * rows)
    columns["numbers"] = [""] * rows  # equal for all, so that Jaccard alone decides
    empty = {field.name: pa.nulls(rows, field.type) for field in JUDGED}
    table = pa.table(empty | columns).cast(JUDGED)
    put_judged(chunk.judged, as_bytes(table))


def peak_mb() -> float:
    """Of this process's memory; `getrusage` would count what its parent had."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def ours(folder: Path) -> None:
    """The judge's path; writes what it removes, and the pairs that it compared, and prints what that took."""
    sketches(pa.array(["compiled, or loaded, once"]))
    chunks = [
        Chunk(path, path.with_name(path.name.replace("inputs", "judged"))) for path in sorted(folder.glob("inputs-*"))
    ]
    config = {"memory_limit": MEMORY_LIMIT, "temp_directory": str(folder / "spill"), "threads": os.cpu_count() or 1}
    base = peak_mb()
    used, began = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        list(workers.map(judged, chunks))
    sketched = time.perf_counter() - began
    with duckdb.connect(config=config) as connection:
        policy, files = JudgePolicy(near_duplicate_jaccard=THRESHOLD), [str(chunk.judged) for chunk in chunks]
        connection.read_parquet([str(chunk.inputs) for chunk in chunks]).create_view("traces")
        connection.execute("create temp table held (trace_id varchar)")
        vote_and_rate(connection, files, policy)
        compare(connection, files, policy, folder)
        removed = connection.execute("select trace_id from late where is_duplicate order by trace_id").fetchall()
        took = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - used, "sketching": sketched}
        peak = peak_mb()
        names = dict(connection.execute("select place, trace_id from survivor").fetchall())
        compared = [(names[a], names[b]) for a, b in likely_pairs(connection, THRESHOLD)]
    (folder / "ours.txt").write_text("\n".join(name for (name,) in removed))
    (folder / "pairs.txt").write_text("\n".join(f"{int(a)} {int(b)}" for a, b in compared))
    print(json.dumps(took | {"base_mb": base, "peak_mb": peak, "child_mb": 0}))


def run(method: str, folder: Path, venv: Path | None) -> dict[str, float] | None:
    """Run a method in a process of its own; None where its library is not there."""
    here = Path(__file__)
    library, _, _ = method.partition("-")
    texts, removed = folder / "texts.txt", folder / f"{method}.txt"
    if method == "ours":
        command = [sys.executable, str(here), "--ours", str(folder)]
    elif method == "ours-in-memory":
        command = [sys.executable, str(here.with_name("near_in_memory.py")), str(texts), str(removed)]
    elif (
        venv is None or subprocess.run([venv / "bin/python", "-c", f"import {library}"], capture_output=True).returncode
    ):
        print(f"{method} is skipped: {library} is not in --venv {venv}; see bench/judge/peers.txt")
        return None
    else:
        peer = here.with_name("near_peers.py")
        command = [str(venv / "bin/python"), str(peer), method, str(texts), str(removed)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{method} failed (exit code {done.returncode}):\n{done.stderr[-2000:]}")
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def score(made: Made, method: str) -> tuple[float, float]:
    """Row recall and row precision."""
    gone = {made.members[int(line)] for line in (made.folder / f"{method}.txt").read_text().split()}
    clusters = made.truth.clusters()
    right = sum(min(len(cluster & gone), len(cluster) - 1) for cluster in clusters)
    return right / max(1, made.wanted), right / max(1, len(gone))


def by_band(made: Made) -> Iterator[str]:
    """For each 0.05 of exact Jaccard: planted pairs, and how many of them were compared exactly, or in one cluster."""
    numbers = {member: number for number, member in enumerate(made.members)}
    compared = {tuple(sorted(map(int, line.split()))) for line in (made.folder / "pairs.txt").read_text().splitlines()}
    all_of, met = Counter[int](), Counter[int]()
    for left, right, similarity in made.truth.pairs:
        band = min(19, int(similarity * 20 + 1e-9))
        all_of[band] += 1
        met[band] += tuple(sorted((numbers[left], numbers[right]))) in compared
    for band in sorted(all_of):
        count, share = all_of[band], met[band] / all_of[band]
        limits = f"{band / 20:.2f}-{(band + 1) / 20:.2f}"
        yield f"| {limits} | {count:,} | {count / len(made.truth.pairs):.1%} | {share:.4f} |"


HEADER = """\
| method | documents | docs/s | s | CPU s | peak MB (before) | row recall | row precision |
|---|---|---|---|---|---|---|---|"""


def line(method: str, made: Made, took: dict[str, float]) -> str:
    count, (recall, precision) = len(made.members), score(made, method)
    speed = f"{count / took['seconds']:,.0f} | {took['seconds']:.2f} | {took['cpu']:.1f}"
    memory = f"{max(took['peak_mb'], took['child_mb']):,.0f} ({took['base_mb']:,.0f})"
    return f"| {method} | {count:,} | {speed} | {memory} | {recall:.4f} | {precision:.4f} |"


def described(made: Made) -> str:
    size, count = (made.folder / "texts.txt").stat().st_size / 1e6, len(made.members)
    median, high = background(made.folder, made.members)
    unrelated = f"unrelated ones share {median:.4f} of their word {SHINGLE}-grams (median; 99th percentile {high:.4f})"
    return f"{count:,} documents, {size:,.0f} MB; {unrelated}; {made.wanted:,} rows should go"


def compare_all(source: Source, options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        made = make(source, options.documents, options.seed, Path(name))
        print(f"{described(made)}, seed {options.seed}\n\n{HEADER}")
        for method in options.methods:
            if (took := run(method, made.folder, options.venv)) is not None:
                print(line(method, made, took), flush=True)
        if "ours" in options.methods:
            print("\n| exact Jaccard | planted pairs | of all | compared by ours |\n|---|---|---|---|")
            print("\n".join(by_band(made)))


def linear(source: Source, options: argparse.Namespace) -> None:
    print(HEADER)
    for count in options.linear:
        with tempfile.TemporaryDirectory(dir=options.work) as name:
            made = make(source, count, options.seed, Path(name))
            (made.folder / "texts.txt").unlink()
            if (took := run("ours", made.folder, None)) is not None:
                print(line("ours", made, took), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="texts whose words the documents are made of")
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--linear", type=int, nargs="+", help="ours alone, on so many documents each")
    parser.add_argument("--methods", nargs="+", default=[*OURS, *PEERS], choices=[*OURS, *PEERS])
    parser.add_argument("--venv", type=Path, help="an environment that holds bench/judge/peers.txt")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, help="where documents are put meanwhile (about 7 kB each)")
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours is not None:
        return ours(options.ours)
    if not options.files:
        parser.error("name the files whose words the documents are made of")
    source = read_source(options.files)
    return linear(source, options) if options.linear else compare_all(source, options)


if __name__ == "__main__":
    main()
