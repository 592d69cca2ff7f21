"""How many different answers a second the verifier `math` checks, where 5 % of them go to sympy; beside math-verify.

    python bench/judge/answer_speed.py math500/test.jsonl

The pairs are MATH's answers with other numbers in them, put in the forms of `answers.py`, equal and unequal; none
occurs twice; some that are equal are written so that it takes mathematics to see it. Exactly `--share` of them are ones
that text and plain numbers do not decide: math-verify is asked.
Prints checks a second of one process and of two (each has a checker process of its own, which works while it waits),
and of plain math-verify (its `parse` and `verify` with default settings, no process in between) on a sample of the same
pairs, all of them and those for sympy alone, and on how many of the pairs for sympy the two disagree. All are warmed
with other pairs first. CPU seconds are those of all processes, and count on a machine that is busy with other things.
"""

import argparse
import json
import multiprocessing
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

import math_verify  # noqa: E402
from answers import EQUALS  # noqa: E402

from tasks.judge.verify import ForSympy, by_text, verify  # noqa: E402

Pair = tuple[str, str]


SAME: tuple[Callable[[str], str], ...] = (
    lambda term: rf"\frac{{3({term})}}{{3}}",
    lambda term: f"{term} + 2 - 2",
    lambda term: f"-(0 - ({term}))",
    lambda term: re.sub(r"\\sqrt\{(\d+)\}", r"\\frac{\\sqrt{4 \\cdot \1}}{2}", term),
)
"""The same value, written so that it takes mathematics to see it."""
_NO_TERM = re.compile(r"[,=<>_%]|\\(?:in|cup|pm|text|begin|left|circ|infty|mbox|cdots)|[A-Za-z]{3,}\s|^\(|^\d+$")


def pairs(known: list[str], draws: random.Random) -> Iterator[Pair]:
    """Answers and references, half of them unequal, each pair once."""
    seen = set()
    while True:
        gold = _other_numbers(draws.choice(known), draws)
        said = gold if draws.random() < 0.5 else _other_numbers(gold, draws)
        if draws.random() < 0.2 and not _NO_TERM.search(gold):
            said = draws.choice(SAME)(gold)
        pair = draws.choice(list(EQUALS.values()))(said), gold
        if pair not in seen:
            seen.add(pair)
            yield pair


def _other_numbers(text: str, draws: random.Random) -> str:
    return re.sub(r"\d+", lambda found: str(draws.randrange(1, 10 ** len(found[0]))), text)


def mixed(source: Iterator[Pair], count: int, share: float) -> list[Pair]:
    """So many pairs, of which exactly that share goes to sympy; each kind in the order of `source`, spread evenly."""
    wanted = {True: round(count * share), False: count - round(count * share)}
    kinds: dict[bool, list[Pair]] = {True: [], False: []}
    while any(len(kinds[kind]) < wanted[kind] for kind in kinds):
        pair = next(source)
        kinds[isinstance(by_text(*pair), ForSympy)].append(pair)
    rest = iter(kinds[False])
    every = wanted[False] // max(1, wanted[True])
    return [pair for one in kinds[True][: wanted[True]] for pair in (one, *islice(rest, every))]


def checked(given: list[Pair]) -> list[float | None]:
    return [verify("math", answer, reference).score for answer, reference in given]


def plain(given: list[Pair]) -> list[bool]:
    return [math_verify.verify(math_verify.parse(_dollars(gold)), math_verify.parse(said)) for said, gold in given]


def _dollars(gold: str) -> str:
    return f"${gold}$"


def cpu_seconds() -> float:
    """Of this process and of those that it has started and that still run (Linux)."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    stats = [Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split() for child in children]
    return time.process_time() + sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


def _work(warm: list[Pair], given: list[Pair], ready: Any, times: Any) -> None:
    checked(warm)
    ready.wait()
    began, cpu = time.perf_counter(), cpu_seconds()
    checked(given)
    times.put((began, time.perf_counter(), cpu_seconds() - cpu))


def seconds(processes: int, warm: list[Pair], given: list[Pair]) -> tuple[float, float]:
    """Wall from the start of the first to the end of the last of so many processes; CPU of all of them."""
    spawning = multiprocessing.get_context("spawn")
    ready, times = spawning.Barrier(processes), spawning.Queue()
    size = -(-len(given) // processes)  # in stretches: every twentieth pair is for sympy, and must not meet one process
    parts = [given[at : at + size] for at in range(0, len(given), size)]
    workers = [spawning.Process(target=_work, args=(warm, part, ready, times)) for part in parts]
    for worker in workers:
        worker.start()
    spans = [times.get() for _ in workers]
    for worker in workers:
        worker.join()
    return max(end for _, end, _ in spans) - min(began for began, _, _ in spans), sum(cpu for _, _, cpu in spans)


def disagreements(given: list[Pair]) -> int:
    """Pairs for sympy on which plain math-verify, asked with the same LaTeX, says something else."""
    asked = [found for pair in given if isinstance(found := by_text(*pair), ForSympy)]
    theirs = [math_verify.verify(*(math_verify.parse(t) for t in (one.reference, one.answer))) for one in asked]
    ours = [score == 1 for score in checked([pair for pair in given if isinstance(by_text(*pair), ForSympy)])]
    return sum(a != b for a, b in zip(ours, theirs, strict=True))


def row(name: str, count: int, wall: float, cpu: float) -> None:
    print(f"| {name} | {count:,} | {wall:.2f} | {count / wall:,.0f} | {cpu:.2f} | {count / cpu:,.0f} |", flush=True)


def row_of_plain(name: str, given: list[Pair]) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    plain(given)
    row(f"math-verify, 1 process, {name}", len(given), time.perf_counter() - began, time.process_time() - cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--sample", type=int, default=1_000, help="pairs that plain math-verify is given")
    parser.add_argument(
        "--warm", type=int, default=2_000, help="pairs that everybody is given before, a fifth for sympy"
    )
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    known = [json.loads(line)["answer"] for path in options.files for line in path.read_text().splitlines()]
    source = pairs(known, random.Random(options.seed))
    warm, given = mixed(source, options.warm, 0.2), mixed(source, options.pairs, options.share)
    for_sympy = [pair for pair in given if isinstance(by_text(*pair), ForSympy)]
    print(f"{len(given):,} different pairs, {len(for_sympy) / len(given):.1%} of them for sympy\n")
    print("| what | checks | s | checks/s | CPU s | checks/CPU s |\n|---|---:|---:|---:|---:|---:|")
    for processes in options.processes:
        row(f"`math`, processes: {processes}", len(given), *seconds(processes, warm, given))
    row("`math`, processes: 1, those for sympy", len(for_sympy), *seconds(1, warm, for_sympy))
    plain(warm[: options.warm // 4])
    row_of_plain("all", given[: options.sample])
    compared = for_sympy[: options.sample // 5]
    row_of_plain("those for sympy", compared)
    print(f"\nof {len(compared):,} pairs for sympy, `math` and math-verify disagree on {disagreements(compared)}")


if __name__ == "__main__":
    main()
