"""Documents of an identity provider: limited in size, and read only from the configured place."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from wherry_api.auth import provider_documents
from wherry_api.auth.provider_documents import MAX_BYTES, fetch_json

SENT: dict[str, int] = {}


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    SENT["endless"] = 0
    # Finite, so that a reader without a limit fails by what it read and not by a timeout.
    while SENT["endless"] < MAX_BYTES * 64:
        await response.write(b" " * 65_536)
        SENT["endless"] += 65_536
    return response


async def _slow(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"{")
    await asyncio.Event().wait()
    return response


async def _redirect(request: web.Request) -> web.Response:
    status = int(request.match_info["status"])
    return web.Response(status=status, headers={"Location": "/elsewhere"})


async def _elsewhere(_: web.Request) -> web.Response:
    SENT["elsewhere"] = SENT.get("elsewhere", 0) + 1
    return web.json_response({"keys": []})


async def _packed(_: web.Request) -> web.Response:
    packed = gzip.compress(b'{"keys":"' + b"a" * MAX_BYTES * 50 + b'"}')
    assert len(packed) < MAX_BYTES
    return web.Response(body=packed, headers={"Content-Encoding": "gzip"})


async def _list(_: web.Request) -> web.Response:
    return web.json_response([1])


async def _text(_: web.Request) -> web.Response:
    return web.Response(text="x")


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/endless", _endless)
    app.router.add_get("/redirect/{status}", _redirect)
    app.router.add_get("/elsewhere", _elsewhere)
    app.router.add_get("/packed", _packed)
    app.router.add_get("/list", _list)
    app.router.add_get("/text", _text)
    app.router.add_get("/slow", _slow)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def provider() -> AsyncIterator[str]:
    SENT.clear()
    async with serving() as url:
        yield url


async def test_a_document_is_read(provider: str) -> None:
    assert await fetch_json(f"{provider}/elsewhere") == {"keys": []}


async def test_an_endless_answer_is_cut_off(provider: str) -> None:
    with pytest.raises(ValueError, match="more than 1048576 bytes"):
        await fetch_json(f"{provider}/endless")
    assert SENT["endless"] < MAX_BYTES * 64


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(provider: str, status: int) -> None:
    with pytest.raises(ValueError, match=f"answered {status}"):
        await fetch_json(f"{provider}/redirect/{status}")
    assert "elsewhere" not in SENT


async def test_compressed_answers_are_not_decompressed(provider: str) -> None:
    with pytest.raises(ValueError, match="holds no JSON"):
        await fetch_json(f"{provider}/packed")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("list", "holds no JSON object"), ("text", "holds no JSON"), ("nothing", "answered 404")],
)
async def test_answers_that_are_not_documents(provider: str, path: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        await fetch_json(f"{provider}/{path}")


async def test_a_slow_answer_times_out(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_documents, "TIMEOUT_SECONDS", 0.3)
    with pytest.raises(TimeoutError):
        await fetch_json(f"{provider}/slow")


async def test_a_provider_that_is_unavailable_is_an_os_error() -> None:
    with pytest.raises(OSError, match=r"127\.0\.0\.1:9"):
        await fetch_json("http://127.0.0.1:9/keys")


async def test_plain_http_is_read_only_from_this_machine() -> None:
    # Also where an https discovery document names it.
    with pytest.raises(ValueError, match="must start with https://"):
        await fetch_json("http://id.example.com/keys")
    with pytest.raises(ValueError, match="must be a URL"):
        await fetch_json("file:///etc/passwd", allow_http=True)
