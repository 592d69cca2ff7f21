"""Answers of another model, another fingerprint, or with a summary where raw reasoning was promised are put aside."""

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from tasks.judge.screens.held import held
from tasks.judge.screens.identity import Arrived, identify
from tasks.judge.screens.look import Firing
from tasks.judge.screens.policy import Screens
from tasks.judge.screens.records import look_id, read_arrived, settings_id

AT = datetime(2026, 11, 22, tzinfo=UTC)


def arrived(
    number: int, model: str | None = "m", fingerprint: str | None = None, reasoning: str | None = None
) -> Arrived:
    return Arrived(f"t{number}", AT + timedelta(seconds=number), model, fingerprint, reasoning)


def test_answers_that_are_as_expected_pass_and_silent_ones_say_nothing() -> None:
    good, deviations = identify(
        "one", ["m", "m-2"], "raw", [arrived(1, fingerprint="a"), arrived(2, "m-2"), arrived(3, None)]
    )
    assert good is not None and (good.verdict, good.n, deviations) == ("passed", 3, [])
    assert good.statistic == "served as m, m-2, fingerprint a"
    silent, _ = identify("one", ["m"], "raw", [arrived(1, None)])
    assert silent is not None and (silent.verdict, silent.statistic) == ("unknown", "no response names its model")
    assert identify("one", ["m"], "raw", []) == (None, [])


def test_each_way_of_deviating_is_a_look_of_its_own_and_names_its_answers() -> None:
    answers = [
        arrived(1, fingerprint="a"),
        arrived(2, "m-mini", fingerprint="a"),
        arrived(3, fingerprint="b"),
        arrived(4, fingerprint="b"),
        arrived(5, fingerprint="c"),
        arrived(6, fingerprint="a", reasoning="summary"),
        arrived(7, fingerprint="a"),
    ]
    good, deviations = identify("one", ["m"], "raw", answers)
    assert good is not None and good.n == 2
    assert [(each.look.statistic, each.traces) for each in deviations] == [
        ("served as m-mini, not as m", ("t2",)),
        ("system fingerprint b, and a before", ("t3", "t4")),
        ("system fingerprint c, and a before", ("t5",)),
        ("reasoning comes as summary, and the registry says raw", ("t6",)),
    ]
    assert {each.look.verdict for each in deviations} == {"fired"}
    assert (deviations[1].look.from_at, deviations[1].look.n) == (AT + timedelta(seconds=3), 2)


@pytest.mark.parametrize("promised", ["summary", "encrypted", "none", "unknown"])
def test_a_summary_is_a_fault_only_where_raw_was_promised(promised: str) -> None:
    _, deviations = identify("one", ["m"], promised, [arrived(1, reasoning="summary")])
    assert deviations == []


def test_an_acknowledged_deviation_keeps_its_id_as_answers_are_added_and_another_has_another() -> None:
    def ids(*answers: Arrived) -> list[str]:
        screens = Screens()
        found = identify("one", ["m"], "raw", answers)[1]
        return [look_id("sums", settings_id(screens, "identity"), each.look) for each in found]

    once = ids(arrived(1, "x"))
    assert ids(arrived(1, "x"), arrived(2, "x")) == once
    assert ids(arrived(1, "x"), arrived(2, "y"))[0] == once[0] and len(ids(arrived(1, "x"), arrived(2, "y"))) == 2


def test_answers_that_deviate_are_held_with_the_reason_unless_rows_are_only_annotated() -> None:
    (deviation,) = identify("one", ["m"], "raw", [arrived(1), arrived(2, "x")])[1]
    firing = Firing("abc123", deviation.look, False, dict.fromkeys(deviation.traces, deviation.look.statistic))
    (row,) = held(Screens(), [firing]).to_pylist()
    assert (row["trace_id"], row["reason"]) == ("t2", "screen_identity")
    assert row["details"] == "served as x, not as m (look abc123)"
    assert "of one a screen has fired: screen identity fired" in firing.line and "[abc123]" in firing.line
    assert held(Screens(rows="annotate"), [firing]).num_rows == 0


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"reasoning_details":[{"type":"reasoning.summary","summary":"short"}]}', "summary"),
        (b'{"reasoning_details":[{"type": "reasoning.encrypted", "data": "=="}]}', "encrypted"),
        (b'{"reasoning_details":[{"type":"reasoning.text","text":"2+2"}]}', None),
        (b'{"content":"say \\"type\\":\\"reasoning.summary\\" twice"}', None),
        (b"\xff\xfe no text at all", None),
        (None, None),
    ],
)
def test_what_a_response_calls_its_reasoning_is_read_from_its_own_json(body: bytes | None, kind: str | None) -> None:
    with duckdb.connect() as connection:
        connection.execute("create table wanted as select 'sums' as dataset, 't1' as trace_id")
        connection.execute("create table attempts as select 'a1' as attempt_id, ?::blob as body", [body])
        connection.execute(
            "create table traces as select 't1' as trace_id, 'a1' as attempt_id, 'one' as teacher, ? as received_at,"
            " 'm' as served_model, 'fp' as system_fingerprint",
            [AT],
        )
        for with_reasoning, expected in ((True, kind), (False, None)):
            (read,) = read_arrived(connection, "sums", "one", with_reasoning)
            assert (read.trace_id, read.served_model, read.fingerprint, read.reasoning) == ("t1", "m", "fp", expected)
