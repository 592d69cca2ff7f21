"""What the row-wise rules say of people's own solutions, where they should say nothing; and what each costs.

    python bench/judge/false_positives.py gsm8k/train.jsonl gsm8k/test.jsonl math500/test.jsonl

Each file is JSON lines with `question` and `answer`, or `problem` and `solution`. Prints, for each rule, how many texts
it finds fault with, its CPU a text (the least of `--repeats`), and every finding. `--as-reasoning` takes the solution
for the reasoning and its final answer (of MATH the column `answer`) for the answer, so that the two are compared.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from tasks.judge.finding import Finding, Rule, Trace  # noqa: E402
from tasks.judge.policy import JudgePolicy  # noqa: E402
from tasks.judge.rules import RULES  # noqa: E402

NAMES = (("question", "answer"), ("problem", "solution"))


def traces(path: Path, as_reasoning: bool) -> Iterator[Trace]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        row = json.loads(line)
        question, answer = next((q, a) for q, a in NAMES if q in row and a in row)
        solution, final = row[answer], row["answer"].rpartition("####")[2].strip()
        verifier = ("numeric" if answer == "answer" else "math") if as_reasoning else "none"
        reasoning, text = (solution, final) if as_reasoning else ("", solution)
        where = f"{path.parent.name}/{path.name}:{number}"
        yield Trace(where, "ok", "stop", reasoning, text, None, verifier, None, row[question])


def timed(rule: Rule, trace: Trace, policy: JudgePolicy, repeats: int) -> tuple[Finding, float]:
    """What a rule says, and its CPU seconds at best; the first time it may also have to measure words and tokens."""
    spent = []
    for _ in range(repeats):
        began = time.process_time()
        finding = rule.check(trace, policy)
        spent.append(time.process_time() - began)
    return finding, min(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--as-reasoning", action="store_true")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--rules", nargs="+", choices=[rule.name for rule in RULES], help="these alone")
    options = parser.parse_args()
    policy, seconds, found = JudgePolicy(), defaultdict[str, float](float), defaultdict[str, list[str]](list)
    rules = [rule for rule in RULES if not options.rules or rule.name in options.rules]
    texts = [trace for path in options.files for trace in traces(path, options.as_reasoning)]
    for trace in texts:
        for rule in rules:
            finding, spent = timed(rule, trace, policy, options.repeats)
            seconds[rule.name] += spent
            if finding.outcome != "pass":
                found[rule.name].append(f"{trace.trace_id}: {finding.reason}: {finding.details}")
    print(f"{len(texts):,} texts\n\n| rule | finds fault with | us a text |\n|---|---:|---:|")
    for rule in rules:
        print(f"| {rule.name} | {len(found.get(rule.name, ()))} | {1e6 * seconds[rule.name] / len(texts):.0f} |")
    for lines in found.values():
        print("\n".join(lines))


if __name__ == "__main__":
    main()
