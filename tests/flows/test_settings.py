"""What the environment says: an empty variable is none, what cannot be is named, and the user's word stands."""

from pathlib import Path

import pytest

from flows.settings import QUIET, Settings, quiet_dependencies
from warehouse.errors import BadInput

NAMES = ("STILLHOUSE_DATA", "STILLHOUSE_TEACHERS", "STILLHOUSE_RAY_ADDRESS", "STILLHOUSE_WORKERS")


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert Settings.from_environment(dict.fromkeys(NAMES, "")) == Settings.from_environment({})


def test_relative_folders_are_those_of_here() -> None:
    found = Settings.from_environment({"STILLHOUSE_DATA": "there", "STILLHOUSE_TEACHERS": "mine"})
    assert found.root.path == Path.cwd() / "there" and found.teacher_folders[1:] == (Path.cwd() / "mine",)


@pytest.mark.parametrize("workers", ["0", "-1", "two", "1.5"])
def test_workers_that_are_no_number_are_named(workers: str) -> None:
    with pytest.raises(BadInput, match=f"STILLHOUSE_WORKERS is '{workers}': set it to a whole number"):
        Settings.from_environment({"STILLHOUSE_WORKERS": workers})


@pytest.mark.parametrize(("address", "asks"), [(None, True), ("", True), ("ray.example:6379", False)])
def test_only_a_ray_of_our_own_is_made_to_ask_for_its_token(address: str | None, asks: bool) -> None:
    environment = {} if address is None else {"STILLHOUSE_RAY_ADDRESS": address}
    quiet_dependencies(environment)
    assert ("RAY_AUTH_MODE" in environment) == asks


def test_nothing_reports_its_use_and_what_the_user_set_stands() -> None:
    environment = {"RAY_worker_niceness": "5"}
    quiet_dependencies(environment)
    assert environment == QUIET | {"RAY_worker_niceness": "5", "RAY_AUTH_MODE": "token"}
