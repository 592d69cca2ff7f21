"""What decontamination flags, to be read by eye.

    python bench/judge/contamination.py gsm8k/train.jsonl --packs gsm8k/test.jsonl math500/test.jsonl

Prints how many questions (and their own solutions) of the first file hold a question of the packs, by reason; each
flagged question with the one that it matches; and what a rule would flag that takes any common run of 8 or 13 words.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

from tasks.judge.contamination import Evaluation, check_contamination  # noqa: E402
from tasks.judge.finding import Trace  # noqa: E402
from tasks.judge.packs import read_packs  # noqa: E402
from tasks.judge.policy import JudgePolicy  # noqa: E402
from tasks.judge.words import Index, runs, split, words  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--packs", nargs="+", type=Path, required=True)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.file.read_text(encoding="utf-8").splitlines()]
    evaluation, policy = Evaluation(read_packs(options.packs)), JudgePolicy()
    items = {evaluation.named(n): pack.questions[at] for n, (pack, at) in enumerate(evaluation.items)}
    traces = [
        Trace(str(n), "ok", "stop", "", row["answer"], None, "none", None, row["question"])
        for n, row in enumerate(rows, 1)
    ]
    evaluation.in_question("what is this")  # the index is made once
    began = time.process_time()
    found = [(trace, check_contamination(trace, policy, evaluation)) for trace in traces]
    spent = time.process_time() - began
    print(f"{len(rows):,} rows, {len(items):,} evaluation questions, {1e6 * spent / len(rows):.0f} us a row\n")
    for size in (8, 13):
        known = Index(np.unique(runs(split(pa.array(items.values(), pa.large_string())), size).hashes))
        any_run = sum(len(known.met(words(row["question"]), size)) > 0 for row in rows)
        print(f"any run of {size} words: {any_run}")
    print(dict(Counter(finding.reason for _, finding in found if finding.reason)))
    for trace, finding in found:
        if finding.reason:
            print(f"\n{options.file.name}:{trace.trace_id} {finding.reason}: {finding.details}\n  {trace.question}")
            print(f"  = {items[str(finding.signal['item'])]}")


if __name__ == "__main__":
    main()
