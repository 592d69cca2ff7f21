"""Promise 7: student -> version -> shard -> row -> attempt -> decision -> terms, and back, in one query."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from publish.kept_answers import NOW, Judged, judged, sums

from warehouse.catalog import connect, transaction
from warehouse.layout import DataRoot

ANSWERS = [*sums(20), *sums(20, start=100, teacher="theirs"), *sums(5, start=300, outcome="rejected", reason="LOOP")]


def query(root: DataRoot, sql: str, *parameters: object) -> list[dict[str, Any]]:
    with closing(connect(root)) as connection:
        found = connection.execute(sql, list(parameters))
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@dataclass(frozen=True)
class Trained:
    """A version of two teachers' rows, and a student that learned from it."""

    root: DataRoot
    line: Judged
    version: str
    folder: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root = DataRoot(tmp_path_factory.mktemp("lineage") / "data")
    line = judged(root, ANSWERS)
    published = line.published()
    student = {
        "student_run_id": "student-1", "version": published.version, "model": "tiny", "state": "completed",
        "started_at": NOW, "simulated": False,
    }  # fmt: skip
    with transaction(root, NOW, publish="now") as store:
        store.insert("student_run", [student])
    return Trained(root, line, published.version, Path(published.folder))


def test_a_student_leads_to_every_row_it_learned_from_and_to_the_terms_of_each(trained: Trained) -> None:
    rows = query(trained.root, "from lineage where student_run_id = 'student-1'")
    assert sorted(row["trace_id"] for row in rows) == sorted(a.trace_id for a in ANSWERS if a.outcome == "kept")
    terms = {teacher.name: teacher.terms_sha256 for teacher in trained.line.teachers}
    for row in rows:
        assert row["version"] == trained.version
        assert row["terms_sha256"] == terms[row["teacher"]]
        assert (row["weights_license"], row["decision_verdict"], row["reviewed_by"]) == ("MIT", "allow", "Ada Lovelace")
        assert row["attempt_id"] and row["decision_id"] and row["publication_decision_id"]
        assert row["decision_id"] != row["publication_decision_id"]


def test_the_shard_and_row_that_lineage_names_hold_that_very_trace(trained: Trained) -> None:
    shards = {path.name: pq.read_table(path)["trace_id"].to_pylist() for path in trained.folder.glob("[tv]*.parquet")}
    for row in query(trained.root, "from lineage where version = ?", trained.version):
        assert shards[row["shard"]][row["row_index"]] == row["trace_id"]
        assert row["shard"].startswith(row["split"])


def test_terms_lead_back_to_the_shards_versions_and_students_that_hold_their_rows(trained: Trained) -> None:
    theirs = next(teacher for teacher in trained.line.teachers if teacher.name == "theirs")
    held = query(
        trained.root,
        "select student_run_id, version, shard, count(*) as rows from lineage "
        "where terms_sha256 = ? and teacher = 'theirs' and version is not null group by all order by shard",
        theirs.terms_sha256,
    )
    assert {(row["student_run_id"], row["version"]) for row in held} == {("student-1", trained.version)}
    assert sum(row["rows"] for row in held) == 20
    for row in held:
        teachers = pq.read_table(trained.folder / row["shard"])["teacher"].unique().to_pylist()
        assert teachers == ["theirs"], "one file, one teacher: a recall drops whole files"


def test_a_trace_that_was_not_kept_is_in_no_version_and_still_has_its_attempt_and_terms(trained: Trained) -> None:
    rejected = [a.trace_id for a in ANSWERS if a.outcome == "rejected"]
    rows = query(trained.root, "from lineage where list_contains(?, trace_id)", rejected)
    assert len(rows) == 5
    assert all(row["version"] is None and row["attempt_id"] and row["weights_license"] == "MIT" for row in rows)
