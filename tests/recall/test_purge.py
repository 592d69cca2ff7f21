"""What is purged is in no file, and the search that says so finds it wherever it is put back."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from publish.kept_answers import Answer
from recall.drilled import EARLY, LATE, SAME, SHARED, Drill, copy

from flows.recall import apply, delete
from tasks.recall.reach import reach
from tasks.recall.selection import select
from tasks.recall.verify import verify
from warehouse.errors import BadInput
from warehouse.records import content_id

pytestmark = pytest.mark.slow
THEIRS = select(teacher="theirs")
ID = THEIRS.recall_id


def texts_left(root: Path, answers: list[Answer]) -> set[str]:
    """Every Parquet file that has one of these reasonings in any column, looked for without the search under test."""
    said = {a.reasoning for a in answers}
    return {
        path.name
        for path in root.rglob("*.parquet")
        for column in pq.read_table(path).columns
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        if said & set(column.to_pylist())
    }


@pytest.fixture(scope="module")
def applied(made: Drill, tmp_path_factory: pytest.TempPathFactory) -> Drill:
    after = copy(made, tmp_path_factory.mktemp("applied") / "data")
    apply(after.here, THEIRS, "terms changed", tell=lambda summary: True)
    return after


@pytest.fixture(scope="module")
def purged(applied: Drill, tmp_path_factory: pytest.TempPathFactory) -> Drill:
    after = copy(applied, tmp_path_factory.mktemp("purged") / "data")
    delete(after.here, ID)
    return after


def test_before_the_purge_the_search_finds_rows_and_texts(applied: Drill) -> None:
    found = verify(applied.root, ID)
    assert not found.is_clean
    folders = {line.split("/")[0] for line in found.left}
    assert folders == {"ledger", "traces", "findings", "verdicts", "shards"}


def test_after_the_purge_nothing_is_left_and_what_others_said_stays(purged: Drill) -> None:
    found = verify(purged.root, ID)
    assert found.left == []
    assert (found.traces, found.marks, found.by_key_alone) == (40, 40, 0)
    assert found.searched["shards"].files > 0
    assert texts_left(purged.root.path, LATE) == set()
    assert len(purged.ask("select * from kept where teacher = 'mine'")) == len(EARLY) + len(SAME)
    assert purged.ask("select state from recalls") == [("purged",)]


def test_the_ledger_keeps_its_account_and_lineage_its_keys(made: Drill, purged: Drill) -> None:
    for sql in (
        "select day, dataset, teacher, requests, paid, usd, completion_tokens from spend order by all",
        "select attempt_id, request_key, teacher, terms_sha256, completion_tokens, cost_usd from attempts order by all",
    ):
        assert purged.ask(sql) == made.ask(sql)
    said = "select count(body), count(headers), count(error) from attempts where teacher = ?"
    assert purged.ask(said, "theirs") == [(0, 0, 0)]
    assert purged.ask(said, "mine") == [(40, 40, 0)]
    held = "select count(*) from version_rows where version = ?"
    assert purged.ask(held, made.versions[2]) == made.ask(held, made.versions[2])


def test_a_revoked_version_keeps_its_manifest_and_no_row(purged: Drill) -> None:
    folder = purged.root.version("sums", purged.versions[2].split("@")[1])
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "manifest.json"]


def test_shares_of_a_later_recall_are_of_the_version_as_it_was(purged: Drill) -> None:
    found = reach(purged.root, select(teacher="mine")).versions
    assert found and all(row["train_tokens"] == 10 * row["train_rows"] for row in found)


def test_purged_again_nothing_changes(purged: Drill) -> None:
    again = delete(purged.here, ID)
    assert (again.deleted, again.rewritten) == ((), ())


def test_applied_again_after_the_purge_it_stays_purged(purged: Drill, tmp_path: Path) -> None:
    after = copy(purged, tmp_path / "data")
    done = apply(after.here, THEIRS, "terms changed", tell=lambda summary: True)
    assert (done["state"], done["traces"], len(done["revoked"])) == ("purged", 40, 2)
    assert after.ask("select version, is_successor from versions") == purged.ask(
        "select version, is_successor from versions"
    )


def test_a_text_put_back_in_any_file_is_found(purged: Drill, tmp_path: Path) -> None:
    said = LATE[3].reasoning or ""
    places = {
        "logs/still.log": said.encode(),
        "reports/sums.html": f"<p>{said}</p>".encode(),
        "students/x/note.json": json.dumps({"said": said}).encode(),
        "journal/sums/0.seg": content_id("attempt", LATE[3].trace_id).encode(),
    }
    for name, data in places.items():
        path = purged.root.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"before " + data + b" after")
        assert [line.split(":")[0] for line in verify(purged.root, ID).left] == [name]
        path.unlink()
    nested = pa.table({"messages": [[{"role": "assistant", "content": said}]]})
    pq.write_table(nested, purged.root.path / "students" / "x" / "cache.parquet")
    assert len(verify(purged.root, ID).left) == 1
    (purged.root.path / "students" / "x" / "cache.parquet").unlink()


def test_one_persons_traces_leave_their_files_and_the_other_rows_stay(made: Drill, tmp_path: Path) -> None:
    drilled = copy(made, tmp_path / "data")
    one = select(traces=[LATE[0].trace_id])
    apply(drilled.here, one, "a person asked", tell=lambda summary: True)
    done = delete(drilled.here, one.recall_id)
    assert any(path.startswith("traces/") for path in done.rewritten)
    assert verify(drilled.root, one.recall_id).left == []
    assert drilled.ask("select count(*) from traces") == [(79,)]
    assert texts_left(drilled.root.path, LATE[:1]) == set()
    assert texts_left(drilled.root.path, SHARED + LATE[1:])


def test_a_purge_that_is_killed_goes_on(applied: Drill, tmp_path: Path) -> None:
    drilled = copy(applied, tmp_path / "data")
    for step in ("parts", "files", "catalog"):

        def kill(done: str, last: str = step) -> None:
            if done == last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            delete(drilled.here, ID, kill)
        assert drilled.ask("select state from recalls") == [("purging",)]
    delete(drilled.here, ID)
    assert verify(drilled.root, ID).left == []


def test_what_is_not_applied_is_not_purged(made: Drill, tmp_path: Path) -> None:
    drilled = copy(made, tmp_path / "data")

    def kill(step: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(drilled.here, THEIRS, "why", kill)
    with pytest.raises(BadInput, match="was interrupted: run `still recall apply"):
        delete(drilled.here, ID)
