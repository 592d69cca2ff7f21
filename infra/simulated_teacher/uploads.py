"""Files as the batch API takes and gives them: multipart forms read strictly, uploads and results by id. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

_BOUNDARY = re.compile(r'boundary="?([^";]{1,70})"?')
_DISPOSITION = re.compile(r'(name|filename)="([^"]*)"')
MOST_LISTED = 100
"""Objects on one page of a list."""


class BadForm(ValueError):
    """A body that is no multipart form."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form; `filename` only where one was sent."""

    body: bytes
    filename: str | None


@dataclass(slots=True)
class StoredFile:
    """A file that was uploaded (purpose `batch`) or made (`batch_output`)."""

    id: str
    purpose: str
    filename: str
    created_at: int
    body: bytes = b""

    def card(self) -> dict[str, Any]:
        """The object that the API shows of it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.body),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
        }


@dataclass(slots=True)
class Shelf:
    """All files of the server, in memory."""

    files: dict[str, StoredFile] = field(default_factory=dict)

    def put(self, purpose: str, filename: str, body: bytes, now: float) -> StoredFile:
        stored = StoredFile(f"file-{len(self.files) + 1:06d}", purpose, filename, int(now), body)
        self.files[stored.id] = stored
        return stored


def read_form(content_type: str, body: bytes) -> dict[str, Part]:
    """The fields of a multipart/form-data body. BadForm where it is malformed."""
    boundary = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or boundary is None:
        raise BadForm(f"content-type is {content_type!r}: send multipart/form-data with a boundary")
    mark = b"--" + boundary.group(1).encode("latin-1")
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise BadForm("the form does not end with its boundary")
    return dict(_part(piece) for piece in pieces[1:-1])


def _part(piece: bytes) -> tuple[str, Part]:
    head, gap, body = piece.partition(b"\r\n\r\n")
    said = dict(_DISPOSITION.findall(head.decode("latin-1")))
    if not gap or "name" not in said:
        raise BadForm("a part of the form has no name")
    return said["name"], Part(body, said.get("filename"))


class _Named(Protocol):
    @property
    def id(self) -> str: ...

    def card(self) -> dict[str, Any]: ...


Listed = TypeVar("Listed", bound=_Named)


def page(objects: Sequence[Listed], query: Mapping[str, str]) -> dict[str, Any]:
    """One page of a list, newest first: `after` an id, at most `limit`. ValueError names what is wrong."""
    newest = list(reversed(objects))
    limit = query.get("limit", "20")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= MOST_LISTED):
        raise ValueError(f"limit is {limit}: give 1 to {MOST_LISTED}")
    after = query.get("after", "")
    ids = [one.id for one in newest]
    if after and after not in ids:
        raise ValueError(f"after is {after!r}: there is no such object")
    start = ids.index(after) + 1 if after else 0
    chosen = newest[start : start + int(limit)]
    return {
        "object": "list",
        "data": [one.card() for one in chosen],
        "first_id": chosen[0].id if chosen else None,
        "last_id": chosen[-1].id if chosen else None,
        "has_more": start + len(chosen) < len(newest),
    }
