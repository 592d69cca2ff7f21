"""How much of a teacher's budget is used, and how many 429s that costs, with 1, 2, 4 and 8 workers.

By the referee's count. Every account is drawn by a seed: its rule of charging, its rates, the quantum over which it
enforces them, its latency and the prompts' max_tokens. Rates are such that one core's worth of asking would do. The
pool knows the charge rule and the rates, as a registry entry states them, and for the rows marked `unknown` not the
quantum, which is then half of what is assumed. `used` is what the provider's rule charged of what its rate gave, after
a warm-up and before the last answers, of the dimension that binds.

    python bench/ask/budget_used.py --accounts 3 --seed 2026
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ground import local_ray, machine  # sets the switches that others read when they are imported

# isort: split
from asking import batches_of, call_of, teacher_at
from simulated import SimulatedTeacher

from tasks.ask.authority import Progress
from tasks.ask.batch import ask_all
from tasks.ask.spend import Ceiling
from warehouse.layout import DataRoot

RULES = {
    "max_of": {"charge": "max_of"},
    "sum": {"charge": "sum"},
    "as_produced": {"charge": "actual", "output_charged": "as_produced", "headers": "anthropic"},
}
WARM_UP_S = 10.0


@dataclass(frozen=True)
class Account:
    """One provider's account, as drawn."""

    rule: str
    rows_per_s: float
    """That its rates allow."""
    quantum_s: float
    latency_s: float
    max_tokens: int
    is_tokens: bool
    """Tokens bind, not requests."""
    quantum_known: bool

    @classmethod
    def drawn(cls, rng: random.Random, quantum_known: bool) -> Account:
        return cls(
            rule=rng.choice(sorted(RULES)),
            rows_per_s=round(rng.uniform(8, 60), 1),
            quantum_s=rng.choice([1.0, 2.0, 5.0, 10.0]) if quantum_known else 0.5,
            latency_s=round(rng.uniform(0.3, 4.0), 1),
            max_tokens=rng.choice([128, 256, 512]),
            is_tokens=rng.random() < 0.5,
            quantum_known=quantum_known,
        )

    @property
    def switches(self) -> dict[str, object]:
        return {
            **RULES[self.rule],
            "burst_seconds": self.quantum_s,
            "latency": self.latency_s,
            "latency_distribution": "uniform",
            **{name: per_minute for name, per_minute in self.rates},
        }

    @property
    def rates(self) -> list[tuple[str, float]]:
        """Per minute; what does not bind is twice as much. An answer has about 45 tokens, a prompt 16."""
        per_row = {"max_of": self.max_tokens, "sum": self.max_tokens + 18, "as_produced": 63}[self.rule]
        rpm = round(self.rows_per_s * 60 * (2 if self.is_tokens else 1))
        return [("rpm", rpm), ("tpm", round(self.rows_per_s * 60 * per_row * (1 if self.is_tokens else 2)))]

    @property
    def quota(self) -> dict[str, object]:
        rates = dict(self.rates)
        return {"requests_per_minute": rates["rpm"], "tokens_per_minute": rates["tpm"], "charge": self.rule}


@dataclass(frozen=True)
class Measured:
    workers: int
    rows: int
    used: float
    binding: str
    refused_after_warm_up: int
    refused: int
    useful_tokens_per_minute: float


async def measure(root: DataRoot, account: Account, workers: int, options: argparse.Namespace, run_id: str) -> Measured:
    rows = round(account.rows_per_s * options.seconds)
    with SimulatedTeacher(**account.switches) as teacher:
        call = call_of(root, teacher_at(teacher.base_url, **account.quota), run_id, dataset=run_id)
        size = options.batch_rows
        batches = batches_of(root.scratch(run_id), -(-rows // size), size, account.max_tokens)
        began: list[float] = []

        async def see(progress: Progress) -> None:
            if progress.counters.sent and not began:
                began.append(float(teacher.call("GET", "/referee/clock")[1]["now"]))

        done = await ask_all(root, batches, {"simulated": call}, Ceiling(), workers, lambda: datetime.now(UTC), see)
        start, end = began[0] + WARM_UP_S, began[0] + options.seconds - 2.0
        report = teacher.call("GET", f"/referee/budget?from={start}&to={end}&at={start}")[1]
        answered = sum(batch.answered for batch in done)
        assert answered == len(batches) * size, f"{answered} of {len(batches) * size} rows"
        return Measured(
            workers=workers,
            rows=answered,
            used=report["used"],
            binding=report["binding"],
            refused_after_warm_up=report["refused_after"],
            refused=sum(teacher.referee()["refused_429"].values()),
            useful_tokens_per_minute=60 * report["output_tokens"] / (end - start),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=3, help="of known quantum; half as many more of unknown")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--seconds", type=float, default=45.0, help="of sending, the warm-up of 10 s included")
    parser.add_argument("--batch-rows", type=int, default=200)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    options = parser.parse_args()
    rng = random.Random(options.seed)
    known = [Account.drawn(rng, quantum_known=True) for _ in range(options.accounts)]
    accounts = known + [Account.drawn(rng, quantum_known=False) for _ in range(-(-options.accounts // 2))]
    print(f"{machine()}\n")
    print(
        "| charge | rows/s | binds | quantum s | latency s | workers | rows | used |"
        " useful tokens/min | 429s after warm-up | in all |"
    )
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as folder, local_ray():
        for number, account in enumerate(accounts):
            for workers in options.workers:
                run_id = f"a{number}-w{workers}"
                root = DataRoot(Path(folder) / run_id).create()
                found = asyncio.run(measure(root, account, workers, options, run_id))
                quantum = f"{account.quantum_s:g}" if account.quantum_known else "unknown (0.5)"
                print(
                    f"| {account.rule} | {account.rows_per_s:g} | {found.binding} | {quantum} | {account.latency_s:g} |"
                    f" {workers} | {found.rows} | {found.used:.3f} |"
                    f" {found.useful_tokens_per_minute:.0f} | {found.refused_after_warm_up} | {found.refused} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
