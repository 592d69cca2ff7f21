"""Two `still run` at once on one data root, each with a Ray of its own: one asks, the other waits and says for whom."""

import json

import pytest
from simulated import SimulatedTeacher
from still import Place, sums, wait_until

pytestmark = [pytest.mark.line, pytest.mark.slow]

ROWS = 200
CONCURRENCY = 8


def test_the_second_run_waits_names_the_holder_and_the_limit_holds_over_both(place: Place) -> None:
    with SimulatedTeacher(latency=0.3, concurrency=CONCURRENCY) as teacher:
        place.write_teacher(teacher.base_url, quota={"concurrency": CONCURRENCY})
        one = place.write_recipe(sums(ROWS), batch_rows=100)
        other = place.write_recipe(sums(ROWS, seed=2), "other", dataset="other", batch_rows=100)
        first = place.start("run", one, "--json")
        wait_until(lambda: place.status().get("in_flight", 0) > 0 or first.poll() is not None, 120, "nobody asks")
        second = place.start("run", other, "--json")
        waiting = wait_until(lambda: place.status("other").get("note"), 120, "the second run says nothing")
        ended = [process.communicate(timeout=240) for process in (first, second)]
        assert (first.returncode, second.returncode) == (0, 0), ended
        report = teacher.referee()
    print(waiting)
    assert waiting.startswith(f"waiting to ask: pid {first.pid} on ") and "asking for sums" in waiting
    for out, _ in ended:
        funnel = json.loads(out)["funnel"]
        assert funnel["answered"] == funnel["wanted"] == ROWS
    assert report["refused_429"]["concurrency"] == 0 and report["max_in_flight"] <= CONCURRENCY
    assert report["answered_again"] <= 1, "the probe of a preflight alone is the same question"
