"""The rules against the simulated teacher's planted faults: recall and precision of each, with counts.

    python bench/judge/planted.py --rows 20000

Row-wise rules judge sums of three numbers, each fault planted in 5 % of them. Duplicates: eight samples of each prompt,
some of them an exact or a near copy of another; the truth is the exact Jaccard of word 5-grams, by Python's sets.
Vote: the same prompts without their references, 20 % of the answers wrong. Seeded; the policy is the default one.
"""

import argparse
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import duckdb  # noqa: E402
import pyarrow as pa  # noqa: E402
from judge.planted import CAUGHT_BY, Tally, judged, tally  # noqa: E402
from judge.sums import reply_to, sums  # noqa: E402

import flows  # noqa: E402, F401  (sets the switches that Ray reads when it is imported)
from infra.simulated_teacher.faults import Reply  # noqa: E402
from infra.simulated_teacher.switches import Switches  # noqa: E402
from tasks.judge.chunk import as_bytes, put_judged  # noqa: E402
from tasks.judge.policy import JudgePolicy  # noqa: E402
from tasks.judge.rows import CARRIED, INPUTS, judge_rows  # noqa: E402
from tasks.judge.together import judge_together  # noqa: E402

SAMPLES = 8
_WORD = re.compile(r"[a-z0-9]+|[-+*/=<>^%]")
_HELD = "create temp table held (trace_id varchar, reason varchar, rule varchar, rule_version int, details varchar)"


def main() -> None:
    import ray

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    options = parser.parse_args()
    rows = judged(options.rows)
    clean = [row for row in rows if not row.planted]
    print("| fault | found by | planted | caught | recall | said | rightly | precision |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for fault, reason in CAUGHT_BY.items():
        told(fault, reason, tally(rows, fault))
    with ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False):
        told("copies, exact and near", "exact_duplicate, near_duplicate", duplicates(options.rows // SAMPLES))
        told("wrong answers, no reference", "outvoted", votes(options.rows // SAMPLES))
    wrongly = sum(row.found != {"None"} for row in clean)
    print(f"\nNothing was planted in {len(clean):,} rows; rules found something in {wrongly} of them.")


def told(fault: str, reason: str, found: Tally) -> None:
    print(
        f"| {fault.replace('_', ' ')} | {reason} | {found.planted:,} | {found.caught:,} | {found.recall:.4f} "
        f"| {found.said:,} | {found.rightly:,} | {found.precision:.4f} |"
    )


def samples(prompts: int, switches: Switches) -> Iterator[tuple[str, str, Reply, str]]:
    """Trace, prompt, reply, and the right answer."""
    for prompt, (text, answer) in enumerate(sums(prompts, seed=7)):
        for sample in range(SAMPLES):
            reply = reply_to(text, f"key-{prompt}-{sample}", switches)
            yield f"trace-{prompt:07}-{sample}", f"prompt-{prompt:07}", reply, answer


def last_words(given: Sequence[tuple[str, str, Reply, str]], has_reference: bool) -> dict[str, str]:
    """The reason that the rules which look at all traces give, by trace."""
    rows = [
        dict.fromkeys(CARRIED, trace)
        | {"trace_id": trace, "prompt_id": prompt, "teacher": "t", "outcome": "ok", "finish_reason": "stop"}
        | {"reasoning": reply.reasoning, "answer": reply.content, "verifier": "numeric", "question": prompt}
        | {"reference": answer if has_reference else None}
        for trace, prompt, reply, answer in given
    ]
    inputs = pa.Table.from_pylist([{name: row.get(name) for name in INPUTS.names} for row in rows], schema=INPUTS)
    with tempfile.TemporaryDirectory(prefix="planted-") as folder, duckdb.connect() as connection:
        path = Path(folder) / "judged.parquet"
        put_judged(path, as_bytes(judge_rows(inputs, JudgePolicy())))
        connection.register("traces", inputs)
        connection.execute(_HELD)
        judge_together(connection, [str(path)], JudgePolicy(), Path(folder))
        said = connection.execute("select trace_id, word.reason from last_word where word is not null").fetchall()
    return {trace: reason for trace, reason in said if reason}


def duplicates(prompts: int) -> Tally:
    """Of each cluster of answers to one prompt all but one should go."""
    given = list(samples(prompts, Switches(styles=200, exact_repeats=0.1, near_duplicates=0.15)))
    gone = {trace for trace, reason in last_words(given, True).items() if reason.endswith("_duplicate")}
    by_prompt = defaultdict[str, dict[str, frozenset[tuple[str, ...]]]](dict)
    for trace, prompt, reply, _ in given:
        words = _WORD.findall(f"{reply.reasoning}\n{reply.content}".lower())
        by_prompt[prompt][trace] = frozenset(tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4)))
    wanted = caught = 0
    for sets in by_prompt.values():
        for cluster in clusters(sets):
            wanted += len(cluster) - 1
            caught += min(len(cluster) - 1, len(gone & cluster))
    return Tally(wanted, caught, len(gone), caught)


def clusters(sets: dict[str, frozenset[tuple[str, ...]]]) -> list[set[str]]:
    """Which traces hang together by a Jaccard of 0.8 or more."""
    found = [{trace} for trace in sets]
    for one, other in combinations(sets, 2):
        if len(sets[one] & sets[other]) >= 0.8 * len(sets[one] | sets[other]):
            joined = [cluster for cluster in found if one in cluster or other in cluster]
            found = [cluster for cluster in found if cluster not in joined] + [set().union(*joined)]
    return found


def votes(prompts: int) -> Tally:
    """Answers that a majority of eight samples outvotes, of prompts that elect any."""
    given = list(samples(prompts, Switches(styles=200, wrong_answers=0.2)))
    reasons = last_words(given, False)
    wrong = {trace for trace, _, reply, answer in given if reply.answer != answer}
    elects = {prompt for trace, prompt, _, _ in given if reasons.get(trace) not in ("no_majority", "too_few_votes")}
    counted = {trace for trace, prompt, _, _ in given if prompt in elects and trace in wrong}
    outvoted = {trace for trace, reason in reasons.items() if reason == "outvoted"}
    return Tally(len(counted), len(counted & outvoted), len(outvoted), len(outvoted & wrong))


if __name__ == "__main__":
    main()
