"""Probes and metrics over HTTP."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from wherry_core.redis.link import RedisLink
from wherry_jobrunner.worker import Worker

STUCK_SECONDS: Final = 60.0
"""Seconds without a heartbeat after which the event loop is considered to hang."""


def is_alive(now: float, heartbeat_at: float) -> bool:
    """Return whether the process works; Redis and the API server do not matter."""
    return now - heartbeat_at < STUCK_SECONDS


def readiness(*, leaving: bool, redis_is_up: bool) -> tuple[bool, str]:
    """Return whether the runner takes jobs, and the reason why not."""
    if leaving:
        return False, "leaving"
    return (True, "ready") if redis_is_up else (False, "Redis is unavailable")


def application(worker: Worker, link: RedisLink) -> web.Application:
    """Return the HTTP application of the probes."""

    async def healthz(_: web.Request) -> web.Response:
        alive = is_alive(time.monotonic(), worker.heartbeat.sent_at)
        return web.Response(text="ok" if alive else "stuck", status=200 if alive else 503)

    async def readyz(_: web.Request) -> web.Response:
        ready, why = readiness(leaving=worker.leaving, redis_is_up=link.up)
        return web.Response(text=why, status=200 if ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    made = web.Application()
    made.router.add_get("/healthz", healthz)
    made.router.add_get("/readyz", readyz)
    made.router.add_get("/metrics", metrics)
    return made


@asynccontextmanager
async def serving(worker: Worker, link: RedisLink, port: int) -> AsyncIterator[None]:
    """Serve probes and metrics on ``port`` of every address while open; not at all for port 0."""
    if port == 0:
        yield
        return
    runner = web.AppRunner(application(worker, link), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()
