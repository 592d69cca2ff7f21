"""A journal segment written by hand, record by record."""

from pathlib import Path
from typing import Any

import orjson
from asking import call_of, teacher_at

from tasks.ask.journal import MAGIC, encode
from tasks.ask.segment import SegmentHeader
from tasks.right.terms import Price
from warehouse.layout import DataRoot

PRICE = Price(usd_per_million_input=1.0, usd_per_million_output=10.0, as_of="2026-11-01")  # type: ignore[arg-type]
AT = 1_795_000_000_000_000


def sent(n: int, key: str = "") -> bytes:
    fields = {
        "n": n, "request_key": key or f"key-{n}", "prompt_id": f"prompt-{n}", "sample_index": 0, "max_tokens": 256,
        "worst_tokens": 400, "worst_cost_usd": 0.003, "at": AT + n,
    }  # fmt: skip
    return encode("sent", fields)


def received(n: int, status: int, body: Any) -> bytes:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {"x-request-id": f"r-{n}", "content-type": "application/json"}
    return encode("received", {"n": n, "status": status, "headers": headers, "at": AT + 10**6, "latency_s": 1.0}, raw)


def answer(text: str = "4", finish: str = "stop", usage: bool = True) -> dict[str, Any]:
    message = {"content": text, "reasoning_content": "2+2 = 4"}
    counts = {"usage": {"prompt_tokens": 100, "completion_tokens": 20}} if usage else {}
    return {"model": "m", "choices": [{"message": message, "finish_reason": finish}], **counts}


def segment_file(root: DataRoot, *frames: bytes, segment_id: str = "seg-1") -> Path:
    header = SegmentHeader.of(call_of(root, teacher_at("http://x/v1", PRICE)), "sums-0001", segment_id)
    path = root.journal / "sums" / f"{segment_id}.journal"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(MAGIC + encode("segment", vars(header)) + b"".join(frames))
    return path
