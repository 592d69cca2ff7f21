"""The whole line, as a user runs it: Ray of its own or one that is there, a real Prefect server, the simulated teacher
on a socket."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request

import datasets
import pytest
from simulated import SimulatedTeacher
from still import OPENER, Place, sums, wait_until

pytestmark = pytest.mark.line

WANTED = 300


@pytest.fixture(scope="module")
def teacher() -> Iterator[SimulatedTeacher]:
    with SimulatedTeacher(wrong_answers=0.05, truncated=0.05, refusals=0.03, repeats=0.03, latency=0.02) as teacher:
        yield teacher


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, prefect_url: str, ray_address: str, teacher: SimulatedTeacher
) -> Place:
    place = Place(tmp_path_factory.mktemp("distill"), prefect_url, ray_address)
    place.write_teacher(teacher.base_url)
    place.write_recipe(sums(WANTED), batch_rows=100)
    return place


@pytest.fixture(scope="module")
def first(place: Place) -> dict[str, Any]:
    return place.with_own_ray.run(place.folder / "recipe.yaml")


def answered_twice(teacher: SimulatedTeacher) -> list[str]:
    """The questions that the teacher answered more than once, the probe of a preflight apart."""
    asked = teacher.questions(again=1)
    return [
        row["client_request_id"] for row in asked if row["answered"] > 1 and row["client_request_id"] != "preflight"
    ]


def test_every_sample_is_accounted_for_with_a_reason(place: Place, first: dict[str, Any]) -> None:
    funnel = first["funnel"]
    assert funnel["wanted"] == funnel["answered"] == first["asked"] == WANTED
    assert funnel["kept"] + funnel["rejected"] == WANTED
    assert sum(first["reasons"].values()) == funnel["rejected"]
    assert {"wrong_answer", "truncated", "refused", "repetition"} <= first["reasons"].keys()


def test_what_is_rejected_is_what_the_referee_planted(
    place: Place, first: dict[str, Any], teacher: SimulatedTeacher
) -> None:
    planted = {row["client_request_id"]: row["planted"] for row in teacher.truth()}
    rows = place.sql("select request_key, outcome, reason from verdicts where is_current and dataset = 'sums'")
    missed = [row for row in rows if row["outcome"] == "kept" and planted[row["request_key"]]]
    spoiled = [row for row in rows if row["outcome"] != "kept" and not planted[row["request_key"]]]
    assert (missed, spoiled) == ([], [])


def test_every_row_carries_its_decision_and_its_terms(place: Place, first: dict[str, Any]) -> None:
    (row,) = place.sql(
        "select count(*) as n, count(decision_id) as decided, count(terms_sha256) as terms, "
        "bool_and(simulated) as simulated from traces"
    )
    assert row == {"n": WANTED, "decided": WANTED, "terms": WANTED, "simulated": True}


def test_the_version_loads_with_datasets_as_it_is(place: Place, first: dict[str, Any], tmp_path: Path) -> None:
    loaded = datasets.load_dataset(first["published"]["folder"], cache_dir=str(tmp_path))
    assert set(loaded) == {"train", "validation"}
    assert len(loaded["train"]) == first["published"]["train_rows"]
    row = loaded["train"][0]
    assert [message["role"] for message in row["prompt"]] == ["user"]
    assert row["reasoning"] in row["completion"][0]["content"]
    prompts = {rows["prompt"][0]["content"] for rows in loaded["train"]}
    assert not prompts & {rows["prompt"][0]["content"] for rows in loaded["validation"]}


def test_the_same_command_again_asks_nothing_even_with_the_teacher_gone(
    place: Place, first: dict[str, Any], teacher: SimulatedTeacher
) -> None:
    requests = teacher.referee()["requests"]
    place.write_teacher("http://127.0.0.1:9/v1")
    again = place.run(place.folder / "recipe.yaml")
    place.write_teacher(teacher.base_url)
    assert teacher.referee()["requests"] == requests
    assert (again["asked"], again["published"]["is_new"]) == (0, False)
    assert again["published"]["version"] == first["published"]["version"]


def test_a_second_sample_buys_only_the_second(place: Place, first: dict[str, Any], teacher: SimulatedTeacher) -> None:
    more = place.run(place.write_recipe(sums(WANTED), batch_rows=100, samples_per_prompt=2))
    assert more["asked"] == WANTED
    assert more["funnel"]["wanted"] == 2 * WANTED
    assert answered_twice(teacher) == []


def test_another_dataset_reuses_what_is_there(place: Place, first: dict[str, Any]) -> None:
    other = place.run(place.write_recipe(sums(WANTED), "other", dataset="other"))
    assert (other["asked"], other["funnel"]["reused"], other["funnel"]["answered"]) == (0, WANTED, 0)


def test_judging_again_with_other_rules_asks_nobody(
    place: Place, first: dict[str, Any], teacher: SimulatedTeacher
) -> None:
    requests = teacher.referee()["requests"]
    recipe = place.write_recipe(sums(WANTED), "other", dataset="other", judge={"answer": "annotate"})
    out = place.still("judge", recipe).stdout
    assert "wrong_answer" not in out
    assert teacher.referee()["requests"] == requests
    assert "new" in place.still("publish", "other").stdout


def test_the_looking_verbs_show_what_is_there(place: Place, first: dict[str, Any]) -> None:
    (trace,) = place.sql("select trace_id from rejected where dataset = 'sums' order by trace_id limit 1")
    shown = json.loads(place.still("show", trace["trace_id"][:10], "--json").stdout)
    assert shown["trace"]["trace_id"] == trace["trace_id"]
    statuses = json.loads(place.still("status", "--json").stdout)
    assert {status["dataset"]: status["state"] for status in statuses}["sums"] == "completed"
    versions = json.loads(place.still("versions", "--json").stdout)
    assert first["published"]["version"] in [version["version"] for version in versions]
    teachers = json.loads(place.still("teachers", "--json").stdout)
    assert {"simulated", "openai-api"} & {teacher["name"] for teacher in teachers} == {"simulated"}
    assert place.still("sql", "select 1 as one", "--csv").stdout.split() == ['"one"', "1"]
    assert json.loads(place.still("sql", "select 1 as one", "--json").stdout) == [{"one": 1}]


def test_what_a_run_left_holds_and_was_told_as_openlineage_events(place: Place, first: dict[str, Any]) -> None:
    assert "all of it holds" in place.still("verify").stdout
    (run,) = place.sql(f"select run_id from versions where version = '{first['published']['version']}'")
    lines = (place.root.path / "lineage" / "openlineage.ndjson").read_text().splitlines()
    events = [event for event in map(json.loads, lines) if event["run"]["runId"] == run["run_id"]]
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"]
    (output,) = events[1]["outputs"]
    assert output["facets"]["version"]["datasetVersion"] == first["published"]["version"]
    asked = {one["purpose"] for one in events[1]["run"]["facets"]["teacherTerms"]["teachers"]}
    assert asked == {"ask", "publish"} and events[1]["inputs"][0]["name"] == "prompts/recipe.jsonl"


def test_the_run_leaves_a_funnel_by_reason_and_names_the_command_that_writes_the_report(
    place: Place, first: dict[str, Any]
) -> None:
    ours = {"key": {"any_": ["funnel"]}, "flow_run_id": {"any_": [first["run_id"]]}}
    body = json.dumps({"artifacts": ours}).encode()
    request = Request(f"{place.prefect_url}/artifacts/filter", body, {"content-type": "application/json"})
    with OPENER.open(request, timeout=30) as response:
        texts = [artifact["data"] for artifact in json.load(response)]
    (text,) = [text for text in texts if text.startswith(f"### {first['published']['version']}")]
    assert f"| **kept** | {first['funnel']['kept']:,} |" in text
    assert all(f"{reason} | {count:,} |" in text for reason, count in first["reasons"].items())
    (command,) = re.findall(r"`still ([^`]*)`", text)
    assert Path(place.still(*command.split()).stdout.strip()).read_text().startswith("<!doctype html>")


def test_a_plan_says_what_it_would_ask_and_asks_one_probe(place: Place, teacher: SimulatedTeacher) -> None:
    requests = teacher.referee()["requests"]
    recipe = place.write_recipe(sums(50, seed=7), "planned", dataset="planned")
    plan = json.loads(place.still("plan", recipe, "--json").stdout)
    assert (plan["plan"]["wanted"], plan["plan"]["to_ask"]) == (50, 50)
    assert teacher.referee()["requests"] == requests + 1
    assert place.sql("select * from funnel where dataset = 'planned'") == []


@pytest.mark.long
def test_ctrl_c_keeps_what_was_received_and_the_same_command_goes_on(place: Place) -> None:
    with SimulatedTeacher(latency=0.5) as slow:
        place.write_teacher(slow.base_url, name="slow", simulated=True, quota={"concurrency": 16})
        recipe = place.write_recipe(sums(160, seed=9), "stopped", dataset="stopped", teachers=["slow"])
        process = place.with_own_ray.start("run", recipe)
        wait_until(lambda: place.status("stopped").get("answered", 0) >= 20, 120, "20 answers")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "the same command goes on" in err and "Traceback" not in err
        (kept,) = place.sql(
            "select count(*) as n from attempts"
            " where dataset = 'stopped' and state = 'paid' and batch_id <> 'preflight'"
        )
        assert kept["n"] >= 20
        again = place.run(recipe)
        assert again["asked"] == 160 - kept["n"]
        assert answered_twice(slow) == []


@pytest.mark.slow
def test_reasoning_gym_is_asked_and_scored_by_its_own_scorer(place: Place, teacher: SimulatedTeacher) -> None:
    prompts = {"source": "reasoning-gym:chain_sum", "limit": 40, "seed": 3, "license": "Apache-2.0"}
    recipe = place.write_recipe([], "gym", dataset="gym", prompts=prompts)
    run = place.run(recipe)
    assert run["funnel"]["answered"] == 40
    assert run["funnel"]["undecided"] == 0
    assert run["funnel"]["kept"] > 20
