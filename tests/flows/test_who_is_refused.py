"""`still run` with a teacher of each kind: who is refused, in which words, and that no request reached the server.

Needed: this is the promise that the product is about, seen from where a person sits. A refused run starts neither
Prefect nor Ray, so that a place without either is enough.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from simulated import SimulatedTeacher
from still import Place, sums

from flows.early import refuse_early
from flows.recipe import load_recipe
from flows.settings import Settings
from tasks.right.registry import shipped_teachers
from warehouse.catalog import connect, publish
from warehouse.errors import Denied

MODEL, LLAMA = "Qwen/Qwen3-8B", "meta-llama/Llama-3.1-8B-Instruct"
TODAY = datetime.now(UTC).date()
SIGNED = {"by": "Ada Lovelace", "on": TODAY.isoformat()}
LAPSED = {"by": "Ada Lovelace", "on": (TODAY - timedelta(60)).isoformat(), "expires_after_days": 30}
KEPT = {
    "model": "tiny",
    "name": "Llama-Sums",
    "attributions": ["Built with Llama"],
    "documents": ["Llama 3.1 Community License Agreement"],
    "monthly_users": 0,
}
BAN = """
route: the-bans
provider: Somebody
license: LicenseRef-somebodys-terms
outputs_trainable: no
evidence: {source: their terms, retrieved: 2026-11-01, mark: primary, quote: "no training on outputs"}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatedTeacher]:
    with SimulatedTeacher(model=MODEL) as server:
        yield server


@pytest.fixture
def nowhere(tmp_path: Path) -> Place:
    """A place where neither Prefect nor Ray is to be had: a run that starts either fails."""
    return Place(tmp_path, "http://127.0.0.1:9/api", "127.0.0.1:9")


def write(place: Place, server: SimulatedTeacher, **fields: object) -> None:
    place.write_teacher(server.base_url, **{"name": "t", "model": MODEL, "simulated": None, **fields})


def refused(place: Place, recipe: Path) -> str:
    done = place.still("run", recipe, exit_code=2)
    (line,) = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stdout + done.stderr
    return line


KINDS: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "unsigned": ({}, {}, ["nobody has signed for its terms", 'still teachers review t --by "<your name>"']),
    "lapsed": ({"reviewed": LAPSED}, {}, ["by Ada Lovelace", "lapsed on", "still teachers review"]),
    "unknown": (
        {"model": "some/model", "license": "LicenseRef-unread", "reviewed": SIGNED},
        {},
        ["LicenseRef-unread", "is not known to allow training on outputs"],
    ),
    "hosted with a ban": (
        {"route": "the-bans", "reviewed": SIGNED},
        {},
        ["the-bans", "forbids", '"no training on outputs"'],
    ),
    "conditions unmet": (
        {"model": LLAMA, "reviewed": SIGNED},
        {},
        ["the student's name begins with 'Llama'", "--attest weights:student_name_prefix", "3 more reasons"],
    ),
    "weights forbid": (
        {"model": "Qwen/Qwen-72B-Chat", "reviewed": SIGNED},
        {},
        ["qwen-2023", "forbids training on outputs", "to improve any other large language model"],
    ),
    "condition broken": (
        {"model": LLAMA, "reviewed": SIGNED},
        {"student": {**KEPT, "name": "Sums"}},
        ["begins with 'Llama', but it is called 'Sums'", "change the student, or the teacher"],
    ),
    "out of scope": (
        {"reviewed": {**SIGNED, "scope": ["publish"]}},
        {},
        ["is for publish only, not to ask", "--scope ask"],
    ),
    "other terms": ({"reviewed": {**SIGNED, "terms_sha256": "0" * 64}}, {}, ["is of other terms (000000000000)"]),
    "prompts not free": (
        {"reviewed": SIGNED},
        {"prompts": {"source": "recipe.jsonl", "columns": {"prompt": "prompt"}, "license": "CC-BY-NC-4.0"}},
        ["'CC-BY-NC-4.0' forbids commercial use"],
    ),
}
AS_A_COMMAND = ("unsigned", "lapsed", "unknown", "hosted with a ban", "conditions unmet")


def set_up(place: Place, server: SimulatedTeacher, kind: str) -> Path:
    """The entry, and a recipe that asks it."""
    server.reset()
    entry, recipe, _ = KINDS[kind]
    if "route" in entry:
        routes = place.folder / "teachers" / "routes"
        routes.mkdir(parents=True)
        (routes / "the-bans.yaml").write_text(BAN)
    write(place, server, **entry)
    return place.write_recipe(sums(3), teachers=["t"], **recipe)


def check(place: Place, server: SimulatedTeacher, kind: str, line: str) -> None:
    """What was said, that it was recorded, and that the server has heard of nothing."""
    assert "teacher 't' is not asked" in line and "To change that" in line
    for words in KINDS[kind][2]:
        assert words in line
    assert server.referee()["requests"] == 0
    publish(place.root)
    with connect(place.root) as connection:
        decisions = connection.execute("select teacher, purpose, verdict from store.decision").fetchall()
    assert decisions == [("t", "ask", "deny")]


@pytest.mark.parametrize("kind", AS_A_COMMAND)
def test_still_run_refuses_it_with_exit_code_2_and_sends_nothing(
    nowhere: Place, server: SimulatedTeacher, kind: str
) -> None:
    recipe = set_up(nowhere, server, kind)
    check(nowhere, server, kind, refused(nowhere, recipe))


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_is_refused_before_anything_is_started(nowhere: Place, server: SimulatedTeacher, kind: str) -> None:
    recipe = load_recipe(set_up(nowhere, server, kind))
    here = Settings(nowhere.root, (shipped_teachers(), nowhere.folder / "teachers"), None, 1)
    with pytest.raises(Denied) as denied:
        refuse_early(here, recipe, "run-1", datetime.now(UTC))
    assert denied.value.exit_code == 2
    check(nowhere, server, kind, str(denied.value))


@pytest.mark.slow
@pytest.mark.line
def test_open_weights_on_ones_own_server_and_conditions_that_are_kept_are_asked(
    place: Place, server: SimulatedTeacher
) -> None:
    server.reset()
    write(place, server, reviewed=SIGNED)
    with SimulatedTeacher(model=LLAMA) as llama:
        place.write_teacher(llama.base_url, name="llama", model=LLAMA, simulated=None, reviewed=SIGNED)
        recipe = place.write_recipe(sums(20), teachers=["t", "llama"], student=KEPT)
        done = place.run(recipe)
        assert done["published"]["rows"] > 0
        assert server.referee()["requests"] > 0 and llama.referee()["requests"] > 0
