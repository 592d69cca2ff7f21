"""A part is whole, fits its schema, has equal bytes for equal rows, and leaves nothing when it fails."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_warehouse import TEACHER, TERMS, prompt, rows_of, trace

from warehouse.layout import DataRoot
from warehouse.parts import ONE_TEACHER_KINDS, ROW_GROUP_ROWS, write_part
from warehouse.records import PROMPTS, SCHEMAS


def prompts(count: int) -> pa.Table:
    return rows_of("prompts", [prompt(str(number), source_row=number) for number in range(count)])


def left(root: DataRoot, kind: str) -> list[str]:
    return sorted(path.name for path in root.parts(kind).rglob("*") if path.is_file())


def test_a_part_reads_back_and_its_record_says_what_it_is(data_root: DataRoot) -> None:
    rows = prompts(3)
    file = write_part(data_root, "prompts", "sums/one", rows, dataset="sums", segment_id="segment-1")
    path = data_root.path / file.path
    assert file.path == "prompts/sums/one.parquet"
    assert (file.rows, file.bytes, file.dataset, file.segment_id) == (
        3,
        path.stat().st_size,
        "sums",
        "segment-1",
    )
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert pq.read_table(path).equals(rows)
    assert left(data_root, "prompts") == ["one.parquet"]


@pytest.mark.parametrize("size", [1, 7, 1000, ROW_GROUP_ROWS - 1, 3 * ROW_GROUP_ROWS])
def test_bytes_do_not_depend_on_how_rows_are_batched(data_root: DataRoot, size: int) -> None:
    rows = prompts(50) if size < 1000 else pa.concat_tables([prompts(50)] * (3 * ROW_GROUP_ROWS // 50))
    whole = write_part(data_root, "prompts", "whole", rows)
    cut = write_part(data_root, "prompts", "cut", iter(rows.combine_chunks().to_batches(max_chunksize=size)))
    assert (whole.sha256, whole.rows) == (cut.sha256, cut.rows)


def test_an_iterator_is_not_held_in_memory(data_root: DataRoot) -> None:
    batch = prompts(100).to_batches()[0]
    before = pa.total_allocated_bytes()
    most = 0

    def many() -> Iterator[pa.RecordBatch]:
        nonlocal most
        for _ in range(20 * ROW_GROUP_ROWS // 100):
            most = max(most, pa.total_allocated_bytes() - before)
            yield pa.RecordBatch.from_pylist(batch.to_pylist(), PROMPTS)

    rows = write_part(data_root, "prompts", "many", many()).rows
    assert rows == 20 * ROW_GROUP_ROWS // 100 * 100
    assert most < 4 * batch.nbytes * ROW_GROUP_ROWS / 100


def test_a_part_without_rows_is_a_file_with_its_schema(data_root: DataRoot) -> None:
    file = write_part(data_root, "prompts", "none", iter(()))
    assert file.rows == 0
    assert pq.read_schema(data_root.path / file.path).equals(PROMPTS)


def test_rewriting_a_name_gives_the_same_record(data_root: DataRoot) -> None:
    assert write_part(data_root, "prompts", "one", prompts(3)) == write_part(data_root, "prompts", "one", prompts(3))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(prompts(1).drop_columns(["license"]), "license is missing", id="missing"),
        pytest.param(prompts(1).append_column("more", [["x"]]), "more is not a column", id="unknown"),
        pytest.param(
            prompts(1).set_column(8, "source_row", pa.array([1], pa.int32())),
            "source_row is int32, not int64",
            id="type",
        ),
        pytest.param(prompts(1).select(PROMPTS.names[::-1]), "not in the order", id="order"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_name(data_root: DataRoot, rows: pa.Table, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_part(data_root, "prompts", "bad", rows)
    assert left(data_root, "prompts") == []


def test_a_part_of_traces_holds_one_teacher_and_one_set_of_terms(data_root: DataRoot) -> None:
    rows = rows_of("traces", [trace("1"), trace("2", terms_sha256="other")])
    with pytest.raises(ValueError, match="terms_sha256"):
        write_part(data_root, "traces", "mixed", rows, teacher=TEACHER, terms_sha256=TERMS)
    with pytest.raises(ValueError, match="give both"):
        write_part(data_root, "traces", "unsaid", rows)
    nobody = rows_of("traces", [trace("1", teacher=None)])
    with pytest.raises(ValueError, match="teacher"):
        write_part(data_root, "traces", "nobody", nobody, teacher=TEACHER, terms_sha256=TERMS)
    assert left(data_root, "traces") == []


def test_a_source_that_raises_leaves_nothing(data_root: DataRoot) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield from prompts(10).to_batches()
        raise KeyError("gone")

    with pytest.raises(KeyError):
        write_part(data_root, "prompts", "broken", broken())
    assert left(data_root, "prompts") == []


@pytest.mark.parametrize("name", ["", "../one", "a//b", ".hidden", "a/../../b", "/etc/one"])
def test_a_part_name_cannot_leave_its_folder(data_root: DataRoot, name: str) -> None:
    with pytest.raises(ValueError):
        write_part(data_root, "prompts", name, prompts(1))


FULL = """
import resource, sys
from pathlib import Path
import pyarrow.parquet as pq
from warehouse.errors import RunFailed
from warehouse.layout import DataRoot
from warehouse.parts import write_part
rows = pq.read_table(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_part(DataRoot(Path(sys.argv[1])), "prompts", "one", rows)
except RunFailed as error:
    print(error)
"""


def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(data_root: DataRoot, tmp_path: Path) -> None:
    # The kernel's file-size limit stands in for the full disk: the write fails in the same place.
    pq.write_table(prompts(5000), tmp_path / "rows.parquet")
    command = [sys.executable, "-c", FULL, str(data_root.path), str(tmp_path / "rows.parquet")]
    line = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert line.startswith(f"cannot write {data_root.path}/prompts/one.parquet: File too large: make room")
    assert line.count("\n") == 1
    assert left(data_root, "prompts") == []


def test_every_kind_can_be_written_without_rows(data_root: DataRoot) -> None:
    for kind, schema in SCHEMAS.items():
        whose = {"teacher": TEACHER, "terms_sha256": TERMS} if kind in ONE_TEACHER_KINDS else {}
        assert write_part(data_root, kind, "none", schema.empty_table(), **whose).rows == 0
