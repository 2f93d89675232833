"""The FastAPI application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from wherry_api.components import running
from wherry_api.http import allowed_hosts, docs_page, error_renderer, index_page, static_files
from wherry_api.http.allowed_hosts import AllowedHosts
from wherry_api.http.middleware import Middleware
from wherry_api.openapi import document
from wherry_api.routes import details, download, health, initiate, jobs, status, stream
from wherry_api.settings import Settings
from wherry_core import tracing

EXPOSED = ("RateLimit", "RateLimit-Policy", "Retry-After", "Location")
ALLOWED = ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID")


def create_app(settings: Settings) -> FastAPI:
    """Return the application; its components are created when the server starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(settings) as components:
            app.state.components = components
            yield
        # Spans are sent here, because the server does not return after a signal.
        await asyncio.to_thread(tracing.shut_down)

    app = FastAPI(
        title="Wherry",
        version=version("wherry"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    # Routes with a fixed word precede the one that matches any job id.
    for module in (initiate, status, stream, jobs, details, download, health):
        app.include_router(module.router)
    static_files.serve(app, index_page.read() | docs_page.read())
    error_renderer.install(app)
    if settings.api.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.api.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=[*ALLOWED, "Wherry-Tenant", "X-API-Key"],
            expose_headers=list(EXPOSED),
            max_age=600,
        )
    if allowed_hosts.needed(settings.api):
        app.add_middleware(
            AllowedHosts,
            names=allowed_hosts.names(settings.api),
            origins=settings.api.cors_origins,
            loopback=allowed_hosts.for_this_machine(settings.api),
        )
    app.add_middleware(Middleware, max_body_bytes=settings.api.max_body_bytes)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document.build(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app
