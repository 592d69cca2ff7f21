"""How often the verifiers are right about right answers in other forms, and about near misses.

    python bench/judge/answers.py --gsm8k gsm8k/train.jsonl gsm8k/test.jsonl --math math500/test.jsonl

gsm8k: the worked solution less its `####` line, with the answer put in other forms (boxed, in a sentence, as money, as
a fraction, with a unit ...), checked by `numeric`; near misses are the same forms of an answer that is off by a little.
MATH: the solution itself by `math`, its answer re-written into equals, and into unequals. Prints a table, and with
`--show` the first failures of each form.
"""

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from tasks.judge.check import Check  # noqa: E402
from tasks.judge.verify import verify  # noqa: E402

Form = Callable[[str], str]


def _decimal(number: str) -> Decimal:
    return Decimal(number.replace(",", ""))


def _grouped(number: str) -> str:
    return f"{_decimal(number):,}"


def _fraction(number: str) -> str:
    value = Fraction(_decimal(number)) * 3
    return rf"\frac{{{value.numerator}}}{{{3 * value.denominator}}}"


FORMS: dict[str, Form] = {
    "boxed": lambda n: rf"Therefore the answer is $\boxed{{{n}}}$.",
    "boxed, grouped": lambda n: rf"\[\boxed{{{_grouped(n).replace(',', '{,}')}}}\]",
    "bold": lambda n: f"**{n}**",
    "Answer:": lambda n: f"Answer: {n}",
    "final answer, bold": lambda n: f"**Final Answer:** {n}.",
    "sentence": lambda n: f"So the answer is {_grouped(n)}.",
    "sentence with a unit": lambda n: f"The final answer is {_grouped(n)} apples.",
    "money": lambda n: f"The answer is ${_decimal(n):,.2f}.",
    "decimal": lambda n: f"Answer: {_decimal(n):.2f}",
    "fraction": lambda n: rf"The answer is $\boxed{{{_fraction(n)}}}$",
    "equation": lambda n: rf"\boxed{{x = {n}}}",
    "boxed with a unit": lambda n: rf"\boxed{{{n} \text{{ miles}}}}",
    "percent": lambda n: rf"\boxed{{{n}\%}}",
    "####": lambda n: f"#### {n}",
}
MISSES: dict[str, Callable[[Decimal, random.Random], Decimal]] = {
    "off by one": lambda n, draws: n + draws.choice((1, -1)),
    "a digit too many": lambda n, draws: n * 10 + draws.randrange(1, 10),
    "ten times": lambda n, draws: n * 10 if n else Decimal(10),
    "opposite": lambda n, draws: -n if n else Decimal(1),
    "half more": lambda n, draws: n + Decimal("0.5"),
}


def gsm8k(paths: list[Path]) -> Iterator[tuple[str, str]]:
    """Worked solutions less their last line, with their answers."""
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            steps, _, answer = json.loads(line)["answer"].partition("\n####")
            yield re.sub(r"<<[^>]*>>", "", steps), answer.strip()


EQUALS: dict[str, Form] = {
    "its own solution's box": lambda a: rf"Hence \(\boxed{{{a}}}\).",
    "dollars": lambda a: f"The final answer is ${a}$.",
    "dfrac": lambda a: rf"\boxed{{{a.replace(chr(92) + 'frac', chr(92) + 'dfrac')}}}",
    "without left and right": lambda a: rf"\boxed{{{a.replace(chr(92) + 'left', '').replace(chr(92) + 'right', '')}}}",
    "spaced": lambda a: rf"\boxed{{ {a.replace('+', ' + ').replace('=', ' = ')} }}",
}


def _unequal(answer: str) -> str | None:
    """The answer with its last number one higher; None where there is no number in it."""
    numbers = list(re.finditer(r"\d+", answer))
    if not numbers:
        return None
    last = numbers[-1]
    return f"{answer[: last.start()]}{int(last[0]) + 1}{answer[last.end() :]}"


class Table:
    def __init__(self, show: int) -> None:
        self._show = show
        print("| form | answers | right verdicts | share | undecided | checks/s |\n|---|---:|---:|---:|---:|---:|")

    def row(self, form: str, checks: list[tuple[Check, bool, str]], seconds: float) -> None:
        wrong = [(check, text) for check, expected, text in checks if (check.score is None) or check.right != expected]
        undecided = sum(check.score is None for check, _, _ in checks)
        good = len(checks) - len(wrong)
        share = f"{good / len(checks):.2%}"
        print(f"| {form} | {len(checks)} | {good} | {share} | {undecided} | {len(checks) / seconds:,.0f} |", flush=True)
        for check, text in wrong[: self._show]:
            print(f"    {check.code or 'wrong verdict'}: {check.details} <- {text[-100:]!r}")


def timed(verifier: str, given: list[tuple[str, str, bool]]) -> tuple[list[tuple[Check, bool, str]], float]:
    began = time.perf_counter()
    checks = [(verify(verifier, text, reference), expected, text) for text, reference, expected in given]
    return checks, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gsm8k", nargs="*", type=Path, default=[])
    parser.add_argument("--math", nargs="*", type=Path, default=[])
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--show", type=int, default=0)
    options = parser.parse_args()
    draws, table, rows = random.Random(options.seed), Table(options.show), list(gsm8k(options.gsm8k))
    if rows:
        for name, form in FORMS.items():
            table.row(name, *timed("numeric", [(f"{steps}\n{form(answer)}", answer, True) for steps, answer in rows]))
        for name, miss in MISSES.items():
            given = []
            for steps, answer in rows:
                wrong = str(miss(_decimal(answer), draws))
                given.append((f"{steps}\n{draws.choice(list(FORMS.values()))(wrong)}", answer, False))
            table.row(f"near miss: {name}", *timed("numeric", given))
    known = [json.loads(line) for path in options.math for line in path.read_text(encoding="utf-8").splitlines()]
    if known:
        table.row("MATH: its solution", *timed("math", [(row["solution"], row["answer"], True) for row in known]))
        for name, form in EQUALS.items():
            table.row(f"MATH: {name}", *timed("math", [(form(row["answer"]), row["answer"], True) for row in known]))
        unequal = [(rf"\boxed{{{other}}}", row["answer"], False) for row in known if (other := _unequal(row["answer"]))]
        table.row("MATH: last number one higher", *timed("math", unequal))


if __name__ == "__main__":
    main()
