"""Shards: the same rows give the same bytes, and a file that cannot be finished is not there."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.errors import RunFailed
from warehouse.manifest import ContentDigest
from warehouse.shard_writers import ShardWriters
from warehouse.shards import HELDOUT, ROW_GROUP, ROWS, ShardFile, shard_name, write_text


def prompts(count: int) -> list[dict[str, object]]:
    blank = dict.fromkeys(HELDOUT.names)
    return [blank | {"prompt_id": f"{n:06d}", "prompt": [{"role": "user", "content": f"Q{n}"}]} for n in range(count)]


def write_shard(path: Path, schema: pa.Schema, rows: Iterable[dict[str, object]], **writers: int) -> ShardFile:
    with ShardWriters(**writers) as pool:
        return pool.write(path, schema, rows).result()


@pytest.mark.parametrize("waiting_bytes", [1, 2**30])
def test_the_bytes_do_not_depend_on_threads_nor_on_what_else_is_written(tmp_path: Path, waiting_bytes: int) -> None:
    rows = prompts(2 * ROW_GROUP + 10)
    alone = write_shard(tmp_path / "alone.parquet", HELDOUT, rows, threads=1)
    with ShardWriters(3, waiting_bytes) as pool:
        files = [pool.write(tmp_path / f"{n}.parquet", HELDOUT, rows[n:]) for n in range(8)]
        table = pool.write(tmp_path / "table.parquet", HELDOUT, pa.Table.from_pylist(rows, schema=HELDOUT))
    assert {table.result().sha256, files[0].result().sha256} == {alone.sha256}
    assert [file.result().rows for file in files] == [len(rows) - n for n in range(8)]


def test_a_writer_that_fails_says_so_and_does_not_stop_the_rows(tmp_path: Path) -> None:
    with ShardWriters(1, waiting_bytes=1) as pool:
        failed = pool.write(tmp_path / "nowhere" / "a.parquet", HELDOUT, prompts(5 * ROW_GROUP))
        behind = pool.write(tmp_path / "nowhere" / "c.parquet", HELDOUT, prompts(10))
        whole = pool.write(tmp_path / "b.parquet", HELDOUT, prompts(5 * ROW_GROUP))
    with pytest.raises(RunFailed, match="cannot write .*nowhere"):
        failed.result()
    with pytest.raises(RunFailed, match="nowhere"):
        behind.result()
    assert whole.result().rows == 5 * ROW_GROUP


def test_the_bytes_do_not_depend_on_how_rows_arrive(tmp_path: Path) -> None:
    rows = prompts(2 * ROW_GROUP + 10)
    one = write_shard(tmp_path / "a.parquet", HELDOUT, rows)
    other = write_shard(tmp_path / "b.parquet", HELDOUT, iter(rows))
    assert (one.sha256, one.bytes, one.rows) == (other.sha256, other.bytes, len(rows))
    assert pq.read_metadata(tmp_path / "a.parquet").num_row_groups == 3


def test_the_record_is_that_of_the_file(tmp_path: Path) -> None:
    file = write_shard(tmp_path / "a.parquet", HELDOUT, prompts(3))
    data = (tmp_path / "a.parquet").read_bytes()
    assert (file.name, file.bytes, file.sha256) == ("a.parquet", len(data), hashlib.sha256(data).hexdigest())
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == prompts(3)


def test_reasoning_has_a_column_of_its_own_in_the_form_field_only() -> None:
    message = ROWS["field"].field("completion").type.value_type
    assert [message.field(place).name for place in range(3)] == ["role", "content", "reasoning_content"]
    assert ROWS["inline"].field("completion").type.value_type.num_fields == 2
    assert ROWS["field"].names == ROWS["inline"].names


def test_a_row_that_breaks_in_the_middle_leaves_no_file(tmp_path: Path) -> None:
    def broken():
        yield from prompts(ROW_GROUP + 1)
        raise KeyError("a row")

    with pytest.raises(KeyError):
        write_shard(tmp_path / "a.parquet", HELDOUT, broken())
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="cannot write .*nowhere.*No such file"):
        write_text(tmp_path / "nowhere" / "card", b"text")


def test_shards_are_named_as_datasets_names_them() -> None:
    assert shard_name("train", 3, 12) == "train-00003-of-00012.parquet"


def test_the_digest_depends_on_order_and_split_and_not_on_batches() -> None:
    def digest(*steps: tuple[str, list[dict[str, object]]]) -> str:
        made = ContentDigest()
        for split, rows in steps:
            made.begin(split)
            for row in rows:
                made.add([row])
        return made.hexdigest()

    rows = [{"b": "é\u2028", "a": None}, {"a": True, "b": "x"}]
    whole = ContentDigest()
    whole.begin("train")
    whole.add(rows)
    assert whole.hexdigest() == digest(("train", rows))
    assert digest(("train", rows)) != digest(("train", rows[::-1]))
    assert digest(("train", rows)) != digest(("validation", rows))
    assert digest(("train", rows), ("validation", [])) != digest(("train", rows))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_row_counts_as_the_canonical_json_that_any_library_writes(text: str) -> None:
    made = ContentDigest()
    made.add([{"b": text, "a": [None, True]}])
    line = json.dumps({"a": [None, True], "b": text}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    assert made.hexdigest() == hashlib.sha256(line).hexdigest()
