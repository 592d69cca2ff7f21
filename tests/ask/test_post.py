"""One request on a real socket: what is sent, by which way, and how what comes back is read."""

import asyncio
import gzip
import socket

import httpx
import pytest
from asking import call_of, teacher_at

from tasks.ask.client import transport_to
from tasks.ask.post import Received, post
from warehouse.layout import DataRoot

HOST = "127.0.0.2"
"""Of this machine, and not a name that is never reached through a proxy."""
ANSWER = b'{"choices": [{"message": {"content": "4"}}]}'


class Server:
    """Answers every request with the same compressed body, and notes the heads."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(length))
        body = gzip.compress(ANSWER)
        said = f"content-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}"
        writer.write(f"HTTP/1.1 200 OK\r\n{said}\r\nconnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


def asked(root: DataRoot, key: str | None = None) -> tuple[Server, Received]:
    """Ask a server on this machine once."""

    async def go() -> tuple[Server, Received]:
        server = Server()
        async with await asyncio.start_server(server.answer, HOST, 0) as listening:
            server.port = listening.sockets[0].getsockname()[1]
            call = call_of(root, teacher_at(f"http://{HOST}:{server.port}/v1"), api_key=key)
            async with transport_to(call) as transport:
                return server, await post(transport, call, "request-1", b'{"model": "m"}')

    return asyncio.run(go())


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_request_says_what_it_is_and_a_compressed_response_is_read(data_root: DataRoot) -> None:
    server, received = asked(data_root, key="secret")
    (head,) = server.heads
    assert head.startswith("post /v1/chat/completions http/1.1\r\n")
    for line in (
        f"host: {HOST}:{server.port}",
        "content-type: application/json",
        "accept-encoding: gzip, deflate",
        "user-agent: stillhouse",
        "x-client-request-id: request-1",
        "authorization: bearer secret",
    ):
        assert head.count(f"{line}\r\n") == 1, head
    assert server.bodies == [b'{"model": "m"}']
    assert (received.status, received.body) == (200, ANSWER)
    assert received.headers["content-type"] == "application/json"


def test_without_a_key_nothing_is_said_of_one(data_root: DataRoot) -> None:
    server, _ = asked(data_root)
    assert "authorization" not in server.heads[0]


@pytest.mark.parametrize(("no_proxy", "is_direct"), [("", False), (HOST, True)])
def test_a_proxy_of_the_systems_is_used_but_for_hosts_it_leaves_out(
    data_root: DataRoot, monkeypatch: pytest.MonkeyPatch, no_proxy: str, is_direct: bool
) -> None:
    with socket.create_server((HOST, 0)) as free:
        proxy = f"{HOST}:{free.getsockname()[1]}"  # nobody listens there any more
    monkeypatch.setenv("http_proxy", f"http://{proxy}")
    monkeypatch.setenv("no_proxy", no_proxy)
    if is_direct:
        _, received = asked(data_root)
        assert received.body == ANSWER
    else:
        with pytest.raises(httpx.TransportError, match=proxy):
            asked(data_root)
