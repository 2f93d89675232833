"""The connections to the API server, against servers that behave in all the ways they may."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from localcluster import pki
from tests.harness.waiting import eventually
from wherry_api.kubernetes_connections import ConnectionClosedError, Connections

Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Server:
    """A server on loopback that answers each request as ``serve`` says."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self.writers.append(writer)
        while head := await self._head(reader):
            length = 0
            for line in head.split(b"\r\n"):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            self.requests.append(head + await reader.readexactly(length))
            await self._serve(self.requests[-1], writer)
        writer.close()

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return b""


@asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(serve)
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for writer in server.writers:
            writer.close()


@asynccontextmanager
async def connected(
    server: Server, *, limit: int = 4, prefix: str = ""
) -> AsyncIterator[Connections]:
    url = f"http://127.0.0.1:{server.port}{prefix}"
    connections = Connections(url, ssl.create_default_context(), limit=limit)
    try:
        yield connections
    finally:
        connections.close()


async def answer_ok(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(OK)


async def test_one_connection_serves_one_request_after_the_other() -> None:
    async with serving(answer_ok) as server, connected(server, prefix="/cluster-7") as connections:
        for _ in range(3):
            answer = await connections.request("POST", "/jobs?a=1", {"accept": "x"}, b'{"a":1}')
            assert answer == (200, b"{}")
        assert await connections.request("GET", "/jobs", {}, b"") == (200, b"{}")

    assert server.connections == 1
    assert server.requests[0] == (
        b"POST /cluster-7/jobs?a=1 HTTP/1.1\r\n"
        b"host: 127.0.0.1:%d\r\naccept: x\r\ncontent-length: 7\r\n\r\n"
        b'{"a":1}' % server.port
    )
    assert b"content-length" not in server.requests[3]


async def test_no_more_connections_than_allowed() -> None:
    go_on = asyncio.Event()

    async def when_told(_: bytes, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        writer.write(OK)

    async with serving(when_told) as server, connected(server, limit=2) as connections:
        asked = [asyncio.create_task(connections.request("GET", "/", {}, b"")) for _ in range(6)]
        await eventually("two requests to arrive", lambda: len(server.requests) == 2)
        go_on.set()
        assert await asyncio.gather(*asked) == [(200, b"{}")] * 6
    assert server.connections == 2


async def test_an_answer_in_chunks_that_arrives_in_pieces() -> None:
    async def piecemeal(_: bytes, writer: asyncio.StreamWriter) -> None:
        for piece in (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 20",
            b"1 Created\r\ntransfer-enc",
            b'oding: chunked\r\n\r\n5\r\n{"a":\r\n2',
            b"\r\n1}\r\n0\r\n\r",
            b"\n",
        ):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(piecemeal) as server, connected(server) as connections:
        for _ in range(2):
            assert await connections.request("GET", "/", {}, b"") == (201, b'{"a":1}')
    assert server.connections == 1


async def test_a_request_on_a_connection_that_was_just_closed_is_sent_again() -> None:
    async def closing_the_second(_: bytes, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 2:
            writer.close()
        else:
            writer.write(OK)

    async with serving(closing_the_second) as server, connected(server) as connections:
        for _ in range(2):
            assert await connections.request("GET", "/", {}, b"") == (200, b"{}")
    assert len(server.requests) == 3
    assert server.connections == 2


async def test_a_server_that_says_close_gets_a_new_connection() -> None:
    async def once(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    async with serving(once) as server, connected(server) as connections:
        for _ in range(2):
            assert await connections.request("GET", "/", {}, b"") == (200, b"{}")
    assert server.connections == len(server.requests) == 2


async def test_a_server_that_closes_a_new_connection_is_not_asked_again() -> None:
    async def close(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        writer.close()

    async with serving(close) as server, connected(server) as connections:
        with pytest.raises(ConnectionClosedError):
            await connections.request("GET", "/", {}, b"")
    assert len(server.requests) == 1


async def test_a_request_that_is_given_up_takes_its_connection_with_it() -> None:
    async def late(request: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/slow" in request:
            await asyncio.sleep(0.2)
        writer.write(OK)

    async with serving(late) as server, connected(server, limit=1) as connections:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await connections.request("GET", "/slow", {}, b"")
        assert await connections.request("GET", "/quick", {}, b"") == (200, b"{}")
    assert server.connections == 2


async def test_a_header_cannot_smuggle_a_line() -> None:
    async with serving(answer_ok) as server, connected(server) as connections:
        with pytest.raises(ValueError, match="line break"):
            await connections.request("GET", "/", {"authorization": "a\r\nhost: b"}, b"")
    assert not server.requests


async def test_tls_through_the_proxy_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                target.write(data)
            target.close()

        await asyncio.gather(pass_on(reader, back), pass_on(there, writer), return_exceptions=True)

    name = "cluster.example"
    pair = pki.issue(tmp_path, "server", common_name=name, alternative_names=[f"DNS:{name}"])
    ours = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(pair.certificate, pair.key)
    async with serving(answer_ok, theirs) as server:
        proxies = await asyncio.start_server(proxy, "127.0.0.1", 0)
        port = proxies.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:s%20cret@127.0.0.1:{port}")
        monkeypatch.setenv("https_proxy", f"http://me:s%20cret@127.0.0.1:{port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        connections = Connections(f"https://{name}:6443", ours, limit=1)
        try:
            assert await connections.request("GET", "/version", {}, b"") == (200, b"{}")
        finally:
            connections.close()
            proxies.close()
    assert asked[0].startswith(b"CONNECT cluster.example:6443 HTTP/1.1\r\n")
    assert b"proxy-authorization: Basic bWU6cyBjcmV0\r\n" in asked[0]
