"""What is named: read strictly, hashed into the recall's id; and marks, by which texts are found again."""

import json
from contextlib import closing
from datetime import timedelta

import pytest
from judge.answered import NOW, Answered, fill

from tasks.recall.marks import WIDTH, Seeker, marks_of
from tasks.recall.reach import fill as fill_reach
from tasks.recall.reach import reach
from tasks.recall.selection import Selection, from_dict, select
from tasks.recall.statements import rows
from warehouse.catalog import connect
from warehouse.errors import BadInput
from warehouse.layout import DataRoot

TEXT = "The baker sells nine loaves in the morning and four more in the afternoon."


def test_the_same_selection_is_the_same_recall_and_another_is_another() -> None:
    one = select(teacher="a", since="2026-11-21")
    assert one.recall_id == select(teacher="a", since="2026-11-21T00:00:00+00:00").recall_id
    assert one.recall_id == from_dict(json.loads(json.dumps(one.as_dict()))).recall_id
    assert len({one.recall_id, select(teacher="a").recall_id, select(route="a").recall_id}) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "nothing was named"),
        ({"since": "yesterday"}, "--from yesterday is no time"),
        ({"traces": ["", "  "]}, "names a file without a trace id"),
        ({"traces": ["0" * 32, "0123abcd"]}, "holds '0123abcd', which is no trace id"),
        ({"teacher": " "}, "--teacher is empty"),
        ({"since": "2026-11-22", "until": "2026-11-21"}, "--from 2026-11-22 is not before --to 2026-11-21"),
    ],
)
def test_what_cannot_be_read_is_bad_input(given: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        select(**given)


def test_only_a_teacher_a_route_or_terms_alone_are_denied() -> None:
    assert select(teacher="a").denies and select(route="r", terms="t").denies
    narrower = [{"since": "2026-11-21"}, {"decision": "d"}, {"prompt_source": "s"}, {"traces": ["0" * 32]}]
    assert not any(select(teacher="a", **more).denies for more in narrower)


@pytest.mark.parametrize(
    "written", [TEXT, json.dumps({"a": f"\n{TEXT}\t"}), f"<p>{TEXT}</p>", f"{'x' * 5_000_000}{TEXT}"]
)
def test_a_text_is_found_in_whichever_form_it_lies(written: str) -> None:
    marks = marks_of([TEXT])
    assert marks and Seeker(marks).found(written.encode()) == set(marks)
    assert Seeker(marks).found(written.replace("loaves", "rolls").encode()) == set()


def test_a_text_without_a_long_plain_stretch_has_no_mark_and_short_files_hold_none() -> None:
    assert marks_of(["42", None, 'a "quoted" <word> & more']) == []
    assert Seeker(marks_of([TEXT])).found(TEXT.encode()[: WIDTH - 1]) == set()
    assert Seeker([]).found(TEXT.encode()) == set()


ASKED = [Answered(f"Question {n}?", f"Answer {n}.", teacher="one") for n in range(4)]
OTHER = Answered("Question 9?", "Answer 9.", teacher="other")


def withdrawn(root: DataRoot, selection: Selection) -> set[tuple[str, str | None]]:
    with closing(connect(root)) as connection:
        fill_reach(connection, root, selection)
        found = rows(connection, "select reach, coalesce(attempt_id, prompt_id) as key from withdrawn")
    return {(row["reach"], row["key"]) for row in found}


def test_questions_that_show_recalled_answers_go_with_their_replies_and_others_stay(data_root: DataRoot) -> None:
    def question(name: str, *judges: Answered) -> Answered:
        metadata = json.dumps({"judges": [each.trace_id for each in judges]})
        return Answered(name, "Answer: correct", teacher="judge", metadata=metadata)

    shown, mixed = question("Is answer 0 right?", ASKED[0]), question("And these?", ASKED[1], OTHER)
    written = Answered("By one?", "Yes.", teacher="other", metadata='{"written_by": "one"}')
    fill(data_root, [*ASKED, OTHER, shown, mixed, written])
    found = withdrawn(data_root, select(teacher="one"))
    assert found == {("selected", a.attempt_id) for a in ASKED} | {
        ("prompt", shown.prompt_id), ("answered", shown.attempt_id),
        ("prompt", written.prompt_id), ("answered", written.attempt_id),
    }  # fmt: skip


def test_times_hold_from_the_first_on_and_before_the_second(data_root: DataRoot) -> None:
    fill(data_root, [*ASKED, OTHER])
    came = NOW + timedelta(seconds=1)
    assert reach(data_root, select(since=came.isoformat())).attempts == 5
    assert reach(data_root, select(until=came.isoformat())).attempts == 0
    assert reach(data_root, select(teacher="other", since=came.isoformat())).attempts == 1


def test_the_prompts_of_a_source_go_with_every_answer_to_them(data_root: DataRoot) -> None:
    fill(data_root, [*ASKED, OTHER])
    found = reach(data_root, select(prompt_source="made"))
    assert (found.attempts, found.prompts) == (5, 5)
    assert reach(data_root, select(prompt_source="mad")).attempts == 0
