"""What lies in a shard, as its rows say it and as the version's lineage does."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from warehouse.manifest import ContentDigest

ROWS_AT_A_TIME = 1_000
"""A reasoning trace is 5-60 KB, so at most about 60 MB are held."""


@dataclass(frozen=True)
class Lineage:
    """Which traces lie in a shard, in which order."""

    rows: int
    traces_sha256: str


@dataclass(frozen=True)
class ShardContent:
    """A shard as it was read; `whose` are the (teacher, terms) that its rows name."""

    lineage: Lineage
    whose: frozenset[tuple[str | None, str | None]]


class _Traces:
    def __init__(self) -> None:
        self._digest, self._rows = hashlib.sha256(), 0

    def add(self, trace_ids: Iterable[str | None]) -> None:
        for trace_id in trace_ids:
            self._digest.update(f"{trace_id}\n".encode())
            self._rows += 1

    def lineage(self) -> Lineage:
        return Lineage(self._rows, self._digest.hexdigest())


def read_shard(path: Path, digest: ContentDigest) -> ShardContent:
    """Read every row once, adding it to the version's digest. Held-out prompts name no trace and no teacher."""
    traces, whose = _Traces(), set()
    for batch in pq.ParquetFile(path).iter_batches(ROWS_AT_A_TIME):
        rows = batch.to_pylist()
        digest.add(rows)
        traces.add(row.get("trace_id") for row in rows)
        whose |= {(row.get("teacher"), row.get("terms_sha256")) for row in rows}
    return ShardContent(traces.lineage(), frozenset(whose))


def read_lineage(path: Path) -> dict[str, Lineage]:
    """What a version's part says of its shards, by name."""
    shards: dict[str, _Traces] = {}
    for batch in pq.ParquetFile(path).iter_batches(65_536, columns=["shard", "trace_id"]):
        for shard, trace_id in zip(batch["shard"].to_pylist(), batch["trace_id"].to_pylist(), strict=True):
            shards.setdefault(str(shard), _Traces()).add([trace_id])
    return {name: traces.lineage() for name, traces in shards.items()}
