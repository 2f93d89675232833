"""A file catalogue whose answers a test defines."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from localcluster import ports

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class CatalogueServer:
    """A running server and the requests that it received."""

    url: str
    asked: list[web.Request] = field(default_factory=list)


@asynccontextmanager
async def catalogue_of(answer: Answer) -> AsyncIterator[CatalogueServer]:
    """Yield a server that answers every request with ``answer``."""
    port = ports.free_port()
    server = CatalogueServer(f"http://127.0.0.1:{port}/lookup")

    async def handle(request: web.Request) -> web.StreamResponse:
        server.asked.append(request)
        return await answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield server
    finally:
        await runner.cleanup()
