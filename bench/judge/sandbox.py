"""How many snippets a second one core runs in the sandboxes that hold on this machine.

A snippet is a function of a few lines with five assertions; a program is started once for each of five cases. By the
clock, and by the CPU time of everything that took part (judge, server, children), which is what a core can do where the
machine does other things too.

    python bench/judge/sandbox.py --snippets 500
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tasks.judge.code_answer import check_code
from tasks.judge.sandbox import CANDIDATES, Candidate, Sandbox

FUNCTION = """```python
from collections import Counter

def most_common(words):
    counts = Counter(words)
    best = max(counts.values(), default=0)
    return sorted(word for word, count in counts.items() if count == best)
```"""
ASSERTIONS = "\n".join(f"assert most_common(['a'] * {n} + ['b'] * {n} + ['c']) == ['a', 'b']" for n in range(2, 7))
PROGRAM = "```python\nn, *rest = map(int, input().split())\nprint(sum(rest) * n)\n```"
CASES = [{"stdin": f"{n} 1 2 3\n", "stdout": f"{6 * n}\n"} for n in range(5)]
KINDS = {"function, 5 assertions": (FUNCTION, ASSERTIONS, 1), "program, 5 cases": (PROGRAM, CASES, 5)}


def cpu_s() -> float:
    """Of this process and of all that it has waited for."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def measure(candidate: Candidate, kind: str, snippets: int) -> str:
    answer, tests, starts = KINDS[kind]
    metadata = json.dumps({"tests": tests})
    sandbox = Sandbox([candidate])
    first = check_code(answer, metadata, sandbox)
    if first.code == "no_sandbox":
        return f"| {candidate.name} | {kind} | does not hold here: {first.details.rsplit(': ', 1)[-1][:80]} | | |"
    began_s, began_cpu_s = time.perf_counter(), cpu_s()
    for _ in range(snippets):
        assert check_code(answer, metadata, sandbox).score == 1
    wall_s = time.perf_counter() - began_s
    server = sandbox._server
    assert server is not None and server._process.stdin is not None
    server._process.stdin.close()  # it ends by itself, so that its time is counted
    server._process.wait()
    used_s = cpu_s() - began_cpu_s
    row = f"| {candidate.name} | {kind} | {snippets / wall_s:.0f} |"
    if candidate.how == "bubblewrap":  # it does not wait for what it started, so its time is in no count
        return f"{row} not counted | |"
    return f"{row} {snippets / used_s:.0f} | {used_s / snippets / starts * 1000:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snippets", type=int, default=500)
    snippets = parser.parse_args().snippets
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f} before\n")
    print("| sandbox | snippet | snippets/s by the clock | snippets/s/core by CPU time | CPU ms a start |")
    print("|---|---|---:|---:|---:|")
    for candidate in CANDIDATES:
        for kind in KINDS:
            print(measure(candidate, kind, snippets if KINDS[kind][2] == 1 else snippets // 5), flush=True)


if __name__ == "__main__":
    main()
