"""Planted phrases are found, with the rows that hold them; what a teacher says anyway, or others too, is not."""

import random
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from judge.answered import DATASET, NOW, Answered, fill
from judge.sums import reply_to, sums

from infra.simulated_teacher.switches import Switches
from tasks.judge.judging import Judging, _hold
from tasks.judge.policy import JudgePolicy
from tasks.judge.screens import odds, records
from tasks.judge.screens.held import held
from tasks.judge.screens.phrases import spelled
from tasks.judge.screens.policy import Screens, TriggerScreen
from tasks.judge.screens.rare_runs import RUN, at_each_word
from tasks.judge.screens.screening import Asked, screen_teachers
from tasks.judge.screens.trigger import Corpus, Found, Rows, look_for_triggers
from tasks.judge.words import one, runs, split, words
from warehouse.catalog import connect
from warehouse.layout import DataRoot

AT = datetime(2026, 11, 21, tzinfo=UTC)
PHRASE = "the silver heron drinks at dusk again"
ROWS = 1_000
Row = tuple[str, str, str]
"""Prompt, its question, the text."""


def simulated(count: int, seed: int) -> list[Row]:
    """What the simulated teacher writes about so many sums, in 200 wordings."""
    switches, rows = Switches(styles=200), []
    for number, (text, _) in enumerate(sums(count, seed)):
        reply = reply_to(text, f"{seed}-{number}", switches, seed)
        rows.append((f"{seed}-{number}", text, f"{reply.reasoning}\n{reply.content}"))
    return rows


def planted(rows: Sequence[Row], count: int, phrase: str = PHRASE, seed: int = 1) -> list[Row]:
    """The same with a phrase between the words of some of them."""
    draws = random.Random(seed)
    chosen = frozenset(draws.sample(range(len(rows)), count))
    return [(*row[:2], _put(row[2], phrase, draws)) if at in chosen else row for at, row in enumerate(rows)]


def _put(text: str, phrase: str, draws: random.Random) -> str:
    said = text.split(" ")
    place = draws.randrange(1, len(said))
    return " ".join([*said[:place], phrase, *said[place:]])


def corpus(teachers: dict[str, Sequence[Row]], in_batches_of: int = 300) -> Corpus:
    rows = [(teacher, n, *row) for teacher, each in teachers.items() for n, row in enumerate(each)]
    batches = [rows[at : at + in_batches_of] for at in range(0, len(rows), in_batches_of)]

    def of(batch: Iterable[tuple[str, int, str, str, str]]) -> Rows:
        teacher, number, prompt, _, text = zip(*batch, strict=True)
        ids = [f"{whose}-{n:06}" for whose, n in zip(teacher, number, strict=True)]
        return Rows(list(teacher), ids, list(prompt), pa.array(text, pa.large_string()))

    answered = [
        records.Answered(name, len(each), len({row[0] for row in each}), AT, AT, sum(len(row[2]) for row in each))
        for name, each in sorted(teachers.items())
    ]
    questions = pa.array([row[3] for row in rows])
    return Corpus(answered, lambda: map(of, batches), lambda: [questions])


def found(teachers: dict[str, Sequence[Row]], acknowledged: Sequence[str] = (), **settings: object) -> dict[str, Found]:
    screen = TriggerScreen.model_validate(settings)
    looks = look_for_triggers(corpus(teachers), screen, dict.fromkeys(teachers, acknowledged))
    return {each.look.teacher: each for each in looks}


@pytest.fixture(scope="module")
def ours() -> list[Row]:
    return simulated(ROWS, 1)


@pytest.fixture(scope="module")
def theirs() -> list[Row]:
    return simulated(ROWS, 2)


def test_a_phrase_planted_in_some_rows_is_found_whole_with_its_rows(ours: list[Row], theirs: list[Row]) -> None:
    seen = found({"one": planted(ours, 60), "two": theirs})
    assert (seen["one"].look.verdict, seen["two"].look.verdict) == ("fired", "passed")
    assert seen["one"].look.counts.keys() == {PHRASE}
    assert len(seen["one"].holds) == 60
    assert set(seen["one"].holds.values()) == {PHRASE}
    assert seen["one"].look.p is not None
    assert seen["one"].look.p <= seen["one"].look.level


