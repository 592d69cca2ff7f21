"""A teacher that falls in mid-run is paused; another goes on; only a person's word lets it be asked again."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from simulated import SimulatedTeacher
from still import Place, sums

from warehouse.catalog import connect

pytestmark = [pytest.mark.line, pytest.mark.slow]

FALL = json.dumps({"after_requests": 110, "wrong_answers": 0.7})
SCREENS: dict[str, object] = {"accuracy": {"window": 50}, "style": None}
WANTED = 560
TEACHERS = {"teachers": ["falls", "stays"], "batch_rows": 25}
ASIDE = """
    select min(t.received_at) >= any_value(s.from_at) as later
    from verdicts as v join traces as t using (trace_id)
    join screens as s on s.teacher = v.teacher and s.verdict = 'fired'
    where v.reason = 'screen_accuracy' and v.outcome = 'quarantined'
"""


@dataclass(frozen=True)
class Fallen:
    """A run in which one of two teachers has fallen."""

    place: Place
    falls: SimulatedTeacher
    recipe: Path
    first: dict[str, Any]
    requests: int
    """That the fallen teacher had when the run ended."""


@pytest.fixture(scope="module")
def fallen(tmp_path_factory: pytest.TempPathFactory, prefect_url: str, ray_address: str) -> Iterator[Fallen]:
    with SimulatedTeacher(change=FALL) as falls, SimulatedTeacher(wrong_answers=0.1) as stays:
        place = Place(tmp_path_factory.mktemp("fallen"), prefect_url, ray_address)
        place.write_teacher(falls.base_url, name="falls", account="one", quota={"concurrency": 4})
        place.write_teacher(stays.base_url, name="stays", account="two")
        recipe = place.write_recipe(sums(WANTED), **TEACHERS, judge={"screens": SCREENS})
        first = place.run(recipe)
        yield Fallen(place, falls, recipe, first, falls.referee()["requests"])


def rows(place: Place, sql: str) -> list[dict[str, Any]]:
    with closing(connect(place.root)) as connection:
        return list(connection.sql(sql).to_arrow_table().to_pylist())


def looks(place: Place, screen: str = "accuracy") -> list[dict[str, Any]]:
    return rows(place, f"select * from screens where screen = '{screen}' order by teacher, window_number")


def fired(place: Place) -> dict[str, Any]:
    (look,) = [look for look in looks(place) if look["verdict"] == "fired"]
    return look


def test_a_teacher_that_falls_is_paused_and_the_other_goes_on(fallen: Fallen) -> None:
    look = fired(fallen.place)
    assert (look["teacher"], look["p"] <= look["threshold"]) == ("falls", True)
    assert 110 < fallen.requests < 250, "far from all of its 280: only what was in flight"
    assert fallen.first["funnel"]["not_asked"] >= 30, "its samples stay planned"
    others = rows(fallen.place, "select distinct status from wanted where teacher = 'stays'")
    assert others == [{"status": "answered"}], "all of the other's samples"


def test_the_run_ends_with_a_line_that_says_what_was_seen(fallen: Fallen) -> None:
    (line,) = fallen.first["paused"]
    assert line.startswith("falls is paused: screen accuracy fired")
    assert all(part in line for part in ("baseline", "; p ", "fires at", "is seen with 90%"))
    assert f"acknowledged: [{fired(fallen.place)['look_id']}]" in line
    assert fallen.place.status()["screens"] == [line]


def test_what_came_from_the_window_that_fired_on_is_quarantined(fallen: Fallen) -> None:
    assert fallen.first["funnel"]["quarantined"] == fallen.first["reasons"]["screen_accuracy"] > 0
    assert rows(fallen.place, ASIDE) == [{"later": True}]


def test_the_same_command_again_does_not_ask_it(fallen: Fallen) -> None:
    again = fallen.place.run(fallen.recipe)
    assert (again["asked"], fallen.falls.referee()["requests"]) == (0, fallen.requests)
    assert (again["paused"], again["published"]["is_new"]) == (fallen.first["paused"], False)


def test_acknowledged_it_is_asked_again_and_nothing_is_put_aside(fallen: Fallen) -> None:
    for _ in range(3):  # a window that fired may hold answers of before the fall: the next falls below it too
        ids = [look["look_id"] for look in looks(fallen.place) if look["verdict"] == "fired"]
        told = {**SCREENS, "acknowledged": ids}
        after = fallen.place.run(fallen.place.write_recipe(sums(WANTED), **TEACHERS, judge={"screens": told}))
        if not after["paused"]:
            break
    assert (after["funnel"]["not_asked"], after["paused"]) == (0, [])
    assert fallen.falls.referee()["requests"] > fallen.requests
    assert "screen_accuracy" not in after["reasons"]


def test_a_teacher_that_stays_as_it_is_passes_and_says_with_which_power(place: Place) -> None:
    with SimulatedTeacher(wrong_answers=0.1) as teacher:
        place.write_teacher(teacher.base_url)
        recipe = place.write_recipe(sums(200), batch_rows=50, judge={"screens": {"accuracy": {"window": 80}}})
        run = place.run(recipe)
        assert run["paused"] == []
        assert [each["verdict"] for each in run["screened"] if each["screen"] == "accuracy"] == ["passed"]
        found = {look["window_number"]: look for look in looks(place)}
        assert [found[nth]["verdict"] for nth in (1, 2, 3)] == ["baseline", "passed", "too_few"]
        assert "or lower is seen with 90%" in found[2]["power"]
        assert looks(place, "family")[0]["verdict"] == "unknown", "the recipe names no student"
        assert place.status()["screens"] == []
