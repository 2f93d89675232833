"""A TCP proxy that can disconnect its clients from the server, or redirect them to another."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

CHUNK = 64 * 1024


class Link(StrEnum):
    """The state of the connection to the server."""

    WHOLE = "whole"
    SILENT = "silent"
    """Nothing passes and no side notices, as with a network that drops packets."""
    REFUSED = "refused"
    """Open connections are reset and new ones closed at once, as without a server."""


@dataclass
class TcpProxy:
    """A running proxy. Change ``target`` and :meth:`set` at any time."""

    target: tuple[str, int]
    """The server of new connections."""
    address: tuple[str, int] = ("", 0)
    """Where it listens."""
    state: Link = Link.WHOLE
    refused: int = 0
    """Connections that ended because the server took none."""
    _whole: asyncio.Event = field(default_factory=asyncio.Event)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.address[1]

    def set(self, state: Link) -> None:
        """Disconnect the clients from the server, or connect them again."""
        self.state = state
        if state is Link.SILENT:
            self._whole.clear()
            return
        # Bytes that wait in a silent link must not pass once the link is refused.
        if state is Link.REFUSED:
            self.reset()
        self._whole.set()

    def redirect(self, host: str, port: int) -> None:
        """Reset all connections and send new ones elsewhere, as a Service does at a failover."""
        self.target = (host, port)
        self.reset()

    def reset(self) -> None:
        """Reset all open connections."""
        for writer in list(self._open):
            # Closed with a linger time of 0, a connection ends with RST and not with FIN.
            taken = writer.get_extra_info("socket")
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        self._open.add(writer)
        try:
            await self._whole.wait()
            if self.state is not Link.REFUSED:
                there, to_there = await asyncio.open_connection(*self.target)
                self._open.add(to_there)
                try:
                    await self._join(reader, writer, there, to_there)
                finally:
                    self._open.discard(to_there)
                    to_there.transport.abort()
        except OSError:
            self.refused += 1
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        to_there: asyncio.StreamWriter,
    ) -> None:
        ways = [
            asyncio.ensure_future(self._pass(reader, to_there)),
            asyncio.ensure_future(self._pass(there, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            await self._whole.wait()
            writer.write(chunk)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()


@asynccontextmanager
async def tcp_proxy(host: str, port: int) -> AsyncIterator[TcpProxy]:
    """Run a proxy for ``host``:``port`` on a free loopback port while the context is open."""
    proxy = TcpProxy((host, port))
    proxy.set(Link.WHOLE)
    tasks: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.address = server.sockets[0].getsockname()[:2]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
