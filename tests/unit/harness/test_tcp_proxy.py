"""The proxy that disconnects clients from their server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.harness.tcp_proxy import Link, TcpProxy, tcp_proxy


@asynccontextmanager
async def answering(word: bytes) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(word + line)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@asynccontextmanager
async def client(
    proxy: TcpProxy,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*proxy.address)
    yield reader, writer
    writer.transport.abort()


async def test_what_waited_in_a_silent_link_passes_once_it_is_whole() -> None:
    async with (
        answering(b"1") as port,
        tcp_proxy("127.0.0.1", port) as proxy,
        client(proxy) as (reader, writer),
    ):
        writer.write(b"a\n")
        assert await reader.readline() == b"1a\n"
        proxy.set(Link.SILENT)
        writer.write(b"b\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), 0.1)
        proxy.set(Link.WHOLE)
        assert await reader.readline() == b"1b\n"


async def test_a_refused_link_resets_what_is_open_and_takes_nothing_new() -> None:
    async with answering(b"1") as port, tcp_proxy("127.0.0.1", port) as proxy:
        async with client(proxy) as (reader, writer):
            writer.write(b"a\n")
            await reader.readline()
            proxy.set(Link.REFUSED)
            with pytest.raises(ConnectionError):
                await reader.readexactly(1)
        async with client(proxy) as (reader, _):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)


async def test_new_connections_lead_to_the_new_target() -> None:
    async with (
        answering(b"1") as first,
        answering(b"2") as second,
        tcp_proxy("127.0.0.1", first) as proxy,
    ):
        proxy.redirect("127.0.0.1", second)
        async with client(proxy) as (reader, writer):
            writer.write(b"a\n")
            assert await reader.readline() == b"2a\n"
