"""Health, readiness and metrics over HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


@asynccontextmanager
async def serve_probes(
    port: int, *, alive: Callable[[], bool], ready: Callable[[], bool]
) -> AsyncIterator[None]:
    """Serve /healthz, /readyz and /metrics on ``port`` of every address while open; 0: do not."""
    if port == 0:
        yield
        return

    async def health(_: web.Request) -> web.Response:
        return _answer(alive(), "ok", "the operator does not work")

    async def readiness(_: web.Request) -> web.Response:
        return _answer(ready(), "ready", "the cache is not loaded yet")

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/healthz", health)
    application.router.add_get("/readyz", readiness)
    application.router.add_get("/metrics", show_metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()


def _answer(good: bool, yes: str, no: str) -> web.Response:
    return web.Response(text=yes if good else no, status=200 if good else 503)
