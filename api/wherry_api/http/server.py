"""The server: a listening socket that gives frozen clients up, and an orderly end."""

import asyncio
import gc
import logging
import signal
import socket
from types import FrameType
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

from wherry_api.http.protocol import BoundedProtocol
from wherry_api.settings import Settings, is_loopback

log = logging.getLogger(__name__)

BACKLOG: Final = 4_096
UNSENT_BYTES: Final = 32_768
"""What the kernel holds back for a client: more would be old progress that nobody waits for."""
INTERRUPT_SECONDS: Final = 0.5
REQUESTS_SECONDS: Final = 15
"""At the end, plain requests that still run have so long."""
GC_THRESHOLD: Final = 10_000
"""Allocations between two collections; Python's 700 are some requests, and a fifth of the CPU."""
INCOMPLETE: Final = "ASGI callable returned without completing response."


class DropsOfOurs(logging.Filter):
    """Leaves out what uvicorn says of a stream that the hub gave up: the hub has said it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for that message."""
        return record.msg != INCOMPLETE


def listen(host: str, port: int, send_timeout_seconds: float) -> socket.socket:
    """Return a listening socket; accepted connections inherit its options.

    A client that acknowledges nothing for the send timeout is reset by the kernel (RFC 5482): a
    socket that is merely closed would wait for it for ever. Raises OSError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_USER_TIMEOUT", int(send_timeout_seconds * 1000)),
        ("TCP_NOTSENT_LOWAT", UNSENT_BYTES),
    ):
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    return listener


class DrainingServer(uvicorn.Server):
    """Ends in order: not ready, streams ended one after another, listener closed, requests done."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, settings: Settings) -> None:
        super().__init__(config)
        self._app = app
        self._settings = settings
        self._ending: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and keep the loop that signals are passed on to."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the end at the first signal; a second one makes it short."""
        if self._loop is None or self._ending is not None:
            self.should_exit = self.force_exit = True
            return
        api = self._settings.api
        if sig == signal.SIGTERM:
            times = (api.shutdown_delay_seconds, api.drain_seconds)
        else:
            times = (0.0, INTERRUPT_SECONDS)
        self._loop.call_soon_threadsafe(self._begin, *times)

    def _begin(self, delay: float, drain: float) -> None:
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end(delay, drain))

    async def _end(self, delay: float, drain: float) -> None:
        components: Any = self._app.state.components
        log.info("ending: %d streams", components.hub.streams)
        try:
            # Other processes hear a moment later that nothing should be sent here.
            await asyncio.gather(components.drain(drain), asyncio.sleep(delay))
        finally:
            self.should_exit = True


def make_server(app: FastAPI, settings: Settings) -> DrainingServer:
    """Return the server for ``app``."""
    logging.getLogger("uvicorn.error").addFilter(DropsOfOurs())
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        # Every request is counted; a log of URLs would hold tickets.
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=REQUESTS_SECONDS,
        backlog=BACKLOG,
    )
    return DrainingServer(config, app, settings)


def settle_memory() -> None:
    """Spare the garbage collector what is there before the first request, and most of its runs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])


def warn_if_open(settings: Settings) -> None:
    """Say in the log when everyone who reaches the port is let in from outside."""
    if settings.api.auth_mode == "none" and not is_loopback(settings.api.http_host):
        log.warning(
            "WHERRY_AUTH_MODE=none on %s: everyone who can reach the port sees all jobs of the "
            "namespace %s",
            settings.api.http_host,
            settings.api.default_tenant,
        )
