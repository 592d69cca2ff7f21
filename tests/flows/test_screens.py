"""A teacher that falls in mid-run is paused; another goes on; only a person's word lets it be asked again."""

import json
from contextlib import closing
from typing import Any

import pytest
from simulated import SimulatedTeacher
from still import Place, sums

from warehouse.catalog import connect

pytestmark = pytest.mark.line

FALL = json.dumps({"after_requests": 150, "wrong_answers": 0.7})
ASIDE = """
    select min(t.received_at) >= any_value(s.from_at) as later
    from verdicts as v join traces as t using (trace_id)
    join screens as s on s.teacher = v.teacher and s.verdict = 'fired'
    where v.reason = 'screen_accuracy' and v.outcome = 'quarantined'
"""
SCREENS = {"accuracy": {"window": 50}, "style": None}


def rows(place: Place, sql: str) -> list[dict[str, Any]]:
    with closing(connect(place.root)) as connection:
        return list(connection.sql(sql).to_arrow_table().to_pylist())


def looks(place: Place, screen: str = "accuracy") -> list[dict[str, Any]]:
    return rows(place, f"select * from screens where screen = '{screen}' order by teacher, window_number")


def test_a_teacher_that_falls_is_paused_and_the_other_goes_on(place: Place) -> None:
    with SimulatedTeacher(change=FALL) as falls, SimulatedTeacher(wrong_answers=0.1) as stays:
        place.write_teacher(falls.base_url, name="falls", account="one", quota={"concurrency": 4})
        place.write_teacher(stays.base_url, name="stays", account="two")
        given = {"teachers": ["falls", "stays"], "batch_rows": 25}
        recipe = place.write_recipe(sums(800), **given, judge={"screens": SCREENS})
        first = place.run(recipe)

        (line,) = first["paused"]
        assert line.startswith("falls is paused: screen accuracy fired")
        assert "baseline" in line and "p " in line and "is seen with 90%" in line
        asked = falls.referee()["requests"]
        assert 150 < asked < 350, "not all of its 400: in flight were few"
        others = rows(place, "select distinct status from wanted where teacher = 'stays'")
        assert others == [{"status": "answered"}], "all of the other's samples"
        assert first["funnel"]["not_asked"] > 50, "its samples stay planned"

        (fired,) = [look for look in looks(place) if look["verdict"] == "fired"]
        assert (fired["teacher"], fired["p"] <= fired["threshold"]) == ("falls", True)
        assert first["reasons"]["screen_accuracy"] > 0
        assert rows(place, ASIDE) == [{"later": True}]

        again = place.run(recipe)
        assert (again["asked"], falls.referee()["requests"]) == (0, asked)
        assert again["paused"] == first["paused"]

        told = {**SCREENS, "acknowledged": [fired["look_id"]]}
        after = place.run(place.write_recipe(sums(800), **given, judge={"screens": told}))
        assert after["funnel"]["not_asked"] == 0
        assert falls.referee()["requests"] > asked
        assert "screen_accuracy" not in after["reasons"]
        assert after["paused"] == []


def test_a_teacher_that_stays_as_it_is_passes_and_says_with_which_power(place: Place) -> None:
    with SimulatedTeacher(wrong_answers=0.1) as teacher:
        place.write_teacher(teacher.base_url)
        recipe = place.write_recipe(sums(200), batch_rows=50, judge={"screens": {"accuracy": {"window": 80}}})
        done = place.run(recipe)
        assert done["paused"] == []
        found = {look["window_number"]: look for look in looks(place)}
        assert [found[nth]["verdict"] for nth in (1, 2, 3)] == ["baseline", "passed", "too_few"]
        assert "or lower is seen with 90%" in found[2]["power"]
        assert looks(place, "family")[0]["verdict"] == "unknown", "the recipe names no student"
        status = place.status()
        assert status["screens"] == []
