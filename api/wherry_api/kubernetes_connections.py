"""Connections to the Kubernetes API server: HTTP/1.1, kept open, one request at a time on each.

A general HTTP client (aiohttp) takes 80 to 90 µs of CPU for such a request, this one 35. It can do
what the API needs and no more: requests with a body in one piece, TLS by the context it is given,
and a proxy that is tunnelled through.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httptools

from wherry_api import proxy_tunnel

IDLE_SECONDS: Final = 60.0
"""An unused connection is not used again after so long: the server may be about to close it."""
CONNECT_SECONDS: Final = 2.0


class ConnectionClosedError(Exception):
    """The server closed the connection before it answered."""


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.open = True
        self.unused_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._answer is None:
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(error)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        status = self._parser.get_status_code()
        if status < 200:
            return
        self.open = self.open and self._parser.should_keep_alive()
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result((status, b"".join(self._body)))

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        self._end(error or ConnectionClosedError("closed by the server"))

    def _end(self, error: Exception) -> None:
        self.open = False
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            if not isinstance(error, httptools.HttpParserError):
                error = ConnectionClosedError(f"{type(error).__name__}: {error}")
            answer.set_exception(error)
        self.abort()

    def abort(self) -> None:
        """Close it at once."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Send a whole request; return status and body of the answer.

        Raises ConnectionClosedError and httptools.HttpParserError.
        """
        if self._transport is None or not self.open:
            raise ConnectionClosedError("closed by the server")
        self._parser = httptools.HttpResponseParser(self)
        self._body = []
        answer: asyncio.Future[tuple[int, bytes]] = self._loop.create_future()
        self._answer = answer
        self._transport.write(request)
        return await answer


class Connections:
    """A pool of connections to one server; requests beyond ``limit`` wait in turn."""

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext,
        *,
        limit: int,
        server_name: str | None = None,
    ) -> None:
        """``server_name`` is the name in the server's certificate, where not the URL's host."""
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._context = context if parts.scheme == "https" else None
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._authority = parts.netloc.rpartition("@")[2]
        self._prefix = parts.path.rstrip("/")
        self._server_name = server_name or self._host
        self._proxy = proxy_tunnel.proxy_for(parts.scheme, self._authority)
        self._slots = asyncio.Semaphore(limit)
        self._unused: list[Connection] = []

    def close(self) -> None:
        """Close all connections that no request uses."""
        while self._unused:
            self._unused.pop().abort()

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """Send one request; ``target`` is path and query, escaped. Returns status and body.

        Raises OSError, TimeoutError, ConnectionClosedError and httptools.HttpParserError. One
        that was sent on a connection which the server had just closed is sent a second time.
        """
        message = self._message(method, target, headers, body)
        async with self._slots:
            used = self._unused_one()
            if used is not None:
                try:
                    return await self._send(used, message)
                except ConnectionClosedError:
                    # All the others are as old: after a restart of the server none is open.
                    self.close()
            return await self._send(await self._connect(), message)

    async def _send(self, connection: Connection, message: bytes) -> tuple[int, bytes]:
        try:
            answer = await connection.send(message)
        except BaseException:
            connection.abort()
            raise
        if connection.open:
            connection.unused_since = asyncio.get_running_loop().time()
            self._unused.append(connection)
        else:
            connection.abort()
        return answer

    def _unused_one(self) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._unused:
            # The last one first: the others grow old and are closed when few are needed.
            connection = self._unused.pop()
            if connection.open and connection.unused_since > oldest:
                return connection
            connection.abort()
        return None

    def _message(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        lines = [f"{method} {self._prefix}{target} HTTP/1.1", f"host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method in {"POST", "PATCH", "PUT"}:
            lines.append(f"content-length: {len(body)}")
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
            raise ValueError("a header with a line break")
        return head.encode("latin-1") + b"\r\n\r\n" + body

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_SECONDS):
            if self._proxy is None:
                where: dict[str, Any] = {"host": self._host, "port": self._port}
            else:
                where = {"sock": await proxy_tunnel.open_to(self._host, self._port, self._proxy)}
            _, connection = await loop.create_connection(
                Connection,
                **where,
                ssl=self._context,
                server_hostname=self._server_name if self._context else None,
            )
        return connection
