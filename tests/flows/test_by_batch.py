"""The whole line by the provider's batch API, as a user runs it, and killed while a batch is out."""

import json
import signal
from collections.abc import Iterator

import pytest
from simulated import SimulatedTeacher
from still import Place, sums, wait_until

pytestmark = [pytest.mark.line, pytest.mark.slow]  # a whole line each, and Prefect

WANTED = 40


@pytest.fixture
def teacher() -> Iterator[SimulatedTeacher]:
    with SimulatedTeacher(batch_seconds=0.5) as teacher:
        yield teacher


def prepared(place: Place, teacher: SimulatedTeacher, **recipe: object) -> None:
    place.write_teacher(teacher.base_url, batch={"discount": 0.5})
    fields = {"ask_by": "batch", "by_batch": {"poll_s": 1}, "batch_rows": 10, **recipe}
    place.write_recipe(sums(WANTED), **fields)


def bought(teacher: SimulatedTeacher) -> tuple[int, int]:
    """Questions answered, and answered more than once; the preflight's apart."""
    rows = [row for row in teacher.questions() if row["client_request_id"] != "preflight"]
    return sum(row["answered"] for row in rows), sum(row["answered"] > 1 for row in rows)


def test_a_run_by_batch_publishes_what_it_was_answered(place: Place, teacher: SimulatedTeacher) -> None:
    prepared(place, teacher)
    done = place.run(place.folder / "recipe.yaml")
    assert (done["funnel"]["answered"], bought(teacher)) == (WANTED, (WANTED, 0))
    assert place.sql("select distinct batch_id from attempts where batch_id <> 'preflight'") == [
        {"batch_id": "batch_000001"}
    ]
    assert place.run(place.folder / "recipe.yaml")["asked"] == 0


def test_a_tail_goes_by_batch_after_the_first_rows_went_directly(place: Place, teacher: SimulatedTeacher) -> None:
    prepared(place, teacher, ask_by="tail", by_batch={"poll_s": 1, "first_direct": 15})
    done = place.run(place.folder / "recipe.yaml")
    assert (done["funnel"]["answered"], bought(teacher)) == (WANTED, (WANTED, 0))
    by_batch = place.sql("select count(*) as n from attempts where batch_id = 'batch_000001'")
    assert by_batch == [{"n": WANTED - 20}]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_ends_leaves_its_batch_and_the_next_takes_it_up(
    place: Place, teacher: SimulatedTeacher, end: signal.Signals
) -> None:
    teacher.switch(batch_seconds=3600)
    prepared(place, teacher)
    process = place.start("run", "recipe.yaml")
    wait_until(lambda: "out at the provider" in str(place.status().get("note")), 120, "no batch was out")
    process.send_signal(end)
    _, said = process.communicate(timeout=60)
    assert (end == signal.SIGKILL) != ("a batch is under way at the provider" in said)
    assert bought(teacher)[0] == 0
    teacher.switch(batch_seconds=0)
    place.write_recipe(sums(WANTED), ask_by="direct", batch_rows=10)  # whatever the recipe says now, what is out counts
    done = place.run(place.folder / "recipe.yaml")
    assert (done["funnel"]["answered"], bought(teacher)) == (WANTED, (WANTED, 0))


def test_a_run_that_need_not_wait_says_what_is_under_way(place: Place, teacher: SimulatedTeacher) -> None:
    teacher.switch(batch_seconds=3600)
    prepared(place, teacher, by_batch={"poll_s": 1, "wait_h": 0})
    said = place.still("run", "recipe.yaml", exit_code=1).stderr
    assert "a batch is under way at the provider of 'simulated'" in said and "run again" in said
    prepared(place, teacher, by_batch={"poll_s": 1, "wait_h": 0}, samples_per_prompt=2, ask_by="direct")
    done = place.still("run", "recipe.yaml", "--json")  # twice the samples: half of them are out, half are asked
    assert "is under way at the provider of 'simulated'" in done.stderr
    funnel = json.loads(done.stdout)["funnel"]
    assert (funnel["wanted"], funnel["answered"], funnel["not_asked"]) == (2 * WANTED, WANTED, WANTED)
    teacher.switch(batch_seconds=0)
    prepared(place, teacher)
    assert place.run(place.folder / "recipe.yaml")["funnel"]["answered"] == WANTED
