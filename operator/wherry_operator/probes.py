"""Health, readiness and metrics over HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


@asynccontextmanager
async def serve_probes(port: int, *, ready: Callable[[], bool]) -> AsyncIterator[None]:
    """Serve /healthz, /readyz and /metrics on ``port`` of every address; nothing with port 0.

    /healthz answers as long as the event loop runs. A failed part ends the process's run instead.
    """
    if port == 0:
        yield
        return

    async def health(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def readiness(_: web.Request) -> web.Response:
        if ready():
            return web.Response(text="ready")
        return web.Response(text="the cache is not loaded yet", status=503)

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