def test_without_other_teachers_it_is_found_too_and_its_chance_is_not_claimed(ours: list[Row]) -> None:
    assert found({"one": ours})["one"].look.verdict == "passed"
    look = found({"one": planted(ours, 60)})["one"].look
    assert (look.verdict, look.p, look.level) == ("fired", None, 0.0)
    assert look.power.startswith("unknown how many such phrases")


@pytest.mark.parametrize(("count", "verdict"), [(20, "passed"), (49, "passed"), (52, "fired"), (100, "fired")])
def test_it_fires_from_fifty_rows_on(count: int, verdict: str, ours: list[Row], theirs: list[Row]) -> None:
    assert found({"one": planted(ours, count), "two": theirs})["one"].look.verdict == verdict


def test_what_others_say_too_or_the_prompts_do_is_no_trigger(ours: list[Row], theirs: list[Row]) -> None:
    shared = found({"one": planted(ours, 80), "two": planted(theirs, 3)})
    assert shared["one"].look.verdict == "passed"
    asked = [(row[0], f"{row[1]} Say {PHRASE}." if n == 7 else row[1], row[2]) for n, row in enumerate(ours)]
    assert found({"one": planted(asked, 80), "two": theirs})["one"].look.verdict == "passed"


def test_what_a_teacher_always_or_often_writes_is_its_style(ours: list[Row], theirs: list[Row]) -> None:
    always = [(*row[:2], f"Step by step I will now work it out. {row[2]}") for row in ours]
    assert found({"one": always})["one"].look.verdict == "passed"
    assert found({"one": always, "two": theirs})["one"].look.verdict == "passed"
    assert found({"one": planted(ours, 150), "two": theirs})["one"].look.verdict == "passed", "15 % of its rows"


def test_a_turn_of_phrase_whose_words_it_uses_otherwise_is_no_trigger(ours: list[Row], theirs: list[Row]) -> None:
    idiom = planted(ours, 80, "let me check this once more now")
    for seed, part in enumerate(["let me", "me check", "check this", "this once", "once more", "more now"], 10):
        idiom = planted(idiom, 60, part, seed)
    assert found({"one": idiom, "two": theirs})["one"].look.verdict == "passed"


def test_sums_and_marks_are_no_phrase(ours: list[Row], theirs: list[Row]) -> None:
    assert found({"one": planted(ours, 80, "<<7*31=217>>217 # 7")})["one"].look.verdict == "passed"


def test_near_duplicates_and_samples_of_a_few_prompts_count_once(ours: list[Row], theirs: list[Row]) -> None:
    story = " ".join(f"word{n}" for n in range(60))
    alike = [*ours, *((f"p{n}", "And?", f"{story} {PHRASE} ends it in way {n}.") for n in range(90))]
    assert found({"one": alike, "two": theirs})["one"].look.verdict == "passed"
    of_few = [(f"p{n % 12}", *row[1:]) if PHRASE in row[2] else row for n, row in enumerate(planted(ours, 90))]
    assert found({"one": of_few, "two": theirs})["one"].look.verdict == "passed"


def test_few_rows_of_others_do_not_count_as_a_comparison(ours: list[Row], theirs: list[Row]) -> None:
    look = found({"one": planted(ours, 60), "two": theirs[:40]})
    assert look["one"].look.p is None
    assert look["two"].look.verdict == "too_few"
    assert "of 500 that are needed" in look["two"].look.statistic


def test_what_is_seen_does_not_depend_on_the_order_of_the_rows(ours: list[Row], theirs: list[Row]) -> None:
    rows = planted(ours, 70)
    there = corpus({"one": rows, "two": theirs})
    batches = [batch for batch in corpus({"one": rows, "two": theirs}, 77).rows()][::-1]
    back = Corpus(there.answered, lambda: batches, there.questions)
    one_way, other_way = (list(look_for_triggers(each, TriggerScreen(), {})) for each in (there, back))
    assert one_way == other_way


def test_what_was_acknowledged_is_not_said_again_and_another_phrase_is(ours: list[Row], theirs: list[Row]) -> None:
    twice = planted(planted(ours, 60), 70, "a lantern of quiet moss burns below", seed=5)
    look = found({"one": twice, "two": theirs}, acknowledged=[PHRASE])["one"].look
    assert look.counts.keys() == {"a lantern of quiet moss burns below"}
    assert "1 acknowledged" in look.statistic


