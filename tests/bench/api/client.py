"""The benchmark's client. It does little work per request, because it shares the server's cores.

Requests are prepared as bytes. Each connection sends one, waits for the response and sends the
next one. Only httptools parses responses. The client runs in its own process, and all rows of the
benchmark use it.
"""

import asyncio
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import httptools
import uvloop


@dataclass(frozen=True)
class Target:
    """The server to measure."""

    host: str
    port: int
    ca: str | None = None
    """Certificate authority, PEM; None: plain HTTP."""


@dataclass(frozen=True)
class Burst:
    """Results of one burst."""

    seconds: float
    """From the first request to the last response; connections are opened before."""
    cpu_seconds: float
    """CPU time of the client."""
    delays: list[float]
    """Seconds from each request to the end of its answer."""
    statuses: dict[int, int]
    """Number of responses by status."""
    bodies: list[bytes] = field(default_factory=list)
    """The response bodies, if requested."""


class Connection(asyncio.Protocol):
    """One client, which sends the next request after each response."""

    def __init__(self, requests: Iterator[bytes], delays: list[float]) -> None:
        self._requests = requests
        self._delays = delays
        self._began = 0.0
        self._body = b""
        self.statuses: dict[int, int] = {}
        self.bodies: list[bytes] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def next(self) -> None:
        """Send the next request, if there is one."""
        request = next(self._requests, None)
        if request is None:
            self.done.set_result(None)
            return
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._began = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Parse a part of a response."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body += body

    def on_message_complete(self) -> None:
        """Called by the parser at the end of a response."""
        self._delays.append(time.perf_counter() - self._began)
        status = self._parser.get_status_code()
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.bodies.append(self._body)
        # Not called directly, because the parser is still active.
        asyncio.get_running_loop().call_soon(self.next)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail a burst whose connection the server closed."""
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("closed by the server"))


def burst(target: Target, requests: list[bytes], clients: int, keep_bodies: bool) -> Burst:
    """Send ``requests`` from ``clients`` connections; for a process of its own."""
    return uvloop.run(_burst(target, requests, clients, keep_bodies))


async def _burst(target: Target, requests: list[bytes], clients: int, keep_bodies: bool) -> Burst:
    context = ssl.create_default_context(cadata=target.ca) if target.ca else None
    loop = asyncio.get_running_loop()
    left = iter(requests)
    delays: list[float] = []
    pairs = await asyncio.gather(
        *(
            loop.create_connection(
                lambda: Connection(left, delays), target.host, target.port, ssl=context
            )
            for _ in range(clients)
        )
    )
    connections = [protocol for _, protocol in pairs]
    cpu, began = time.process_time(), time.perf_counter()
    for connection in connections:
        connection.next()
    await asyncio.gather(*(connection.done for connection in connections))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    statuses: dict[int, int] = {}
    bodies: list[bytes] = []
    for connection in connections:
        connection.transport.abort()
        for status, count in connection.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
        bodies += connection.bodies if keep_bodies else []
    return Burst(seconds, cpu, delays, statuses, bodies)
