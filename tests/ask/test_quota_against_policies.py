"""The budget core and the leases, in virtual time, against every policy that the referee keeps."""

import random
from typing import Any

import pytest
from virtual_asking import Virtual

from infra.simulated_teacher.switches import preset
from tasks.ask.exchange import Charging, Limits
from tasks.ask.providers import provider_named
from tasks.ask.quota import Pool

WARM, END = 10.0, 70.0


def account(name: str, is_stated: bool = True, **more: Any) -> Virtual:
    """A provider's preset, its rates stated as a registry entry would, or left to be learned."""
    provider = provider_named(more.pop("provider", name))
    switches = preset(name).changed(more.pop("switches", {}))
    rates = {"requests": switches.rpm, "tokens": switches.tpm, "input_tokens": switches.itpm,
             "output_tokens": switches.otpm, "requests_per_day": switches.rpd}  # fmt: skip
    stated = Limits({key: value for key, value in rates.items() if value}, switches.concurrency or None)  # type: ignore[misc]
    charging = Charging(
        more.pop("rule", provider.charge), provider.burst_s, 0.0, provider.cached_free, windows_s=provider.windows_s
    )
    return Virtual(switches, stated if is_stated else Limits(), charging, provider.name, **more)


def binding(run: Virtual, start: float, end: float) -> float:
    """Of the dimension that binds, the share that was used; an answer has 100 tokens on average."""
    admitted = sum(1 for at in run.sent if start <= at < end)
    per_row = {"max_of": 256, "sum": 306, "actual": 150}[run.switches.charge]
    switches, span = run.switches, (end - start) / 60
    shares = [admitted / (switches.rpm * span)] if switches.rpm else []
    shares += [admitted * per_row / (switches.tpm * span)] if switches.tpm else []
    shares += [admitted * 50 / (switches.itpm * span)] if switches.itpm else []
    shares += [admitted * 100 / (switches.otpm * span)] if switches.otpm else []
    return max(shares) / switches.limit_factor


def drawn(seed: int, **more: Any) -> dict[str, Any]:
    rng = random.Random(seed)
    return {
        "rpm": rng.uniform(300, 6000),
        "tpm": rng.uniform(80_000, 1_500_000),
        "latency": rng.uniform(0.2, 8.0),
        **more,
    }


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
@pytest.mark.parametrize("quantum_s", [0.5, 1.0, 2.0, 10.0])
def test_what_is_reserved_at_the_start_is_used_to_98_percent_without_a_429(workers: int, quantum_s: float) -> None:
    """The pool takes the quantum for a second; the shortest here is half of that."""
    for seed in (workers, 100 + workers):
        switches = drawn(seed, burst_seconds=quantum_s, charge=random.Random(seed).choice(["max_of", "sum"]))
        run = account("openai", switches=switches, workers=workers, seed=seed, rule=switches["charge"])
        run.run(END)
        assert run.refused == []
        assert binding(run, WARM, END) >= 0.98


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_what_is_charged_as_it_is_produced_is_used_to_96_percent_without_a_429(workers: int) -> None:
    """How much an answer takes is known only afterwards, and so is the mean that answers are charged at."""
    switches = drawn(workers, tpm=0.0, itpm=5e6, otpm=random.Random(workers).uniform(60_000, 900_000))
    run = account("anthropic", switches=switches, workers=workers, seed=workers)
    run.run(END)
    assert run.refused == []
    assert 0.96 <= binding(run, WARM, END) <= 1.0


@pytest.mark.parametrize("workers", [1, 8])
def test_fixed_windows_are_never_overrun_wherever_they_begin(workers: int) -> None:
    switches = drawn(workers, rpm=360.0, tpm=60_000.0)
    run = account("azure", switches=switches, workers=workers, seed=workers, late_s=0.2)
    run.run(END)
    assert run.refused == []
    assert binding(run, WARM, END) >= 0.94


@pytest.mark.parametrize("name", ["groq", "cerebras", "openai", "azure"])
def test_a_small_account_is_used_without_a_429(name: str) -> None:
    run = account(name, workers=4)
    run.run(END)
    assert run.refused == []
    assert binding(run, WARM, END) >= 0.95


def test_a_cap_on_requests_in_flight_is_filled_and_never_passed() -> None:
    run = account("deepseek", workers=4)
    run.run(30.0)
    assert run.refused == [] and run.most_in_flight == 500
    learned = account("deepseek", is_stated=False, workers=4)
    learned.run(END)
    assert 0 < len(learned.refused) <= 0.003 * len(learned.sent), "only what was in flight when the cap was met"


STEADY = {"burst_seconds": 1.0, "rpm": 3000.0, "tpm": 2e6, "latency": 2.0}


@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("is_stated", [True, False])
def test_a_halved_limit_is_kept_from_the_first_response_that_tells_it(workers: int, is_stated: bool) -> None:
    run = account("openai", is_stated=is_stated, switches=STEADY, workers=workers)
    run.run(30.0)
    run.change(limit_factor=0.5)
    run.run(40.0)
    assert run.refused_between(31.0, END) == 0
    assert run.used(40.0, 70.0) >= 0.98


@pytest.mark.parametrize("workers", [1, 8])
def test_a_doubled_limit_is_used_within_five_seconds(workers: int) -> None:
    run = account("openai", is_stated=False, switches=STEADY, workers=workers)
    run.run(30.0)
    run.change(limit_factor=2.0)
    run.run(10.0)
    assert run.refused_between(5.0, 40.0) == 0
    assert run.used(35.0, 40.0) >= 0.98


@pytest.mark.parametrize("workers", [1, 8])
def test_a_second_tenant_is_given_its_share(workers: int) -> None:
    run = account("openai", switches=STEADY, workers=workers)
    run.run(30.0)
    run.change(tenant_share=0.3)
    run.run(60.0)
    assert run.refused_between(30.0, 90.0) <= 10, "of some two thousand requests"
    assert 0.65 <= run.used(60.0, 90.0) <= 0.71


@pytest.mark.parametrize("workers", [1, 8])
def test_a_killed_authority_costs_less_than_two_seconds_of_budget(workers: int) -> None:
    """It is away for 1.5 s; workers go on at half their pace, and the new one waits for what the old one granted."""
    run = account("openai", switches=STEADY, workers=workers)
    run.run(30.0)
    known, run.is_authority_lost = run.pool.state(run.now), True
    run.run(1.5)
    run.pool = Pool(run.stated, run.now, random.Random(1), run.charging)
    run.pool.restore(known, run.now)
    run.is_authority_lost = False
    run.run(38.5)
    assert run.refused == []
    assert (1.0 - run.used(30.0, 40.0)) * 10.0 <= 2.0 + 0.1, "0.1 s is the safety margin over ten seconds"
    assert run.used(40.0, 70.0) >= 0.98
