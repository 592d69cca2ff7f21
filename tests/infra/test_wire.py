"""HTTP/1.1 read in any pieces: what comes out is what was sent, or a clear refusal."""

import random

import pytest

from infra.simulated_teacher.wire import Request, RequestReader, Response, WireError

PLAIN = b"POST /a%20b?x=1&y=%32 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nX-Thing:  v \r\n\r\nhello"
CHUNKED = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: t\r\n\r\n"
BARE = b"GET /g HTTP/1.0\r\n\r\n"


def read(data: bytes, sizes: list[int]) -> list[Request]:
    reader, found, at = RequestReader(), [], 0
    for size in sizes:
        reader.feed(data[at : at + size])
        at += size
        while (request := reader.next()) is not None:
            found.append(request)
    return found


def test_requests_are_the_same_whatever_pieces_they_come_in() -> None:
    data, rng = (PLAIN + CHUNKED + BARE) * 3, random.Random(4)
    whole = read(data, [len(data)])
    assert [request.body for request in whole] == [b"hello", b"hello", b""] * 3
    assert whole[0].path == "/a b" and whole[0].query == {"x": "1", "y": "2"}
    assert whole[0].headers["x-thing"] == "v" and whole[0].keep_alive and not whole[2].keep_alive
    assert read(data, [1] * len(data)) == whole
    for _ in range(20):
        assert read(data, [rng.randint(1, 60) for _ in range(len(data))]) == whole


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbroken\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000, 431),
    ],
)
def test_bytes_that_are_no_request_are_refused(data: bytes, status: int) -> None:
    with pytest.raises(WireError) as refused:
        read(data, [len(data)])
    assert refused.value.status == status


def test_a_response_says_how_long_it_is_and_that_it_is_simulated() -> None:
    encoded = Response(429, b"{}", (("retry-after", "1"),)).encode(keep_alive=False)
    head, _, body = encoded.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 429 Too Many Requests",
        b"content-type: application/json",
        b"x-simulated: true",
        b"content-length: 2",
        b"retry-after: 1",
        b"connection: close",
    ]
    assert body == b"{}"
