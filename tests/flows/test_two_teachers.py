"""Two teachers in one recipe: each keeps its share, its own limit and its account's own budget."""

from typing import Any

import pytest
from simulated import SimulatedTeacher
from still import Place, sums

pytestmark = [pytest.mark.line, pytest.mark.long]

PRICE = {"usd_per_million_input": 100.0, "usd_per_million_output": 100.0, "as_of": "2026-11-01"}
DEAR = {"usd_per_million_input": 1000.0, "usd_per_million_output": 1000.0, "as_of": "2026-11-01"}
WORST_USD = (400 + 256) * 1000 / 1e6


def billed_usd(teacher: SimulatedTeacher, per_million: float) -> float:
    report = teacher.referee()
    return float((report["prompt_tokens"] + report["completion_tokens"]) * per_million / 1e6)


def by_teacher(place: Place) -> dict[str, dict[str, Any]]:
    rows = place.sql("select teacher, sum(requests)::int as requests, sum(usd) as usd from spend group by teacher")
    return {row["teacher"]: row for row in rows}


def test_each_teachers_limit_and_its_accounts_budget_hold(place: Place) -> None:
    with SimulatedTeacher(concurrency=3) as cheap, SimulatedTeacher(concurrency=2) as dear:
        place.write_teacher(
            cheap.base_url, name="cheap", simulated=True, account="one", price=PRICE, quota={"concurrency": 3}
        )
        place.write_teacher(
            dear.base_url, name="dear", simulated=True, account="two", price=DEAR, quota={"concurrency": 2},
            budget={"usd": 1.5, "requests_per_day": 1000},
        )  # fmt: skip
        recipe = place.write_recipe(sums(200), teachers={"cheap": 0.7, "dear": 0.3}, batch_rows=30)
        first = place.run(recipe)
        assert billed_usd(dear, 1000.0) <= 1.5
        assert 1.5 - billed_usd(dear, 1000.0) < WORST_USD
        refused = [sum(teacher.referee()["refused_429"].values()) for teacher in (cheap, dear)]
        assert refused == [0, 0]
        shares = {row["teacher"]: row["n"] for row in place.sql(
            "select teacher, count(*) as n from wanted group by teacher")}  # fmt: skip
        assert 0.6 * 200 < shares["cheap"] < 0.8 * 200
        funnel = first["funnel"]
        assert funnel["not_asked"] > 0
        assert by_teacher(place)["cheap"]["requests"] == shares["cheap"] + 1, "and its probe"

        answered = dear.referee()["answered"]
        assert place.run(recipe)["asked"] == 0
        other = place.write_recipe(sums(30, seed=5), "other", dataset="other", teachers=["dear"])
        assert "no kept row to publish" in place.still("run", other, exit_code=2).stderr
        assert billed_usd(dear, 1000.0) <= 1.5, "the budget is over all runs and all datasets"
        assert dear.referee()["answered"] <= answered + 2, "at most a probe each still fits"
