"""The public views: their columns are a promise, their rows are right where it is easy to be wrong."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from small_warehouse import (
    NOW,
    TEACHER,
    TERMS,
    attempt,
    decision,
    judge_run,
    plan,
    planned,
    prompt,
    small_root,
    trace,
    verdict,
    write,
)

from warehouse.catalog import connect, transaction
from warehouse.layout import DataRoot
from warehouse.records import content_id
from warehouse.views import PUBLIC_VIEWS

PINNED = Path(__file__).with_name("view_columns.txt")


def ask(root: DataRoot, sql: str) -> list[tuple[object, ...]]:
    with closing(connect(root)) as connection:
        return connection.execute(sql).fetchall()


def store(
    root: DataRoot,
    parts: Mapping[str, Sequence[Mapping[str, object]]] | None = None,
    tables: Mapping[str, Sequence[Mapping[str, object]]] | None = None,
    name: str = "one",
) -> None:
    files = [write(root, kind, name, rows) for kind, rows in (parts or {}).items()]
    with transaction(root, NOW, publish="now") as catalog:
        catalog.add_files(files)
        for table, rows in (tables or {}).items():
            catalog.insert(table, rows)


def statuses(root: DataRoot, dataset: str = "sums") -> list[object]:
    found = ask(root, f"select status from wanted where dataset = '{dataset}' order by prompt_id, sample_index")
    return [status for (status,) in found]


def columns(root: DataRoot) -> list[str]:
    found = ask(
        root,
        "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'main' "
        "and table_name in (select view_name from duckdb_views() where not internal) "
        "order by table_name, column_index",
    )
    return [" ".join(map(str, row)) for row in found]


def test_columns_and_types_of_every_view_are_as_promised(data_root: DataRoot) -> None:
    small_root(data_root)
    assert columns(data_root) == PINNED.read_text().splitlines()


def test_views_over_no_files_have_the_same_columns_and_types(data_root: DataRoot) -> None:
    store(data_root)
    assert columns(data_root) == PINNED.read_text().splitlines()
    for view in PUBLIC_VIEWS:
        assert ask(data_root, f"select * from {view}") == []


def test_every_view_and_every_column_says_what_it_is(data_root: DataRoot) -> None:
    small_root(data_root)
    bare = ask(
        data_root,
        "select view_name from duckdb_views() where schema_name = 'main' and not internal and comment is null",
    )
    bare += ask(
        data_root,
        "select table_name, column_name from duckdb_columns() where schema_name = 'main' and comment is null "
        "and table_name in (select view_name from duckdb_views() where not internal)",
    )
    assert bare == []


def test_funnel_accounts_for_every_row(data_root: DataRoot) -> None:
    small_root(data_root)
    assert ask(data_root, "select * exclude (plan_id, judge_run) from funnel order by dataset") == [
        # wanted: reused, answered, failed, maybe_paid, not_asked; kept, rejected, undecided, ..., unjudged, over_target
        ("echo", 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0),
        ("sums", 6, 0, 3, 1, 1, 1, 2, 1, 0, 0, 0, 0),
    ]


def test_funnel_counts_a_plan_that_wants_nothing(data_root: DataRoot) -> None:
    store(data_root, tables={"plan": [plan("sums", 0)]})
    assert ask(data_root, "select dataset, wanted, not_asked, unjudged from funnel") == [("sums", 0, 0, 0)]


def test_funnel_counts_what_the_target_of_the_last_recipe_leaves_unpublished(data_root: DataRoot) -> None:
    small_root(data_root)
    for number, target in enumerate(({"kept": 1}, None, {"kept": 1}), start=1):
        later = NOW + timedelta(hours=number)
        recipe = {"dataset": "sums", "target": target}
        row = {"run_id": f"late-{number}", "dataset": "sums", "flow": "distill", "recipe": recipe, "recipe_sha256": "0",
               "started_at": later, "ended_at": None, "state": "running", "simulated": True}  # fmt: skip
        store(data_root, tables={"run": [row]})
        over = ask(data_root, "select over_target from funnel where dataset = 'sums'")
        assert over == [(1 if target else 0,)], "two are kept"


def test_an_old_plan_wants_nothing(data_root: DataRoot) -> None:
    store(data_root, {"plans": [planned("sums", "1")]}, {"plan": [plan("sums", 1, is_current=False)]})
    assert statuses(data_root) == []
    assert ask(data_root, "select * from funnel") == []


def test_a_truncated_answer_is_wanted_again_once_the_cap_is_raised(data_root: DataRoot) -> None:
    tables = {"plan": [plan("sums", 1)]}
    cut = {"outcome": "truncated", "max_tokens": 50}
    parts = {
        "plans": [planned("sums", "1")],
        "ledger": [attempt("sums", "1", **cut)],
        "traces": [trace("1", **cut)],
    }
    store(data_root, parts, tables)
    assert statuses(data_root) == ["not_asked"]
    again = {
        "ledger": [attempt("sums", "1", 1, outcome="truncated")],
        "traces": [trace("1", 1, outcome="truncated")],
    }
    store(data_root, again, name="two")
    assert ask(data_root, "select status, trace_id, attempts from wanted") == [
        ("answered", content_id("trace", "1", 1), 2)
    ]


def test_the_finished_answer_wins_then_the_higher_cap_then_the_earlier(data_root: DataRoot) -> None:
    store(
        data_root,
        {
            "plans": [planned("sums", "1")],
            "ledger": [attempt("sums", "1", number) for number in range(5)],
            "traces": [
                trace("1", 0, outcome="refused", max_tokens=400),
                trace("1", 1, max_tokens=100),
                trace("1", 2, max_tokens=200, received_at=NOW + timedelta(minutes=9)),
                trace("1", 3, max_tokens=200),
                trace("1", 4, max_tokens=200),
            ],
        },
        {"plan": [plan("sums", 1)]},
    )
    assert ask(data_root, "select trace_id from wanted") == [(content_id("trace", "1", 3),)]


def test_an_interrupted_request_is_maybe_paid_until_it_is_answered(data_root: DataRoot) -> None:
    cut = attempt("sums", "1", state="maybe_paid", outcome="connection", received_at=None)
    store(data_root, {"plans": [planned("sums", "1")], "ledger": [cut]}, {"plan": [plan("sums", 1)]})
    assert statuses(data_root) == ["maybe_paid"]
    store(data_root, {"ledger": [attempt("sums", "1", 1)], "traces": [trace("1", 1)]}, name="two")
    assert statuses(data_root) == ["answered"]


def test_a_billed_reply_without_a_trace_is_failed(data_root: DataRoot) -> None:
    garbled = attempt("sums", "1", outcome="malformed", error="not JSON")
    store(data_root, {"plans": [planned("sums", "1")], "ledger": [garbled]}, {"plan": [plan("sums", 1)]})
    assert ask(data_root, "select status, outcome, error from wanted") == [("failed", "malformed", "not JSON")]


def test_an_answer_under_terms_that_no_longer_stand_is_not_one(data_root: DataRoot) -> None:
    parts = {"plans": [planned("sums", "1")], "ledger": [attempt("sums", "1")], "traces": [trace("1")]}
    store(data_root, parts, {"plan": [plan("sums", 1)], "decision": [decision()]})
    assert statuses(data_root) == ["answered"]
    newer = decision("other-terms", at=NOW + timedelta(days=1))
    store(data_root, tables={"decision": [newer]})
    assert statuses(data_root) == ["not_asked"]
    store(data_root, tables={"decision": [{**decision(at=NOW + timedelta(days=2)), "decision_id": "third"}]})
    assert statuses(data_root) == ["answered"]


def test_the_same_prompt_in_two_files_is_one_prompt(data_root: DataRoot) -> None:
    store(data_root, {"prompts": [prompt("1", source="b.jsonl"), prompt("2")]})
    store(data_root, {"prompts": [prompt("1", source="a.jsonl", source_row=7)]}, name="two")
    found = ask(data_root, "select question, source, source_row from prompts order by question")
    assert found == [("What is 1 + 1?", "a.jsonl", 7), ("What is 2 + 2?", "sums.jsonl", 1)]


def test_the_same_text_from_two_attempts_is_one_trace(data_root: DataRoot) -> None:
    same = {"trace_id": content_id("trace", "1", 0)}
    store(
        data_root,
        {
            "prompts": [prompt("1")],
            "plans": [planned("sums", "1")],
            "ledger": [attempt("sums", "1", 0), attempt("sums", "1", 1)],
            "traces": [trace("1", 1, **same), trace("1", 0)],
            "verdicts": [verdict("sums", "1", "kept", None)],
        },
        {"plan": [plan("sums", 1)], "judge_run": [judge_run("sums", 1, 1)]},
    )
    assert ask(data_root, "select attempt_id from traces") == [(content_id("attempt", "1", 0),)]
    assert ask(data_root, "select count(*) from kept") == [(1,)]


def test_kept_and_rejected_show_the_current_judging_only(data_root: DataRoot) -> None:
    small_root(data_root)
    before = ask(data_root, "select question, reasoning, answer, reference from kept order by question")
    assert before == [
        ("What is 1 + 1?", "I add 1 and 1.", "It is 11.", "1"),
        ("What is 2 + 2?", "I add 2 and 2.", "It is 22.", "2"),
    ]
    assert ask(data_root, "select answer, reason, rule, details from rejected") == [
        ("It is 33.", "wrong_answer", "verify", "expected 3, found 33")
    ]
    with transaction(data_root, NOW, publish="now") as catalog:
        catalog.execute("update store.judge_run set is_current = false where dataset = ?", ["sums"])
    assert ask(data_root, "select count(*) from kept") == [(0,)]
    assert ask(data_root, "select count(*), bool_or(is_current) from verdicts") == [(3, False)]
    assert ask(data_root, "select answered, kept, unjudged from funnel where dataset = 'sums'") == [(3, 0, 3)]


def test_spend_holds_maybe_paid_at_its_worst_and_counts_what_has_no_price(data_root: DataRoot) -> None:
    small_root(data_root)
    free = attempt("sums", "6", 60 * 24, cost_usd=None)
    store(data_root, {"ledger": [free]}, name="later")
    counts = "requests, paid, failed, maybe_paid, usd, unpriced, maybe_paid_worst_tokens, maybe_paid_worst_usd"
    assert ask(data_root, f"select day::varchar, {counts} from spend order by day") == [
        ("2026-11-21", 5, 3, 1, 1, 0.75, 0, 110, 1.0),
        ("2026-11-22", 1, 1, 0, 0, 0.0, 1, 0, 0.0),
    ]


def test_lineage_walks_both_ways(data_root: DataRoot) -> None:
    small_root(data_root)
    forth = ask(
        data_root,
        "select version, shard, row_index, trace_id, attempt_id, decision_id, weights_license, reviewed_by "
        "from lineage where student_run_id = 'student-1'",
    )
    first = content_id("trace", "1", 0)
    assert forth == [
        (
            "sums@2026.11.21.1",
            "train-00000-of-00001.parquet",
            0,
            first,
            content_id("attempt", "1", 0),
            "decision-ask",
            "Apache-2.0",
            "A. Reviewer",
        )
    ]
    back = ask(
        data_root,
        f"select distinct student_run_id from lineage where terms_sha256 = '{TERMS}' and version is not null",
    )
    assert back == [("student-1",)]
    assert ask(data_root, "select count(*) from lineage where version is null") == [(2,)]


def test_lineage_by_teacher_says_what_each_teachers_terms_have_reached(data_root: DataRoot) -> None:
    small_root(data_root)
    version, other = "sums@2026.11.21.1", {"teacher": "other", "terms_id": "other", "terms_sha256": content_id("other")}
    shard = {"version": version, "split": "train", "bytes": 9, "sha256": "0", "rows": 2}
    shards = [{**shard, "shard": f"train-{n}.parquet", **other} for n in range(2)]
    heldout = {**shard, "shard": "heldout-0.parquet", "split": "heldout", **dict.fromkeys(other)}
    with transaction(data_root, NOW, publish="now") as catalog:
        catalog.insert("shard", [*shards, heldout])
        catalog.execute("update store.version set train_rows = 5")
    found = ask(
        data_root,
        "select teacher, outputs_trainable, version, shards, rows, share, student_run_id from lineage_by_teacher "
        "order by rows",
    )
    assert found == [
        (TEACHER, "yes", version, 1, 1, 0.2, "student-1"),
        ("other", None, version, 2, 4, 0.8, "student-1"),
    ]


def test_what_teachers_have_reached_is_read_from_a_table_and_new_after_each_publication(data_root: DataRoot) -> None:
    small_root(data_root)
    reads = "explain select student_state from lineage_by_teacher"
    for state in ("done", "tainted"):
        with transaction(data_root, NOW, publish="now") as catalog:
            catalog.execute("update store.student_run set state = ?", [state])
        assert ask(data_root, "select student_state from lineage_by_teacher") == [(state,)]
        [(_, plan_of)] = ask(data_root, reads)
        assert "store.current_reach" in str(plan_of) and "Join" not in str(plan_of)


def test_provenance_tells_where_each_trace_came_from_and_whose_duplicates_it_stands_for(data_root: DataRoot) -> None:
    small_root(data_root)
    watermarked = {"teacher": {"watermark": {"status": "declared"}}}
    with transaction(data_root, NOW, publish="now") as catalog:
        catalog.execute("update store.decision set record = ?", [json.dumps(watermarked)])
        catalog.execute("update store.run set recipe = ?", [json.dumps({"sampling": {"temperature": 0.7}})])
    found = ask(
        data_root,
        "select prompt_license, prompt_source_row, watermark, sampling, response_sha256, stands_for from provenance "
        f"where trace_id = '{content_id('trace', '2', 0)}'",
    )
    body = hashlib.sha256(b'{"choices": []}').hexdigest()
    assert found == [("MIT", 2, "declared", '{"temperature":0.7}', body, [content_id("trace", "3", 0)])]
    assert ask(data_root, "select count(*), count(distinct trace_id) from provenance") == [(3, 3)]


def test_teachers_shows_each_entry_as_it_was_last_seen(data_root: DataRoot) -> None:
    def entry(url: str, minutes: int) -> dict[str, object]:
        return {
            "teacher": TEACHER,
            "model": "m",
            "route": "simulated",
            "base_url": url,
            "simulated": True,
            "entry": {"base_url": url},
            "seen_at": NOW + timedelta(minutes=minutes),
        }

    for minutes, url in enumerate(("http://a", "http://b", "http://a")):
        store(data_root, tables={"teacher": [entry(url, minutes)]})
    assert ask(data_root, "select base_url, seen_at from teachers") == [("http://a", NOW + timedelta(minutes=2))]


@pytest.mark.parametrize("folder", ["it's here", "glob [a-z]*", "ünïcode", 'quote"d'])
def test_views_read_files_under_any_folder_name(tmp_path: Path, folder: str) -> None:
    root = DataRoot(tmp_path / folder).create()
    small_root(root)
    assert ask(root, "select count(*) from kept") == [(2,)]


def test_a_part_that_is_not_listed_does_not_exist(data_root: DataRoot) -> None:
    small_root(data_root)
    listed = write(data_root, "prompts", "stray", [prompt("9")])
    assert ask(data_root, "select count(*) from prompts") == [(6,)]
    with transaction(data_root, NOW, publish="now") as catalog:
        catalog.add_files([listed, dataclasses.replace(listed)])
    assert ask(data_root, "select count(*) from prompts") == [(7,)]


def test_parts_of_before_a_column_was_added_are_read_beside_later_ones(data_root: DataRoot) -> None:
    later = write(data_root, "traces", "later", [trace("2", resampled=True, continues="a-1")])
    earlier = write(data_root, "traces", "earlier", [trace("1")])
    path = data_root.path / earlier.path
    pq.write_table(pq.read_table(path).drop_columns(["resampled", "continues"]), path)
    with transaction(data_root, NOW, publish="now") as catalog:
        catalog.add_files([earlier, later])
        catalog.execute(
            "update store.file set layout = null where path = ?", [earlier.path]
        )  # as it was before layouts
    found = ask(data_root, "select answer, resampled, continues from traces")
    assert sorted(found) == [("It is 11.", None, None), ("It is 22.", True, "a-1")]


def test_lengths_tell_what_drawing_again_has_shortened(data_root: DataRoot) -> None:
    cut = {"outcome": "truncated", "completion_tokens": 100}
    again = {"resampled": True, "completion_tokens": 40, "max_tokens": 200}
    parts = {
        "plans": [planned("sums", name, max_tokens=200) for name in "12"],
        "ledger": [
            attempt("sums", "1", **cut),
            attempt("sums", "1", 1, **again),
            attempt("sums", "2", completion_tokens=60),
        ],
        "traces": [trace("1", **cut), trace("1", 1, **again), trace("2", completion_tokens=60)],
    }
    store(data_root, parts, {"plan": [plan("sums", 2)]})
    sql = "select answers, resampled, continued, mean_tokens, first_mean_tokens, shift from lengths"
    assert ask(data_root, sql) == [(2, 1, 0, 50.0, 80.0, -0.375)]
