"""What the row-wise rules say of people's own solutions, where they should say nothing; and what each costs.

    python bench/judge/false_positives.py gsm8k/train.jsonl gsm8k/test.jsonl math500/test.jsonl

Each file is JSON lines with `question` and `answer`, or `problem` and `solution`. Prints, for each rule, how many texts
it finds fault with, its CPU a text, and every finding.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from tasks.judge.finding import Trace  # noqa: E402
from tasks.judge.policy import JudgePolicy  # noqa: E402
from tasks.judge.rules import RULES  # noqa: E402

NAMES = (("question", "answer"), ("problem", "solution"))


def traces(path: Path) -> Iterator[Trace]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        row = json.loads(line)
        question, answer = next((q, a) for q, a in NAMES if q in row and a in row)
        known = (None, "none", None, row[question])
        yield Trace(f"{path.parent.name}/{path.name}:{number}", "ok", "stop", "", row[answer], *known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    policy, seconds, found = JudgePolicy(), defaultdict[str, float](float), defaultdict[str, list[str]](list)
    texts = [trace for path in options.files for trace in traces(path)]
    for trace in texts:
        for rule in RULES:
            began = time.process_time()
            finding = rule.check(trace, policy)
            seconds[rule.name] += time.process_time() - began
            if finding.outcome != "pass":
                found[rule.name].append(f"{trace.trace_id}: {finding.reason}: {finding.details}")
    print(f"{len(texts):,} texts\n\n| rule | finds fault with | us a text |\n|---|---:|---:|")
    for rule in RULES:
        print(f"| {rule.name} | {len(found.get(rule.name, ()))} | {1e6 * seconds[rule.name] / len(texts):.0f} |")
    for lines in found.values():
        print("\n".join(lines))


if __name__ == "__main__":
    main()
