"""A batch, its requests, and what is wrong with either, in the words of the real API. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from infra.simulated_teacher.switches import Switches

ENDPOINT = "/v1/chat/completions"
WINDOW_S = 86_400
_PAIRS, _KEY_CHARS, _VALUE_CHARS = 16, 64, 512


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a batch's file."""

    custom_id: str
    body: bytes


@dataclass(slots=True)
class Batch:
    """One batch and how far it is."""

    id: str
    endpoint: str
    input_file_id: str
    metadata: dict[str, str] | None
    created: float
    created_at: int
    lines: list[Line] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    status: str = "validating"
    stamps: dict[str, int] = field(default_factory=dict)
    done: int = 0
    output: list[bytes] = field(default_factory=list)
    failures: list[bytes] = field(default_factory=list)
    output_file_id: str | None = None
    error_file_id: str | None = None

    @property
    def is_over(self) -> bool:
        return self.status in ("failed", "completed", "expired", "cancelled")

    def card(self) -> dict[str, Any]:
        """The object that the API shows of it."""
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.created_at,
            "expires_at": self.created_at + WINDOW_S,
            **{f"{name}_at": at for name, at in self.stamps.items()},
            "request_counts": {
                "total": len(self.lines),
                "completed": len(self.output),
                "failed": len(self.failures),
            },
            "metadata": self.metadata,
        }


def read_lines(body: bytes, switches: Switches) -> tuple[list[Line], list[dict[str, Any]]]:
    """The requests of a file, or everything that is wrong with it by line number, as the real one reports it."""
    lines: list[Line] = []
    errors: list[dict[str, Any]] = []
    seen: set[str] = set()

    def wrong(code: str, message: str, number: int | None = None, param: str | None = None) -> None:
        errors.append({"code": code, "line": number, "message": message, "param": param})

    rows = [(number, row) for number, row in enumerate(body.splitlines(), 1) if row.strip()]
    if not rows:
        wrong("empty_file", "The input file is empty.")
    if len(rows) > switches.batch_requests:
        wrong("too_many_tasks", f"The file has {len(rows)} requests: at most {switches.batch_requests} are taken.")
    for number, row in rows:
        try:
            asked = orjson.loads(row)
        except orjson.JSONDecodeError:
            wrong("invalid_json_line", "This line is not parseable as valid JSON.", number)
            continue
        if not isinstance(asked, dict) or not isinstance(asked.get("custom_id"), str) or not asked["custom_id"]:
            wrong("missing_required_parameter", "The line has no custom_id.", number, "custom_id")
        elif asked["custom_id"] in seen:
            wrong("duplicate_custom_id", f"custom_id {asked['custom_id']} is used twice.", number, "custom_id")
        elif asked.get("method") != "POST" or asked.get("url") != ENDPOINT:
            wrong("url_mismatch", f"Each line is a POST to {ENDPOINT}.", number, "url")
        elif not isinstance(asked.get("body"), dict) or asked["body"].get("model") != switches.model:
            wrong("model_mismatch", f"Each line's body asks for {switches.model}.", number, "body.model")
        else:
            seen.add(asked["custom_id"])
            lines.append(Line(asked["custom_id"], orjson.dumps(asked["body"])))
    return ([] if errors else lines), errors


def metadata_problem(metadata: object) -> str | None:
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or len(metadata) > _PAIRS:
        return f"metadata is no object of at most {_PAIRS} pairs"
    for name, value in metadata.items():
        if len(name) > _KEY_CHARS or not isinstance(value, str) or len(value) > _VALUE_CHARS:
            return f"metadata.{name[:_KEY_CHARS]}: keys have {_KEY_CHARS} characters at most, texts {_VALUE_CHARS}"
    return None
