"""Private parts: their bytes as the catalog lists them, and the decisions that their rows rely on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.right.terms import Purpose
from tasks.verify.chain import Chain, Reliance
from warehouse.manifest import file_sha256
from warehouse.records import SCHEMAS

RELYING: dict[str, Purpose] = {"ledger": "ask", "traces": "ask", "version_rows": "publish"}
"""Kinds whose rows name a decision, and what for."""


def part_faults(root: Path, file: Mapping[str, Any], chain: Chain) -> Iterator[str]:
    """Hold one listed part against the disk; its rows are read only if its bytes are those that were listed."""
    path = root / file["path"]
    if not path.exists():
        yield f"{file['path']} is listed and not there"
        return
    found = file_sha256(path)
    if found != file["sha256"]:
        yield f"{file['path']} has changed: expected sha256 {file['sha256']}, found {found}"
        return
    rows = pq.read_metadata(path).num_rows
    if (rows, path.stat().st_size) != (file["rows"], file["bytes"]):
        yield f"{file['path']} has {rows} rows in {path.stat().st_size} bytes, the catalog lists other numbers"
    if file["kind"] in RELYING:
        yield from _relying_faults(path, file, chain)


def _relying_faults(path: Path, file: Mapping[str, Any], chain: Chain) -> Iterator[str]:
    columns = ["decision_id", "teacher", "terms_sha256"]
    named = [SCHEMAS[file["kind"]].field(column) for column in columns]
    seen = pa.schema(named).empty_table().group_by(columns).aggregate([([], "count_all")])
    for batch in pq.ParquetFile(path).iter_batches(65_536, columns=columns):
        counted = pa.Table.from_batches([batch]).group_by(columns).aggregate([([], "count_all")])
        seen = pa.concat_tables([seen, counted]).group_by(columns).aggregate([("count_all", "sum")])
        seen = seen.rename_columns([*columns, "count_all"])
    for row in seen.to_pylist():
        rows = row.pop("count_all")
        if lack := chain.lacks(Reliance(**row, purpose=RELYING[file["kind"]])):
            yield f"{file['path']}: {rows} rows {lack}"
