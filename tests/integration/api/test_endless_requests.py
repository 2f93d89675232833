"""Requests that never end or end early, sent over sockets because no client library sends them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from tests.harness.api import Api
from tests.harness.jobs import create_job
from tests.harness.waiting import eventually
from tests.integration.api.conftest import RunningApi
from wherry_api.metrics import FAULTS

HOST = b"Host: localhost\r\n"
POST = b"POST /v1/download/initiate HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
FAR_TOO_MUCH = 64 * 1_048_576
"""More than all buffers on the way hold, so that a server without limits would have to keep it."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(wherry: RunningApi) -> AsyncIterator[Connection]:
    parts = urlsplit(wherry.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def flood(writer: asyncio.StreamWriter, piece: bytes) -> int:
    """Send ``piece`` again and again until the server closes; return how many bytes it took."""
    sent = 0
    try:
        while sent < FAR_TOO_MUCH:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
    except ConnectionError:
        pass
    return sent


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Return what arrives until the end, or until the reset after a refusal."""
    answered = b""
    try:
        while part := await reader.read(65_536):
            answered += part
    except ConnectionError:
        pass
    return answered


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"GET /", b"a" * 65_536),
        (b"GET /v1/download?status=", b"a" * 65_536),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: ", b"a" * 65_536),
        (b"GET / HTTP/1.1\r\n" + HOST, b"a: b\r\n" * 10_000),
        (CHUNKED + b"1\r\n{\r\n0\r\n", b"a: b\r\n" * 10_000),
        (CHUNKED + b"1\r\n{\r\n0\r\nX: ", b"a" * 65_536),
        (CHUNKED + b"1;", b"a" * 65_536),
    ],
    ids=["path", "query", "header", "headers", "trailers", "trailer", "chunk extension"],
)
async def test_endless_requests_are_cut_off(wherry: RunningApi, head: bytes, piece: bytes) -> None:
    async with connected(wherry) as (reader, writer):
        writer.write(head)
        answer = asyncio.create_task(rest(reader))
        assert await flood(writer, piece) < FAR_TOO_MUCH
        answered = await answer
    # The answer may be lost when the server closes with data left to read.
    if answered:
        assert answered.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
        assert b"application/problem+json" in answered
    assert (await wherry.client.get("/health")).status_code == 200


async def test_headers_slightly_too_large_get_an_answer(wherry: RunningApi) -> None:
    async with connected(wherry) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 70_000)
        answered = await rest(reader)
    assert answered.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"urn:wherry:problem:headers-too-large" in answered
    # A short one that arrives in pieces is accepted.
    async with connected(wherry) as (reader, writer):
        for piece in (b"GET /health HTTP/1.1\r\n", HOST, b"Connection: close\r\n", b"\r\n"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        assert (await rest(reader)).startswith(b"HTTP/1.1 200 ")


async def test_requests_on_one_connection_are_counted_separately(wherry: RunningApi) -> None:
    request = b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 20_000 + b"\r\n\r\n"
    async with connected(wherry) as (reader, writer):
        for _ in range(20):
            writer.write(request)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            await reader.readuntil(b"}}}")


@pytest.mark.parametrize("more", [b"a" * 65_536, b"no HTTP\r\n" * 6_000])
async def test_a_stream_is_never_mixed_with_a_refusal(
    wherry: RunningApi, api: Api, namespace: str, more: bytes
) -> None:
    job = await create_job(api, namespace, ["1"])
    path = f"/v1/download/stream/{job.metadata.name}".encode()
    async with connected(wherry) as (reader, writer):
        writer.write(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert b"event: connected" in await reader.readuntil(b"\n\n")
        answer = asyncio.create_task(rest(reader))
        writer.write(b"GET /")
        assert await flood(writer, more) < FAR_TOO_MUCH
        assert b"HTTP/1.1" not in await answer
    await eventually("the stream to be let go", lambda: wherry.components.hub.streams == 0)


async def test_an_upgrade_is_answered_over_http_1(wherry: RunningApi) -> None:
    async with connected(wherry) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n")
        answered = await rest(reader)
    assert answered.startswith(b"HTTP/1.1 200 ")
    assert answered.count(b"HTTP/1.1") == 1
    empty = POST.replace(b"initiate", b"nobody/retry") + UPGRADE + b"Content-Length: 0\r\n\r\n"
    async with connected(wherry) as (reader, writer):
        writer.write(empty)
        assert (await rest(reader)).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("apart", [False, True])
async def test_a_body_after_an_upgrade_is_never_parsed_as_the_next_request(
    wherry: RunningApi, apart: bool
) -> None:
    body = b"DELETE /v1/download/smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
    head = POST + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(body)
    async with connected(wherry) as (reader, writer):
        writer.write(head)
        if apart:
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.write(body)
        answered = await rest(reader)
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert b"without that header" in answered
    assert answered.count(b"HTTP/1.1 ") == 1


async def test_a_client_that_disconnects_during_its_request_is_not_a_fault(
    wherry: RunningApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "wherry_api.http.middleware")
    faults = FAULTS.labels("/v1/download/initiate")._value.get()
    async with connected(wherry) as (_, writer):
        writer.write(POST + b'Content-Length: 100\r\n\r\n{"file_ids":')
        await writer.drain()
    await eventually("it to be seen", lambda: "a client disconnected" in caplog.text)
    assert "failed" not in caplog.text
    assert FAULTS.labels("/v1/download/initiate")._value.get() == faults


async def test_a_body_that_does_not_arrive_is_refused(wherry: RunningApi) -> None:
    wherry.components.bodies._arrival = 0.1
    async with connected(wherry) as (reader, writer):
        writer.write(POST + b'Content-Length: 100\r\n\r\n{"file_ids":')
        answered = await rest(reader)
    assert answered.startswith(b"HTTP/1.1 408 ")
    assert b"urn:wherry:problem:body-too-slow" in answered
