"""Answers that name another model than was asked for are put aside, and the run says so."""

from contextlib import closing

import pytest
from simulated import SimulatedTeacher
from still import Place, sums

from warehouse.catalog import connect

pytestmark = [pytest.mark.line, pytest.mark.slow]


def test_answers_of_another_model_are_quarantined_until_a_person_lets_them_through(place: Place) -> None:
    with SimulatedTeacher(model_swaps=0.3) as teacher:
        place.write_teacher(teacher.base_url)
        recipe = place.write_recipe(sums(60), judge={"screens": {"accuracy": None, "style": None}})
        first = place.run(recipe)
        with closing(connect(place.root)) as connection:
            swapped = connection.execute(
                "select count(distinct trace_id) from traces where served_model = 'simulated-teacher-mini'"
            ).fetchall()[0][0]
            aside = connection.execute(
                "select count(*), any_value(details) from verdicts where reason = 'screen_identity'"
            ).fetchall()[0]
        assert 0 < swapped < 60 and first["reasons"]["screen_identity"] == aside[0] > 0
        assert "served as simulated-teacher-mini, not as simulated-teacher" in aside[1]
        (line,) = place.status()["screens"]
        assert "screen identity fired" in line and "served as simulated-teacher-mini" in line
        look = line.rpartition("acknowledged: [")[2].partition("]")[0]
        told = {"accuracy": None, "style": None, "acknowledged": [look]}
        again = place.run(place.write_recipe(sums(60), judge={"screens": told}))
        assert again["asked"] == 0 and "screen_identity" not in again["reasons"]
        assert again["funnel"]["kept"] > first["funnel"]["kept"]
