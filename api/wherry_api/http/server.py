"""The server: from the settings to an orderly end."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from types import FrameType
from typing import Any, Final, NoReturn

import uvicorn
from fastapi import FastAPI
from prometheus_client import start_http_server

from wherry_api.app import create_app
from wherry_api.auth.modes import check_key_file
from wherry_api.http.protocol import BoundedProtocol
from wherry_api.settings import ApiSettings, Settings, is_loopback, load_settings
from wherry_core import logs, tracing
from wherry_core.kubernetes import client as kubernetes_client
from wherry_core.kubernetes.errors import CredentialsError

log = logging.getLogger(__name__)

BACKLOG: Final = 4_096
UNSENT_BYTES: Final = 32_768
"""Unsent bytes that the kernel buffers for a client: more would be progress that is out of date."""
INTERRUPT_SECONDS: Final = 0.5
REQUESTS_SECONDS: Final = 15
"""Seconds that plain requests in progress have after the streams have ended."""
GC_THRESHOLD: Final = 10_000
"""Allocations between two collections: with Python's 700 they take a fifth of the CPU time."""
INCOMPLETE: Final = "ASGI callable returned without completing response."


def run() -> None:
    """Serve until a signal; exit with status 2 and a sentence when a setting cannot be used."""
    settings = load_settings()
    logs.set_up(settings.logs)
    api = settings.api
    warn_if_open(settings)
    _check_files(api)
    try:
        listener = listen(api.http_host, api.http_port, api.stream_send_timeout_seconds)
        if api.metrics_port:
            start_http_server(api.metrics_port, addr=api.http_host)
    except OSError as error:
        _give_up(
            f"Wherry cannot listen on {api.http_host} (port {api.http_port}, metrics "
            f"{api.metrics_port or 'off'}): {error}.\nStop the program that uses the port, or set "
            "WHERRY_HTTP_PORT or WHERRY_METRICS_PORT."
        )
    host, port = listener.getsockname()[:2]
    log.info("listening on http://%s:%d", host, port)
    server = make_server(create_app(settings), settings)
    tracing.set_up("api")
    settle_memory()
    server.run(sockets=[listener])


def _check_files(api: ApiSettings) -> None:
    """Exit with a sentence when a file that the settings name cannot be used."""
    try:
        asyncio.run(_connect_once())
    except CredentialsError as error:
        _give_up(str(error))
    try:
        check_key_file(api)
    except (OSError, ValueError) as error:
        _give_up(
            f"The key file {api.api_keys_file} cannot be used: {error}.\nCorrect it, or set "
            "WHERRY_API_KEYS_FILE to another file."
        )


async def _connect_once() -> None:
    client = await kubernetes_client.connect()
    await client.close()


def _give_up(sentence: str) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    raise SystemExit(2) from None


class DroppedStreamFilter(logging.Filter):
    """Drops uvicorn's message about a stream that the hub has closed and logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for that message."""
        return record.msg != INCOMPLETE


def listen(host: str, port: int, send_timeout_seconds: float) -> socket.socket:
    """Return a listening socket; accepted connections inherit its options.

    The kernel resets a connection whose client acknowledges nothing for the send timeout (RFC
    5482); closing the socket would wait for that client without end. Raises OSError.
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
    """Ends in order: not ready, streams ended one by one, listener closed, requests finished.

    Leans on parts of uvicorn that are not documented (``handle_exit``, ``startup``, ``started``),
    so its version is bounded in pyproject.toml.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, settings: Settings) -> None:
        super().__init__(config)
        self._app = app
        self._settings = settings
        self._ending: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and keep the loop that signals are passed to."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the orderly end at the first signal; a second signal ends it at once."""
        if not self.started or self._loop is None:
            # No request was served, so nothing is left to finish. A thread that waits for
            # credentials cannot be interrupted in another way.
            os._exit(0)
        if self._ending is not None:
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
        log.info("draining %d streams", components.hub.streams)
        try:
            # Other processes see a moment later that no request should be sent here.
            await asyncio.gather(components.drain(drain), asyncio.sleep(delay))
        finally:
            self.should_exit = True


def make_server(app: FastAPI, settings: Settings) -> DrainingServer:
    """Return the server for ``app``."""
    logging.getLogger("uvicorn.error").addFilter(DroppedStreamFilter())
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
    """Exempt what exists before the first request from garbage collection, and collect rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])


def warn_if_open(settings: Settings) -> None:
    """Log a warning when everyone who reaches the port from outside is let in."""
    if settings.api.auth_mode == "none" and not is_loopback(settings.api.http_host):
        log.warning(
            "WHERRY_AUTH_MODE=none on %s: everyone who can reach the port sees all jobs of the "
            "namespace %s",
            settings.api.http_host,
            settings.api.default_tenant,
        )
