"""`still sql` and `still show`: rows for a right question, one line for a wrong one."""

import pytest
from small_warehouse import NOW, small_root, trace, write

from warehouse.catalog import transaction
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.query import run_query, show_trace
from warehouse.records import content_id


@pytest.fixture
def small(data_root: DataRoot) -> DataRoot:
    return small_root(data_root)


def test_a_query_gives_a_table(small: DataRoot) -> None:
    found = run_query(small, "select dataset, wanted, kept from funnel order by dataset desc")
    assert found.to_pylist() == [
        {"dataset": "sums", "wanted": 6, "kept": 2},
        {"dataset": "echo", "wanted": 1, "kept": 0},
    ]


def test_several_statements_give_the_last_ones_rows(small: DataRoot) -> None:
    assert run_query(small, "create temp table t as select 7 as a; select * from t").to_pylist() == [{"a": 7}]


@pytest.mark.parametrize("sql", ["", "set threads = 1"])
def test_a_statement_without_rows_gives_an_empty_table(small: DataRoot, sql: str) -> None:
    assert run_query(small, sql).num_rows == 0


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("selec 1", "Parser Error"),
        ("select * from trace", "Table with name trace does not exist"),
        ("select 1 / 'a'", "Conversion Error"),
        ("delete from store.run", "read-only"),
        ("select error('late') from prompts", "late"),
    ],
)
def test_a_wrong_query_is_one_line(small: DataRoot, sql: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        run_query(small, sql)
    assert str(caught.value).startswith("the query failed: ") and "\n" not in str(caught.value)


def test_a_trace_is_shown_with_its_whole_story(small: DataRoot) -> None:
    first = content_id("trace", "1", 0)
    story = show_trace(small, first[:8])
    parts = ["trace", "prompt", "attempt", "terms", "verdicts", "rules", "duplicates", "similar", "lineage"]
    assert list(story) == parts
    assert story["trace"]["trace_id"] == first  # type: ignore[index]
    assert story["prompt"]["question"] == "What is 1 + 1?"  # type: ignore[index]
    assert story["attempt"]["status"] == 200 and "body" not in story["attempt"]  # type: ignore[index,operator]
    assert [row["outcome"] for row in story["verdicts"]] == ["kept"]  # type: ignore[attr-defined]
    assert [row["student_run_id"] for row in story["lineage"]] == ["student-1"]  # type: ignore[attr-defined]


def test_a_trace_is_shown_with_its_terms_its_rules_and_what_it_is_like(small: DataRoot) -> None:
    story = show_trace(small, content_id("trace", "3", 0))
    assert story["terms"]["reviewed_by"] == "A. Reviewer"  # type: ignore[index]
    assert [row["judge_run"] for row in story["rules"]] == ["judge-sums"]  # type: ignore[attr-defined]
    assert [row["trace_id"] for row in story["similar"]] == [content_id("trace", "2", 0)]  # type: ignore[attr-defined]


def test_a_trace_without_prompt_or_verdict_is_shown(small: DataRoot) -> None:
    with transaction(small, NOW) as catalog:
        catalog.add_files([write(small, "traces", "lone", [trace("9")])])
    story = show_trace(small, content_id("trace", "9", 0))
    assert (story["prompt"], story["attempt"], story["verdicts"]) == (None, None, [])


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("", "not the beginning of a trace id"),
        ("xyz", "not the beginning of a trace id"),
        ("0000000000", "no trace begins with 0000000000: `still sql"),
    ],
)
def test_an_unknown_trace_is_bad_input(small: DataRoot, prefix: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        show_trace(small, prefix)


def test_a_prefix_of_two_traces_asks_for_more(small: DataRoot) -> None:
    twins = [trace("7", trace_id="abc1" + "0" * 28), trace("8", trace_id="abc2" + "0" * 28)]
    with transaction(small, NOW) as catalog:
        catalog.add_files([write(small, "traces", "twins", twins)])
    with pytest.raises(BadInput, match="more than one trace begins with abc .*: give more digits"):
        show_trace(small, "abc")
    assert show_trace(small, "abc1")["prompt"] is None
