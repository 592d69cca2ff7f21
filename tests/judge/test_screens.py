"""What the screens read of answers and names, what they keep in the warehouse, and what the judge makes of a firing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.judge.screens.families import family_of, match_served, match_student
from tasks.judge.screens.held import held
from tasks.judge.screens.look import Firing, Look
from tasks.judge.screens.policy import Screens
from tasks.judge.screens.records import Planned, Recorded, look_id, read_looks, settings_id, write_looks
from tasks.judge.screens.screening import standing
from tasks.judge.screens.watch import Watch, is_right
from warehouse.layout import DataRoot

AT = datetime(2026, 11, 21, tzinfo=UTC)
SCREENS = Screens.model_validate({"accuracy": {"window": 20}, "style": None})


def answer(number: int, right: bool = True, **fields: object) -> dict[str, Any]:
    row = {
        "teacher": "one", "prompt_id": f"p{number}", "question": "And?",
        "received_at": AT + timedelta(seconds=number), "outcome": "ok", "reasoning": "I add.",
        "answer": f"Answer: {number + (not right)}", "served_model": "m", "family": None, "verifier": "numeric",
        "reference": str(number), "metadata": None,
    }  # fmt: skip
    return row | fields


def test_a_canary_is_right_wrong_or_none() -> None:
    assert is_right(answer(7)) is True
    assert is_right(answer(7, right=False)) is False
    assert is_right(answer(7, outcome="refused", answer="I cannot.")) is False, "a refusal is no right answer"
    assert is_right(answer(7, reference=None)) is None, "the prompt is to blame"


def test_answers_that_a_cap_cut_off_are_not_counted() -> None:
    watch = Watch(SCREENS, {"one": Planned(100, 100)})
    watch.add(answer(number, outcome="truncated") for number in range(30))
    assert watch.end() == []


def test_a_watch_pauses_the_teacher_whose_screen_fires_and_no_other() -> None:
    watch = Watch(SCREENS, {"one": Planned(100, 100), "two": Planned(100, 100)})
    rows = [answer(n, right=n < 40, teacher="one") for n in range(80)]
    looks = watch.add([*rows, *(answer(n, teacher="two") for n in range(80))])
    assert [look.verdict for look in looks if look.teacher == "one"] == ["baseline", "passed", "fired"]
    assert watch.paused == {"one"}
    quiet = Watch(SCREENS.model_copy(update={"pause": ()}), {"one": Planned(100, 100)})
    quiet.add(rows)
    assert (quiet.paused, len(quiet.firings)) == (frozenset(), 1)


def looks_of(rows: list[dict[str, Any]]) -> list[Look]:
    return Watch(SCREENS, {"one": Planned(100, 100)}).add(rows)


def test_looks_come_back_as_they_were_written_and_are_kept_once(data_root: DataRoot) -> None:
    looks = looks_of([answer(n, right=n < 20 or n % 10 > 0) for n in range(60)])
    for _ in range(2):
        write_looks(data_root, "sums", "run-1", SCREENS, looks, AT)
    recorded = read_looks(data_root, "sums")
    assert [each.look for each in recorded] == looks
    again = Watch(SCREENS, {"one": Planned(100, 100)}, recorded)
    assert again.add([answer(n, right=False) for n in range(60)]) == [], "looked at before"


def test_a_firing_stands_until_it_is_acknowledged_or_the_settings_change(data_root: DataRoot) -> None:
    looks = looks_of([answer(n, right=n < 20) for n in range(40)])
    write_looks(data_root, "sums", "run-1", SCREENS, looks, AT)
    (firing,) = standing(data_root, "sums", SCREENS)
    assert firing.look == looks[-1]
    assert f"acknowledged: [{firing.look_id}]" in firing.line
    assert standing(data_root, "sums", SCREENS.model_copy(update={"acknowledged": (firing.look_id,)})) == ()
    assert standing(data_root, "sums", Screens.model_validate({"accuracy": {"window": 30}})) == ()
    assert standing(data_root, "sums", Screens.model_validate({"accuracy": None})) == ()
    assert standing(data_root, "other", SCREENS) == ()


def test_what_is_put_aside_begins_with_the_first_window_that_fired() -> None:
    look = looks_of([answer(n, right=n < 20) for n in range(40)])[-1]
    firing = Firing("0123456789ab", look, pauses=True)
    (row,) = held(SCREENS, [firing]).to_pylist()
    assert (row["teacher"], row["reason"], row["from_at"]) == ("one", "screen_accuracy", AT + timedelta(seconds=20))
    assert held(SCREENS.model_copy(update={"rows": "annotate"}), [firing]).num_rows == 0
    assert held(SCREENS, [Firing("0123456789ab", look, pauses=False)]).num_rows == 0


def test_ids_are_of_the_window_and_the_settings() -> None:
    look = looks_of([answer(n) for n in range(20)])[0]
    ours, other = settings_id(SCREENS, "accuracy"), settings_id(Screens(), "accuracy")
    assert look_id("sums", ours, look) == look_id("sums", ours, look) != look_id("sums", other, look)
    assert Recorded(look_id("sums", ours, look), ours, look).look_id.isalnum()


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Qwen/Qwen3-8B", "qwen"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "qwen"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "llama"),
        ("deepseek-reasoner", "deepseek"),
        ("openai/gpt-oss-120b", "gpt-oss"),
        ("mistralai/Mixtral-8x7B", "mistral"),
        ("nvidia/Llama-3.1-Nemotron-70B", None),
        ("my-model", None),
    ],
)
def test_a_name_says_its_family_or_nothing(model: str, family: str | None) -> None:
    assert family_of(model) == family


def test_teacher_and_student_of_one_family_are_noted() -> None:
    fired = match_student("one", "Qwen/Qwen3-32B", "Qwen/Qwen3-0.6B")
    assert (fired.verdict, "before and after" in fired.statistic) == ("fired", True)
    assert match_student("one", "Qwen/Qwen3-32B", "google/gemma-3-1b-it").verdict == "passed"
    assert match_student("one", "Qwen/Qwen3-32B", "tiny").verdict == "unknown"
    assert match_student("one", "Qwen/Qwen3-32B", None).verdict == "unknown"


def test_another_model_than_the_one_expected_is_noted() -> None:
    assert match_served("one", ["m"], {"m": 90, "m-mini": 10}).verdict == "fired"
    assert "m-mini (10)" in match_served("one", ["m"], {"m": 90, "m-mini": 10}).statistic
    assert match_served("one", ["m"], {"m": 90, None: 10}).verdict == "passed"
    assert match_served("one", ["m"], {None: 10}).verdict == "unknown"


@pytest.mark.parametrize(
    "wrong",
    [
        {"accuracy": {"baseline": 1.2}},
        {"accuracy": {"alpha": 0.5}},
        {"acknowledged": ["accuracy"]},
        {"pause": ["mood"]},
        {"watermark": {"key": 7}},
    ],
)
def test_a_screen_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Screens.model_validate(wrong)
