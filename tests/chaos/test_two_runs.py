"""Two `still run` at once on one data root, each with a Ray of its own: one asks, the other waits and says for whom."""

import json

import pytest
from simulated import SimulatedTeacher
from still import Place, sums, wait_until

pytestmark = [pytest.mark.line, pytest.mark.slow]

ROWS = 160
CONCURRENCY = 8


def test_the_second_run_waits_names_the_holder_and_the_limit_holds_over_both(place: Place) -> None:
    with SimulatedTeacher(latency=0.8, concurrency=CONCURRENCY) as teacher:
        place.write_teacher(teacher.base_url, quota={"concurrency": CONCURRENCY})
        recipes = {
            dataset: place.write_recipe(sums(ROWS, seed), dataset, dataset=dataset, batch_rows=80)
            for seed, dataset in enumerate(("one", "other"), start=1)
        }
        runs = {dataset: place.start("run", recipe, "--json") for dataset, recipe in recipes.items()}

        def waiting() -> str | None:
            """Which of the two, whichever came second."""
            stages = {dataset: place.status(dataset).get("stage") for dataset in runs}
            return next((dataset for dataset, stage in stages.items() if stage == "waiting"), None)

        second = wait_until(waiting, 120, "neither waits")
        first = next(dataset for dataset in runs if dataset != second)
        note = place.status(second)["note"]
        ended = {dataset: run.communicate(timeout=240) for dataset, run in runs.items()}
        report = teacher.referee()
    print(f"{second}: {note}; at most {report['max_in_flight']} in flight")
    assert note.startswith(f"waiting to ask: pid {runs[first].pid} on ") and f"asking for {first}" in note
    for dataset, (out, err) in ended.items():
        assert runs[dataset].returncode == 0, err
        funnel = json.loads(out)["funnel"]
        assert funnel["answered"] == funnel["wanted"] == ROWS
    assert report["refused_429"]["concurrency"] == 0 and report["max_in_flight"] <= CONCURRENCY
    assert report["answered_again"] <= 1, "the probe of a preflight alone is the same question"
