"""HTTP/1.1 as bytes: requests read from a stream in any pieces, responses written. Pure.

Read: Content-Length and chunked bodies, pipelined requests, HTTP/1.0. Refused: heads over 64 KiB, bodies over
64 MiB, both lengths at once (request smuggling), other transfer codings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
JSON = "application/json"
_HEAD = b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\nx-simulated: true\r\ncontent-length: %d\r\n"
CHUNKED_JSON_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-simulated: true\r\ntransfer-encoding: chunked\r\n\r\n"
)
BLANK_LINE = b"1\r\n\n\r\n"


class WireError(ValueError):
    """Bytes that are not a request this server reads; the connection ends after the answer `status`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Request:
    """Header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    keep_alive: bool
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """JSON, unless said otherwise."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON

    def encode(self, keep_alive: bool) -> bytes:
        head = _HEAD % (self.status, _phrase(self.status), self.content_type.encode(), len(self.body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers).encode("latin-1", "replace")
        return b"".join((head, lines, b"\r\n" if keep_alive else b"connection: close\r\n\r\n", self.body))

    def last_chunks(self) -> bytes:
        """The body as the end of a chunked one whose head and first chunks are out."""
        return b"%x\r\n%b\r\n0\r\n\r\n" % (len(self.body), self.body)


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"Status"


@dataclass(slots=True)
class RequestReader:
    """Feed it bytes; `next` gives a request once it is whole. WireError ends the stream."""

    buffer: bytearray = field(default_factory=bytearray)
    waiting: Request | None = None
    wants_continue: bool = False
    _length: int = 0
    _chunked: bool = False

    def feed(self, data: bytes) -> None:
        self.buffer += data

    def next(self) -> Request | None:
        if self.waiting is None and not self._read_head():
            return None
        request = self.waiting
        if request is None or not (self._read_chunks(request) if self._chunked else self._read_body(request)):
            return None
        self.waiting = None
        return request

    def _read_head(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEAD:
            if len(self.buffer) > MAX_HEAD:
                raise WireError(431, f"the request's head is longer than {MAX_HEAD} bytes")
            return False
        lines = self.buffer[:end].decode("latin-1").lstrip("\r\n").split("\r\n")
        del self.buffer[: end + 4]
        self.waiting = request = parse_head(lines)
        self._length, self._chunked = body_framing(request.headers)
        self.wants_continue = request.headers.get("expect", "").lower() == "100-continue"
        return True

    def _read_body(self, request: Request) -> bool:
        if len(self.buffer) < self._length:
            return False
        request.body = bytes(self.buffer[: self._length])
        del self.buffer[: self._length]
        return True

    def _read_chunks(self, request: Request) -> bool:
        while (end := self.buffer.find(b"\r\n")) >= 0:
            size = _chunk_size(bytes(self.buffer[:end]))
            if size == 0:
                trailer = self.buffer.find(b"\r\n\r\n", end)
                if trailer < 0:
                    return False
                del self.buffer[: trailer + 4]
                return True
            if len(self.buffer) < end + 2 + size + 2:
                return False
            request.body += bytes(self.buffer[end + 2 : end + 2 + size])
            del self.buffer[: end + 2 + size + 2]
            if len(request.body) > MAX_BODY:
                raise WireError(413, f"the request's body is longer than {MAX_BODY} bytes")
        return False


def _chunk_size(line: bytes) -> int:
    try:
        size = int(line.split(b";")[0], 16)
    except ValueError as error:
        raise WireError(400, "a chunk does not begin with its size") from error
    if not 0 <= size <= MAX_BODY:
        raise WireError(413, f"the request's body is longer than {MAX_BODY} bytes")
    return size


def parse_head(lines: list[str]) -> Request:
    """The request line and the headers, without a body. WireError where they are malformed."""
    parts = lines[0].split(" ")
    if len(parts) != 3 or parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise WireError(400, "the first line is not METHOD TARGET HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name[-1] in " \t":
            raise WireError(400, "a header line is malformed")
        headers[name.lower()] = value.strip()
    path, _, query = parts[1].partition("?")
    connection = headers.get("connection", "").lower()
    keep_alive = connection != "close" if parts[2] == "HTTP/1.1" else connection == "keep-alive"
    return Request(parts[0], unquote(path), dict(parse_qsl(query)) if query else {}, headers, keep_alive)


def body_framing(headers: dict[str, str]) -> tuple[int, bool]:
    """The body's length, and whether it comes in chunks instead."""
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked" or length is not None:
            raise WireError(400, "transfer-encoding other than chunked, or together with content-length")
        return 0, True
    if length is None:
        return 0, False
    if not (length.isascii() and length.isdigit()):
        raise WireError(400, f"content-length is {length!r}")
    if int(length) > MAX_BODY:
        raise WireError(413, f"the request's body is longer than {MAX_BODY} bytes")
    return int(length), False
