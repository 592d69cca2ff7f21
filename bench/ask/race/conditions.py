"""What is raced: the account's policy, the scenarios, the configurations. Pure.

The account charges as OpenAI documents (max(max_tokens, characters / 4) up front, no refund, a refused request costs a
request), in a quantum of 2 s. Tokens bind at 12.8 rows/s; requests are a sixtieth of tokens, as in the small account of
the preset `openai`, so that what refused requests cost seldom binds. An answer takes 0 to 3 s and has 20 to 300 tokens,
both drawn from the prompt, so that every client faces the same job.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ROWS_PER_S = 12.8
MAX_TOKENS = 384
LATENCY_S = 1.5
QUANTUM_S = 2.0
WARM_UP_S = 8.0
MODEL = "simulated-teacher"


@dataclass(frozen=True)
class Scenario:
    """One scenario of the simulated teacher, how long it is sent to, and how much of that the account allows."""

    name: str
    least_seconds: float
    """Of sending, that it needs to show anything; 0: as long as is wished."""
    is_main: bool
    """One of the three that are repeated."""
    max_tokens: int = MAX_TOKENS
    distorts_latency: bool = False
    """The time of an answer is not what its prompt says: no overhead can be told."""
    is_stated: bool = True
    """Our registry entry states the limits, as the peers are told them; a stated limit is never exceeded, so that one
    that rises is found by headers alone."""

    def seconds(self, wished: float) -> float:
        return max(wished, self.least_seconds)

    def rows(self, wished: float) -> int:
        """As many as the account allows in that time."""
        return math.floor(ROWS_PER_S * self._full_seconds(self.seconds(wished)))

    def _full_seconds(self, seconds: float) -> float:
        """Seconds of the whole limit that the scenario leaves of so many."""
        changed = max(0.0, seconds - 20.0)
        factor = {"halved": 0.5, "doubled": 2.0}.get(self.name, 1.0)
        if self.name == "tenant":
            return seconds - 0.3 * min(changed, 30.0)
        if self.name == "storm":
            return seconds - min(changed, 10.0)
        return seconds - changed + factor * changed

    @property
    def tokens_per_minute(self) -> int:
        return round(ROWS_PER_S * 60 * self.max_tokens)


REQUESTS_PER_MINUTE = round(ROWS_PER_S * 60 * MAX_TOKENS / 60)
CONCURRENCY = math.ceil(ROWS_PER_S * LATENCY_S)
"""In flight at the full rate in the mean (Little's law): what a peer without limits a minute is told to keep."""

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("steady", 0, True),
        Scenario("halved", 45, True),
        Scenario("paid-then-reset", 0, True),
        Scenario("doubled", 35, False, is_stated=False),
        Scenario("tenant", 60, False),
        Scenario("errors", 0, False),
        Scenario("stalls", 0, False, distorts_latency=True),
        Scenario("storm", 45, False),
        Scenario("classes", 0, False, max_tokens=1024),
    )
}


@dataclass(frozen=True)
class Configuration:
    """A client and how it is set; `peer` is empty for ours."""

    name: str
    peer: str = ""
    settings: str = ""
    workers: int = 0


PEERS = ("curator", "openai", "litellm", "distilabel", "data_designer")
CONFIGURATIONS = {
    one.name: one
    for one in (
        *(Configuration(f"ours-{workers}", workers=workers) for workers in (1, 2, 4, 8)),
        *(Configuration(f"{peer}-{way}", peer, way) for peer in PEERS for way in ("default", "best")),
    )
}


def switches(scenario: Scenario, seed: int) -> dict[str, object]:
    """The simulated teacher's flags. Of `classes`, the lengths are the scenario's own."""
    lengths: dict[str, object] = {} if scenario.name == "classes" else {
        "filler_tokens": 120, "filler_distribution": "uniform", "filler_drawn_per": "prompt",
    }  # fmt: skip
    return {
        "preset": "openai",
        "scenario": scenario.name,
        "seed": seed,
        "rpm": REQUESTS_PER_MINUTE,
        "tpm": scenario.tokens_per_minute,
        "burst_seconds": QUANTUM_S,
        "latency": LATENCY_S,
        "latency_distribution": "uniform",
        **lengths,
    }
