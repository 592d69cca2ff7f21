"""Measured caps, as a user runs them: what they cut off is asked again in the same run, marked, and told."""

import pytest
from simulated import SimulatedTeacher
from still import Place, sums

pytestmark = [pytest.mark.line, pytest.mark.long]  # two whole lines, and Prefect


def test_a_run_with_measured_caps_asks_again_for_what_they_cut_off_and_says_so(place: Place) -> None:
    with SimulatedTeacher(filler_tokens=100, filler_distribution="uniform") as teacher:
        place.write_teacher(teacher.base_url)
        sampling = {"max_tokens": 2048, "caps": "measured"}
        first = place.run(place.write_recipe(sums(210), sampling=sampling))
        assert (first["funnel"]["answered"], first["drawn_again"]) == (210, [])
        teacher.switch(filler_tokens=400, filler_distribution="fixed")
        done = place.run(place.write_recipe(sums(220), sampling=sampling))
    asked = place.sql(
        "select max_tokens, resampled, count(*) as n from attempts where batch_id <> 'preflight' group by all"
    )
    caps = {(row["max_tokens"], row["resampled"]): row["n"] for row in asked}
    assert caps.pop((2048, False)) == 210
    (low, again) = sorted(caps)
    assert caps == {(low[0], False): 10, (2 * low[0], True): 10} and again[0] < 2048
    funnel = done["funnel"]
    assert funnel["wanted"] == funnel["answered"] == 220
    assert funnel["kept"] + funnel["rejected"] + funnel["undecided"] + funnel["quarantined"] == 220
    (drawn,) = done["drawn_again"]
    assert drawn["resampled"] == 10 and drawn["first_mean"] < drawn["mean"]
    assert place.sql("select teacher, resampled, continued from lengths") == [
        {"teacher": "simulated", "resampled": 10, "continued": 0}
    ]
