"""The Kubernetes client's connections: reuse, retries, limits, TLS and proxies."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException

from localcluster import pki
from tests.harness.waiting import eventually
from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import UnavailableError

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


def client_for(url: str, *, limit: int = 4, ca: Path | None = None) -> KubernetesClient:
    configuration = Configuration()
    configuration.host = url
    configuration.connection_pool_maxsize = limit
    configuration.ssl_ca_cert = str(ca) if ca else None
    return KubernetesClient(configuration)


async def answer_ok(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(OK)


@pytest.mark.parametrize("error", [OSError("no such file"), ConfigException("empty")])
async def test_a_token_that_cannot_be_read_is_no_fault_of_the_request(error: Exception) -> None:
    def token_file_is_away(_: Configuration) -> None:
        raise error

    configuration = Configuration()
    configuration.host = "http://127.0.0.1:9"
    configuration.api_key["BearerToken"] = "bearer old"
    setattr(configuration, "refresh_api_key_hook", token_file_is_away)  # noqa: B010
    async with KubernetesClient(configuration) as client:
        with pytest.raises(UnavailableError, match=str(error)):
            await client.request("GET", "/version")


async def test_one_connection_serves_one_request_after_the_other() -> None:
    async with (
        serving(answer_ok) as server,
        client_for(f"http://127.0.0.1:{server.port}/cluster-7") as client,
    ):
        for _ in range(3):
            answer = await client.request("POST", "/jobs/a%20b", body={"a": 1}, query={"c": "d&e"})
            assert answer == {}
    assert server.connections == 1
    assert server.requests[0].startswith(b"POST /cluster-7/jobs/a%20b?c=d%26e HTTP/1.1\r\n")
    assert server.requests[0].endswith(b'\r\n\r\n{"a":1}')


async def test_no_more_connections_than_allowed() -> None:
    go_on = asyncio.Event()

    async def when_told(_: bytes, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        writer.write(OK)

    async with (
        serving(when_told) as server,
        client_for(f"http://127.0.0.1:{server.port}", limit=2) as client,
    ):
        asked = [asyncio.create_task(client.request("GET", "/")) for _ in range(6)]
        await eventually("two requests to arrive", lambda: len(server.requests) == 2)
        go_on.set()
        assert await asyncio.gather(*asked) == [{}] * 6
    assert server.connections == 2


async def test_a_create_on_a_connection_that_was_just_closed_is_sent_again() -> None:
    async def closing_the_second(_: bytes, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 2:
            writer.close()
        else:
            writer.write(OK)

    async with (
        serving(closing_the_second) as server,
        client_for(f"http://127.0.0.1:{server.port}") as client,
    ):
        for _ in range(2):
            assert await client.request("POST", "/", body={}) == {}
    assert len(server.requests) == 3


async def test_a_server_that_always_closes_is_unavailable() -> None:
    async def half(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        writer.close()

    async with (
        serving(half) as server,
        client_for(f"http://127.0.0.1:{server.port}") as client,
    ):
        with pytest.raises(UnavailableError):
            await client.request("GET", "/")


async def test_a_redirect_is_not_followed() -> None:
    async def elsewhere(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\n"
            b"content-length: 0\r\n\r\n"
        )

    async with (
        serving(elsewhere) as server,
        client_for(f"http://127.0.0.1:{server.port}") as client,
    ):
        with pytest.raises(UnavailableError):
            await client.request("GET", "/")
    assert len(server.requests) == 1


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
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(pair.certificate, pair.key)
    async with serving(answer_ok, theirs) as server:
        proxies = await asyncio.start_server(proxy, "127.0.0.1", 0)
        port = proxies.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:s%20cret@127.0.0.1:{port}")
        monkeypatch.setenv("https_proxy", f"http://me:s%20cret@127.0.0.1:{port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        try:
            async with client_for(f"https://{name}:6443", ca=tmp_path / "ca.crt") as client:
                assert await client.request("GET", "/version") == {}
        finally:
            proxies.close()
    assert asked[0].startswith(b"CONNECT cluster.example:6443 HTTP/1.1\r\n")
    assert b"proxy-authorization: basic bwu6cybjcmv0\r\n" in asked[0].lower()
