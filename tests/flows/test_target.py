"""Exactly N: rounds until N rows are kept, and the same N whatever interrupts them."""

import signal
from dataclasses import replace
from typing import Any

import pytest
from simulated import SimulatedTeacher
from still import Place, sums, wait_until

pytestmark = pytest.mark.line

TARGET = 120


def rows_of(place: Place, version: str) -> list[str]:
    rows = place.sql(f"select trace_id from version_rows where version = '{version}' order by trace_id")
    return [row["trace_id"] for row in rows]


def shards_of(place: Place, version: str) -> dict[str, str]:
    rows = place.sql(f"select shard, sha256 from shards where version = '{version}'")
    return {row["shard"]: row["sha256"] for row in rows}


def first_kept(place: Place) -> list[str]:
    """The first kept rows in plan order: sources are in order here, one sample a prompt, then the next."""
    rows = place.sql(
        "select k.trace_id from kept as k join prompts as p using (prompt_id) where k.dataset = 'sums' "
        f"order by k.sample_index, p.source_row limit {TARGET}"
    )
    return sorted(row["trace_id"] for row in rows)


def check_sums(run: dict[str, Any]) -> None:
    funnel = run["funnel"]
    assert funnel["kept"] == run["published"]["rows"] + funnel["over_target"]
    assert run["published"]["over_target"] == funnel["over_target"]


@pytest.mark.slow
def test_exactly_so_many_rows_are_published_and_the_same_again(place: Place) -> None:
    with SimulatedTeacher(wrong_answers=0.3, truncated=0.1) as teacher:
        place.write_teacher(teacher.base_url)
        target = {"kept": TARGET, "max_samples_per_prompt": 3}
        recipe = place.write_recipe(sums(160), batch_rows=100, target=target)
        first = place.run(recipe)
        assert first["published"]["rows"] == TARGET
        assert TARGET < first["asked"] < 1.6 * TARGET / 0.6
        assert first["asked"] == first["funnel"]["wanted"] > 160, "every prompt once, and then further samples"
        check_sums(first)
        assert rows_of(place, first["published"]["version"]) == first_kept(place)
        indices = place.sql("select max(sample_index) as most, count(distinct prompt_id) as prompts from wanted")
        assert indices[0]["prompts"] == 160 and indices[0]["most"] >= 1

        requests = teacher.referee()["requests"]
        again = place.run(recipe)
        assert teacher.referee()["requests"] == requests
        assert (again["asked"], again["published"]["is_new"]) == (0, False)

        place.still("judge", recipe)
        assert place.sql("select kept - over_target as published from funnel") == [{"published": TARGET}]


@pytest.mark.long
def test_a_cap_or_a_budget_that_comes_first_publishes_fewer_rows_and_says_so(place: Place) -> None:
    with SimulatedTeacher(wrong_answers=0.3) as teacher:
        place.write_teacher(teacher.base_url)
        capped = {"kept": 60, "max_candidates": 60}
        short = place.run(place.write_recipe(sums(200), target=capped))
        assert short["asked"] == 60
        assert short["published"]["rows"] == short["funnel"]["kept"] < 60
        assert short["shortfall"].endswith("all 60 candidates were asked: raise target.max_candidates")

        rows = short["published"]["rows"]
        more = place.run(place.write_recipe(sums(200), target={"kept": 60}, budget={"requests": 61}))
        assert more["funnel"]["not_asked"] > 0
        assert rows <= more["published"]["rows"] < 60
        assert "could not be asked: raise the budget" in more["shortfall"]
        assert teacher.referee()["requests"] <= 61 + 1, "the ceiling counts the probes"
        printed = place.still("run", place.folder / "recipe.yaml").stdout
        assert "short of the target" in printed


@pytest.mark.long
@pytest.mark.parametrize("moment", ["asking", "judging", "second"])
def test_a_run_that_is_killed_publishes_the_same_rows_as_one_that_is_not(
    place: Place, tmp_path_factory: pytest.TempPathFactory, moment: str
) -> None:
    def prepared(one: Place, base_url: str) -> Place:
        one.write_teacher(base_url, quota={"concurrency": 16})
        one.write_recipe(sums(400), batch_rows=60, target={"kept": TARGET})
        return one

    def is_there() -> object:
        status = place.status()
        stage, wanted = status.get("stage"), status.get("wanted", 0)
        if moment == "second":
            return wanted > TARGET and status.get("in_flight", 0) >= 4
        return stage == moment and (moment == "judging" or status.get("answered", 0) > 30)

    with SimulatedTeacher(wrong_answers=0.3, latency=0.3) as teacher:
        elsewhere = replace(place, folder=tmp_path_factory.mktemp("undisturbed"))
        undisturbed = prepared(elsewhere, teacher.base_url)
        whole = undisturbed.run(undisturbed.folder / "recipe.yaml")
        process = prepared(place, teacher.base_url).start("run", "recipe.yaml")
        wait_until(lambda: is_there() or process.poll() is not None, 120, moment)
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        resumed = place.run(place.folder / "recipe.yaml")
    assert resumed["published"]["rows"] == whole["published"]["rows"] == TARGET
    version = resumed["published"]["version"]
    assert rows_of(place, version) == rows_of(undisturbed, whole["published"]["version"])
    assert shards_of(place, version) == shards_of(undisturbed, whole["published"]["version"])
    check_sums(resumed)
