"""Catalogues that do not end, are slow, or redirect: bounded, each with its own error."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from localcluster import ports
from wherry_jobrunner.archive import ArchiveError, ArchiveSettings
from wherry_jobrunner.archive.plan.catalogue import BYTES_PER_ID, look_up

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def catalogue(handler: Handler) -> AsyncIterator[str]:
    """Yield the URL of a catalogue whose every answer is ``handler``'s."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    port = ports.free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/files"
    finally:
        await runner.cleanup()


def settings_of(url: str, *, seconds: float = 30, attempts: int = 2) -> ArchiveSettings:
    return ArchiveSettings(
        WHERRY_CATALOGUE_URL=url,
        WHERRY_CATALOGUE_TIMEOUT_SECONDS=seconds,
        WHERRY_ARCHIVE_REQUEST_ATTEMPTS=attempts,
    )


async def test_an_answer_without_end_is_left_at_the_limit() -> None:
    sent = 0
    left = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b" " * 1024)
                sent += 1024
        finally:
            left.set()

    async with catalogue(endless) as url:
        with pytest.raises(ArchiveError, match=f"more than {2 * BYTES_PER_ID} bytes") as failed:
            await look_up("team-a", ["1", "2"], settings_of(url), None)
        assert failed.value.reason == "CatalogueAnswerInvalid"
        await asyncio.wait_for(left.wait(), 30)
    # The buffers of both sockets are included, which are bounded.
    assert sent < 64 << 20


async def test_an_answer_that_drips_is_given_up_when_its_time_is_over() -> None:
    asked = 0

    async def dripping(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)

    async with catalogue(dripping) as url:
        with pytest.raises(ArchiveError, match="did not answer in 2 tries") as failed:
            await look_up("team-a", ["1"], settings_of(url, seconds=0.5), None)
    assert (failed.value.reason, failed.value.retryable) == ("CatalogueUnavailable", True)
    assert "127.0.0.1" not in failed.value.message
    assert asked == 2


async def test_a_small_answer_that_unpacks_to_a_large_one_is_not_unpacked() -> None:
    async def packed(request: web.Request) -> web.StreamResponse:
        assert request.headers["Accept-Encoding"] == "identity"
        body = gzip.compress(b'{"files": []}' + b" " * (8 << 20))
        assert len(body) > BYTES_PER_ID or len(body) < 64 << 10
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    async with catalogue(packed) as url:
        with pytest.raises(ArchiveError) as failed:
            await look_up("team-a", ["1", "2"], settings_of(url), None)
    assert failed.value.reason == "CatalogueAnswerInvalid"


async def test_an_answer_that_points_elsewhere_is_not_followed() -> None:
    seen: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        seen.append(request.path)
        return web.Response(status=307, headers={"Location": "/secret"})

    async with catalogue(elsewhere) as url:
        with pytest.raises(ArchiveError, match="HTTP status 307"):
            await look_up("team-a", ["1"], settings_of(url), None)
    assert seen == ["/files"]
