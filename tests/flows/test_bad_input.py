"""Bad input: one clear line, exit 2, nothing asked, nothing half-published."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated import SimulatedTeacher
from still import Place, free_port, sums

pytestmark = pytest.mark.line


@pytest.fixture(scope="module")
def teacher() -> Iterator[SimulatedTeacher]:
    with SimulatedTeacher() as teacher:
        yield teacher


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, prefect_url: str, ray_address: str, teacher: SimulatedTeacher
) -> Place:
    place = Place(tmp_path_factory.mktemp("bad-input"), prefect_url, ray_address)
    place.write_teacher(teacher.base_url)
    return place


@pytest.fixture(scope="module")
def published(place: Place) -> str:
    return str(place.run(place.write_recipe(sums(40), "good", dataset="good"))["published"]["version"])


def the_line(done: "subprocess.CompletedProcess[str]") -> str:
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return lines[0]


def test_a_wrong_recipe_field_is_named(place: Place) -> None:
    line = the_line(place.still("run", place.write_recipe(sums(3), "wrong", samples=3), exit_code=2))
    assert "wrong.yaml: samples: unknown field" in line


def test_a_wrong_value_is_shown(place: Place) -> None:
    line = the_line(place.still("run", place.write_recipe(sums(3), "wrong", samples_per_prompt=0), exit_code=2))
    assert "samples_per_prompt" in line and "not 0" in line


def test_a_recipe_that_is_not_there_is_named(place: Place) -> None:
    assert "nowhere.yaml" in the_line(place.still("run", "nowhere.yaml", exit_code=2))


def test_an_unknown_teacher_lists_those_that_are_known(place: Place) -> None:
    line = the_line(place.still("run", place.write_recipe(sums(3), "wrong", teachers=["simulatd"]), exit_code=2))
    assert "unknown teacher 'simulatd', did you mean 'simulated'?" in line


def test_a_missing_key_variable_is_named_and_nothing_is_sent(place: Place, teacher: SimulatedTeacher) -> None:
    before = teacher.referee()["requests"]
    place.write_teacher(teacher.base_url, name="keyed", api_key_env="NO_SUCH_KEY_VARIABLE", simulated=True)
    line = the_line(place.still("run", place.write_recipe(sums(3), "wrong", teachers=["keyed"]), exit_code=2))
    assert "NO_SUCH_KEY_VARIABLE" in line and "export" in line
    assert teacher.referee()["requests"] == before


def test_an_unreachable_endpoint_is_named(place: Place) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    place.write_teacher(url, name="gone", simulated=True)
    line = the_line(place.still("run", place.write_recipe(sums(3), "wrong", teachers=["gone"]), exit_code=2))
    assert "'gone' cannot be reached" in line and url in line


def test_a_wrong_model_id_is_named(place: Place) -> None:
    with SimulatedTeacher(model="another-model") as other:
        place.write_teacher(other.base_url, name="other", simulated=True)
        line = the_line(place.still("run", place.write_recipe(sums(3), "wrong", teachers=["other"]), exit_code=2))
    assert "simulated-teacher" in line and "another-model" in line


def test_a_teacher_whose_terms_forbid_training_is_not_asked(place: Place, teacher: SimulatedTeacher) -> None:
    before = teacher.referee()["requests"]
    place.write_teacher(teacher.base_url, name="banned", model="some/model", license="CC-BY-NC-4.0", simulated=None)
    line = the_line(place.still("run", place.write_recipe(sums(3), "wrong", teachers=["banned"]), exit_code=2))
    assert "'banned' is not asked" in line and "CC-BY-NC-4.0" in line and "To change that" in line
    assert teacher.referee()["requests"] == before


def test_an_empty_prompt_set_says_so(place: Place) -> None:
    assert "holds no rows" in the_line(place.still("run", place.write_recipe([], "empty"), exit_code=2))


def test_a_malformed_row_is_named_by_file_and_line(place: Place, teacher: SimulatedTeacher) -> None:
    before = teacher.referee()["requests"]
    recipe = place.write_recipe(sums(3), "malformed")
    with (place.folder / "malformed.jsonl").open("a") as source:
        source.write('{"prompt": "What is 1 + 1?"\n')
    line = the_line(place.still("run", recipe, exit_code=2))
    assert "malformed.jsonl" in line and "4" in line
    assert teacher.referee()["requests"] == before


def test_a_version_that_does_not_exist_lists_those_that_do(place: Place, published: str) -> None:
    line = the_line(place.still("train", "good@2020.01.01.1", exit_code=2))
    assert "no version 'good@2020.01.01.1'" in line and published in line


def test_bad_sql_is_one_line(place: Place, published: str) -> None:
    assert "no_such_view" in the_line(place.still("sql", "select * from no_such_view", exit_code=2))


@pytest.mark.slow
def test_a_shard_that_was_changed_is_not_trained_on(place: Place, published: str) -> None:
    recipe = place.write_recipe(sums(40, seed=2), "changed", dataset="changed", student={"model": "tiny"})
    version = place.run(recipe)["published"]["version"]
    shard = next((place.root.path / "shards" / "changed").glob("*/train-*.parquet"))
    shard.chmod(0o644)
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    line = the_line(place.still("train", version, exit_code=2))
    assert shard.name in line and "expected" in line and "found" in line
    assert place.sql(f"select * from student_runs where version = '{version}'") == []


@pytest.mark.slow
def test_a_data_root_of_a_newer_version_is_left_alone(
    tmp_path: Path, prefect_url: str, ray_address: str, teacher: SimulatedTeacher
) -> None:
    import duckdb

    place = Place(tmp_path, prefect_url, ray_address)
    place.write_teacher(teacher.base_url)
    recipe = place.write_recipe(sums(5))
    place.run(recipe)
    path = place.root.catalog / "catalog.duckdb"
    with duckdb.connect(str(path)) as catalog:
        catalog.execute("insert into store.migration values ('9999_from_the_future', 'x', now())")
    before = path.read_bytes()
    line = the_line(place.still("run", recipe, exit_code=2))
    assert "newer" in line
    assert path.read_bytes() == before


@pytest.mark.slow
def test_a_second_run_of_a_dataset_names_the_holder(place: Place, published: str) -> None:
    with SimulatedTeacher(latency=2.0) as slow:
        place.write_teacher(slow.base_url, name="slow", simulated=True)
        recipe = place.write_recipe(sums(20, seed=3), "busy", dataset="busy", teachers=["slow"])
        first = place.start("run", recipe)
        slow.wait_for("requests", 2, 120)
        line = the_line(place.still("run", recipe, exit_code=2))
        out, err = first.communicate(timeout=120)
    assert f"pid {first.pid}" in line
    assert first.returncode == 0, err