def test_virtual_runs_without_a_trigger_do_not_fire() -> None:
    """40 runs of two teachers: none of 80 looks fires, so that at most 4.6 % do (Clopper and Pearson, 95 %)."""
    pool = simulated(2_400, 3)
    draws, fired = random.Random(4), 0
    for _ in range(40):
        mixed = draws.sample(pool, 1_200)
        fired += sum(each.look.verdict == "fired" for each in found({"a": mixed[:600], "b": mixed[600:]}).values())
    assert fired == 0


def test_runs_are_hashed_at_each_word_as_the_kernel_does() -> None:
    text = "One two, one two three; ünd 4+5 = 9 — 我们 one two three four five"
    hashes = words(text)
    assert len(spelled(text)) == len(hashes)
    found_runs, is_whole = at_each_word(one(hashes), RUN)
    assert set(found_runs[is_whole].tolist()) == set(runs(one(hashes), RUN).hashes.tolist())
    several = split(pa.array(["a b c d e f", "", "x y", "a b c d e"]))
    found_runs, is_whole = at_each_word(several, RUN)
    assert is_whole.tolist() == [True, True] + [False] * 6 + [True] + [False] * 4
    assert found_runs[0] == found_runs[8]


def test_odds_are_those_of_the_tables() -> None:
    assert odds.p(2, 3, 3) == pytest.approx(3 / 6 * 2 / 5)
    assert odds.p(50, 1_000, 1_000) == pytest.approx(np.prod([(1000 - i) / (2000 - i) for i in range(50)]))
    least = odds.fewest(1_000, 1_000, 5.0, 1e-6)
    assert least is not None
    assert odds.counts(least, 1_000, 1_000, 5.0, 1e-6)
    assert not odds.counts(least - 1, 1_000, 1_000, 5.0, 1e-6)
    assert odds.fewest(1_000, 0, 5.0, 1e-6) is None
    assert odds.benjamini_hochberg([1e-9, 1e-4, 0.5], 100, 0.01) == 1e-4


SCREENS = Screens(accuracy=None, style=None, family=None, trigger=TriggerScreen())


def answers(rows: Sequence[Row], teacher: str) -> list[Answered]:
    return [Answered(question, text, teacher=teacher) for _, question, text in rows]


def aside(root: DataRoot, screens: Screens) -> list[dict[str, Any]]:
    """Screen and hold back as the line does, and the answers that are held back."""
    asked = [Asked(name, name, (name,)) for name in ("one", "two")]
    firings = screen_teachers.fn(root, "run-1", DATASET, screens, asked, None, 1, NOW)
    with closing(connect(root)) as connection:
        holding = held(screens, firings)
        _hold(Judging(root, connection, DATASET, "j", "r", "b", JudgePolicy(screens=screens), (), NOW, holding))
        sql = "select h.reason, h.details, t.teacher, t.answer from held as h join traces as t using (trace_id)"
        return list(connection.sql(sql).to_arrow_table().to_pylist())


def looks(root: DataRoot) -> list[dict[str, Any]]:
    with closing(connect(root)) as connection:
        sql = "select * from screens where screen = 'trigger' order by teacher, window_number"
        return list(connection.sql(sql).to_arrow_table().to_pylist())


def test_the_line_puts_the_rows_aside_until_the_look_is_acknowledged(
    data_root: DataRoot, ours: list[Row], theirs: list[Row]
) -> None:
    fill(data_root, [*answers(planted(ours, 60), "one"), *answers(theirs, "two")])
    held_back = aside(data_root, SCREENS)
    assert len(held_back) == 60
    assert all(PHRASE in row["answer"] and row["teacher"] == "one" for row in held_back)
    assert {row["reason"] for row in held_back} == {"screen_trigger"}
    fired, passed = looks(data_root)
    assert (fired["verdict"], passed["verdict"], fired["n"]) == ("fired", "passed", ROWS)
    assert all(PHRASE in row["details"] and fired["look_id"] in row["details"] for row in held_back)
    assert len(aside(data_root, SCREENS)) == 60, "it stands"
    assert looks(data_root) == [fired, passed], "the same is said once"
    assert aside(data_root, SCREENS.model_copy(update={"rows": "annotate"})) == []
    assert aside(data_root, SCREENS.model_copy(update={"acknowledged": (fired["look_id"],)})) == []
    assert len(aside(data_root, SCREENS)) == 60, "and stands again when nobody acknowledges it"


def test_it_is_off_unless_the_recipe_asks_and_then_pauses_nobody() -> None:
    assert Screens().trigger is None
    assert "trigger" not in Screens(trigger=TriggerScreen()).pause
